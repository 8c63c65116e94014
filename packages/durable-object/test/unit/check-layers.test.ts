/** Each rule of `scripts/check-layers.ts`, shown to fail on a small tree and to pass on its neighbour. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { checkLayers } from "../../../../scripts/check-layers.ts";

const trees: string[] = [];

afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true });
});

/** The problems of a package with these files in `src`, each as `file:line rule`. */
function problemsOf(files: Readonly<Record<string, string>>, manifest: object = { exports: {} }): string[] {
  const tree = mkdtempSync(join(tmpdir(), "check-layers-"));
  trees.push(tree);
  writeFileSync(join(tree, "package.json"), JSON.stringify(manifest));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, "src", path)), { recursive: true });
    writeFileSync(join(tree, "src", path), text);
  }
  return checkLayers(tree).problems.map(({ file, line, rule }) => `${file}:${line} ${rule}`);
}

/** One import, from a file to a file that exists. */
const importing = (from: string, to: string, specifier: string): string[] =>
  problemsOf({ [from]: `import { a } from "${specifier}";\n`, [to]: "export const a = 1;\n" });

describe("imports between folders", () => {
  test.each([
    ["runtime/a.ts", "cluster/b.ts", "../cluster/b.ts"],
    ["alarms/a.ts", "telemetry/b.ts", "../telemetry/b.ts"],
    ["sqlite/a.ts", "ports/b.ts", "../ports/b.ts"],
    ["ports/a.ts", "core/b.ts", "../core/b.ts"],
    ["object/a.ts", "core/b.ts", "../core/b.ts"],
    ["testing/a.ts", "memory/b.ts", "../memory/b.ts"],
  ])("%s may import %s", (from, to, specifier) => {
    expect(importing(from, to, specifier)).toEqual([]);
  });

  test.each([
    ["an adapter, the engine", "sqlite/a.ts", "runtime/b.ts", "../runtime/b.ts"],
    ["the engine, an adapter", "runtime/a.ts", "memory/b.ts", "../memory/b.ts"],
    ["an adapter, another one", "sqlite/a.ts", "memory/b.ts", "../memory/b.ts"],
    ["the lower engine, the upper", "cluster/a.ts", "runtime/b.ts", "../runtime/b.ts"],
    ["a port, a word above core", "ports/a.ts", "object/b.ts", "../object/b.ts"],
    ["core, object", "core/a.ts", "object/b.ts", "../object/b.ts"],
    ["util, core", "util/a.ts", "core/b.ts", "../core/b.ts"],
    ["anybody, a door", "runtime/a.ts", "testing/b.ts", "../testing/b.ts"],
  ])("%s: refused", (_what, from, to, specifier) => {
    expect(importing(from, to, specifier)).toEqual([`src/${from}:1 import`]);
  });

  test("an erased import, a re-export, a dynamic import and an import over several lines count", () => {
    const specifier = '"../runtime/b.ts"';
    const b = { "runtime/b.ts": "export const b = 1;\n" };
    for (const [line, text] of [
      [1, `import type { B } from ${specifier};`],
      [1, `export { b } from ${specifier};`],
      [1, `export * from ${specifier};`],
      [1, `import ${specifier};`],
      [2, `\nexport const later = () => import(${specifier});`],
      [2, `\nexport type B = import(${specifier}).B;`],
      [4, `import {\n  type A,\n  b,\n} from ${specifier};`],
    ] as const) {
      expect(problemsOf({ ...b, "core/a.ts": text }), text).toEqual([`src/core/a.ts:${line} import`]);
    }
  });

  test("what stands in comments, strings, templates and regular expressions is not an import", () => {
    const line = 'import { b } from "../runtime/b.ts";';
    const text = [
      `// ${line}`,
      `/* ${line}`,
      `${line} */`,
      `const text = '${line}';`,
      `const template = \`\${[1].map((n) => \`\${n}\`).join("}")} ${line}\`;`,
      `const pattern = /["'\`/]/.test("x") || 1 / 2 > 3;`,
      `export const url = \`https://\${text}/*\`;`,
    ].join("\n");
    expect(problemsOf({ "core/a.ts": text })).toEqual([]);
    expect(problemsOf({ "core/a.ts": `${text}\n${line}` })).toEqual(["src/core/a.ts:8 import"]);
  });

  test("a folder that the layout does not have, a second file beside index.ts, and a way out of src: refused", () => {
    expect(problemsOf({ "extras/a.ts": "" })).toEqual(["src/extras/a.ts:1 layout"]);
    expect(problemsOf({ "version.ts": "" })).toEqual(["src/version.ts:1 layout"]);
    expect(problemsOf({ "testing/a.ts": 'import "../../bench/run.ts";' })).toEqual(["src/testing/a.ts:1 import"]);
  });
});

describe("imports of packages", () => {
  const manifest = { exports: {}, dependencies: { "@standard-schema/spec": "1" }, peerDependencies: { pg: "8" } };
  const importingPackage = (from: string, name: string): string[] =>
    problemsOf({ [from]: `import "${name}";` }, manifest);

  test("node: in the engine, adapters and doors, but not in words and ports", () => {
    expect(importingPackage("runtime/a.ts", "node:crypto")).toEqual([]);
    expect(importingPackage("sqlite/a.ts", "node:sqlite")).toEqual([]);
    expect(importingPackage("object/a.ts", "node:crypto")).toEqual(["src/object/a.ts:1 import"]);
    expect(importingPackage("ports/a.ts", "node:crypto")).toEqual(["src/ports/a.ts:1 import"]);
    expect(problemsOf({ "ports/a.ts": 'globalThis.process.getBuiltinModule("node:fs")' })).toEqual([
      "src/ports/a.ts:1 import",
    ]);
  });

  test("a driver in its adapter only", () => {
    expect(importingPackage("postgres/a.ts", "pg")).toEqual([]);
    expect(importingPackage("sqlite/a.ts", "pg")).toEqual(["src/sqlite/a.ts:1 import"]);
    expect(importingPackage("runtime/a.ts", "pg/lib/client")).toEqual(["src/runtime/a.ts:1 import"]);
    expect(importingPackage("object/a.ts", "@standard-schema/spec")).toEqual([]);
  });

  test("only what package.json declares", () => {
    expect(importingPackage("testing/a.ts", "pg")).toEqual([]);
    expect(importingPackage("testing/a.ts", "vitest")).toEqual(["src/testing/a.ts:1 import"]);
  });
});

describe("cycles", () => {
  const cycle = (folder: string, statement: string): string[] =>
    problemsOf({
      [`${folder}/a.ts`]: `${statement} { b } from "./b.ts";`,
      [`${folder}/b.ts`]: `${statement} { c } from "./c.ts";`,
      [`${folder}/c.ts`]: `${statement} { a } from "./a.ts";`,
    });

  test("refused, erased ones included", () => {
    expect(cycle("runtime", "import")).toEqual(["src/runtime/c.ts:1 cycle"]);
    expect(cycle("runtime", "import type")).toEqual(["src/runtime/c.ts:1 cycle"]);
    expect(cycle("object", "import")).toEqual(["src/object/c.ts:1 cycle"]);
  });

  test("erased ones between files of object/ are tolerated", () => {
    expect(cycle("object", "import type")).toEqual([]);
  });
});

describe("time and chance", () => {
  const uses = [
    "Date.now()",
    "new Date()",
    "Date()",
    "performance.now()",
    "setTimeout(f, 1)",
    "globalThis.setInterval(f, 1)",
    "setImmediate(f)",
    "Math.random()",
    "crypto.randomUUID()",
    "process.hrtime()",
    "AbortSignal.timeout(5)",
  ];

  test.each(uses)("%s: refused in the engine, the ports, the words and memory", (use) => {
    const text = `// ${use}\nexport const used = ${use};\n`;
    for (const folder of ["runtime", "ports", "memory"]) {
      expect(problemsOf({ [`${folder}/a.ts`]: text })).toEqual([`src/${folder}/a.ts:2 clock`]);
    }
    expect(problemsOf({ "core/a.ts": text })).toContain("src/core/a.ts:2 clock");
    expect(problemsOf({ "sqlite/a.ts": text, "testing/a.ts": text })).toEqual([]);
    expect(problemsOf({ "runtime/system-environment.ts": text })).toEqual([]);
  });

  test("modules of timers, too", () => {
    expect(problemsOf({ "runtime/a.ts": 'import { setTimeout } from "node:timers/promises";' })).toEqual([
      "src/runtime/a.ts:1 clock",
      "src/runtime/a.ts:1 clock",
    ]);
  });

  test("a given moment, a microtask and an environment's own methods are fine", () => {
    const text = "export const fine = [new Date(5), queueMicrotask, environment.setTimeout, clock.performance.now];\n";
    expect(problemsOf({ "runtime/a.ts": text })).toEqual([]);
  });

  test("words use no global that a browser does not have", () => {
    expect(problemsOf({ "core/a.ts": "export const a = process.env;" })).toEqual(["src/core/a.ts:1 browser"]);
    expect(problemsOf({ "core/a.ts": "export const a = Buffer.from([]);" })).toEqual(["src/core/a.ts:1 browser"]);
    expect(problemsOf({ "runtime/a.ts": "export const a = process.env;" })).toEqual([]);
  });
});

describe("the shape of files", () => {
  const lines = (count: number): string => "export {};\n".repeat(count);

  test("no file above 500 lines", () => {
    const short = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`core/file-${n}.ts`, lines(1)]));
    expect(problemsOf({ ...short, "core/a.ts": lines(500) })).toEqual([]);
    expect(problemsOf({ ...short, "core/a.ts": lines(501) })).toEqual(["src/core/a.ts:500 length"]);
  });

  test("half of them at most 130 lines, nine in ten at most 330", () => {
    const tree = (...counts: number[]): Record<string, string> =>
      Object.fromEntries(counts.map((count, n) => [`core/file-${n}.ts`, lines(count)]));
    expect(problemsOf(tree(130, 330))).toEqual([]);
    expect(problemsOf(tree(131, 131))).toEqual(["src:1 length"]);
    expect(problemsOf(tree(1, 331))).toEqual(["src:1 length"]);
  });

  test.each(["core/types.ts", "core/json-utils.ts", "runtime/activation-manager.ts", "object/Stub.ts", "core/a_b.ts"])(
    "the name %s: refused",
    (path) => {
      expect(problemsOf({ [path]: "" })).toEqual([`src/${path}:1 name`]);
    },
  );
});

describe("index files", () => {
  const manifest = { exports: { ".": {}, "./memory": {}, "./package.json": "./package.json" } };
  const root = { "index.ts": 'export { a } from "./core/a.ts";\n' };
  const lists = '/** All. */\nexport { a } from "./a.ts";\nexport type {\n  B, // why\n  C,\n} from "./b.ts";\n';

  test("lists of names in the public folders, and nothing else", () => {
    expect(problemsOf({ ...root, "memory/index.ts": lists }, manifest)).toEqual([]);
    expect(problemsOf({ ...root, "memory/index.ts": `${lists}export * from "./c.ts";\n` }, manifest)).toEqual([
      "src/memory/index.ts:7 index",
    ]);
    expect(problemsOf({ ...root, "memory/index.ts": `${lists}export const d = 1;\n` }, manifest)).toEqual([
      "src/memory/index.ts:7 index",
    ]);
  });

  test("none in other folders, one in each public folder", () => {
    expect(problemsOf({ ...root, "memory/index.ts": lists, "core/index.ts": "" }, manifest)).toEqual([
      "src/core/index.ts:1 index",
    ]);
    expect(problemsOf(root, manifest)).toEqual(["src/memory/index.ts:1 index"]);
  });
});
