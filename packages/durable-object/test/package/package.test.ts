/**
 * The package as users get it: built, packed, installed into an empty project, compiled against and run.
 *
 * Everything happens in a temporary folder, on a copy of the package, so that no other test sees a `dist`
 * that comes and goes. Peers are linked from here: an application would have installed them.
 */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { application } from "./application.ts";
import { testNewUser } from "./new-user.ts";
import { manifest, modules, npm, pack, run, tsc, type Packed } from "./packed-package.ts";

/** Bytes of the packed tarball: code, types, maps and sources. */
const maxPackedBytes = 1_200_000;

/** What coding agents read. */
const forAgents = ["llms.txt", "skills/durable-object/SKILL.md", "skills/durable-object/recipes.md", "usage-rules.md"];

const temporary = mkdtempSync(join(tmpdir(), "durable-object-package-"));
const app = join(temporary, "app");
let packed: Packed;

beforeAll(async () => {
  const stage = join(temporary, "stage");
  packed = await pack(stage);
  await install(join(stage, packed.filename));
});

afterAll(() => rmSync(temporary, { recursive: true, force: true, maxRetries: 3 }));

test("the tarball holds code, types and sources, no tests, and is small", () => {
  const paths = packed.files.map((file) => file.path);
  expect(paths).toEqual(
    expect.arrayContaining(["package.json", "README.md", "LICENSE", "dist/index.js", "src/index.ts", ...forAgents]),
  );
  const known = new Set(["package.json", "README.md", "LICENSE", ...forAgents]);
  expect(paths.filter((path) => !/^(?:dist|src|bin)\//.test(path) && !known.has(path))).toEqual([]);
  expect(paths.filter((path) => /(?:^|\/)(?:test|bench)\/|\.test\b|tsconfig|tsbuildinfo|\.db\b/.test(path))).toEqual(
    [],
  );
  expect(packed.size).toBeLessThan(maxPackedBytes);
});

test("an application compiles under the strictest settings, and its own declarations can name ours", async () => {
  expect(await compileApp()).toBe("");
  const declaration = readFileSync(join(app, "out/app.d.ts"), "utf8");
  expect(declaration).toContain("export declare const Counter");
  expect(declaration).not.toMatch(/\bany\b/);
});

test("it runs, and what it wrote is there when it runs again", async () => {
  await compileApp();
  const first = await run(process.execPath, ["out/app.js", "app.db"], app);
  expect(JSON.parse(first)).toEqual({ count: 5, withdrawn: 2, max: 3, alarms: ["audit"] });
  const second = await run(process.execPath, ["out/app.js", "app.db"], app);
  expect(JSON.parse(second)).toEqual({ count: 8, withdrawn: 2, max: 6, alarms: ["audit"] });
});

test("every public subpath can be imported, and exports something", async () => {
  const names = Object.keys(manifest.exports)
    .filter((subpath) => !subpath.endsWith(".json"))
    .map((subpath) => subpath.replace(".", "durable-object"));
  const code = `for (const name of ${JSON.stringify(names)}) {
    console.log(name, Object.keys(await import(name)).length > 0);
  }`;
  const printed = await run(process.execPath, ["--input-type=module", "--eval", code], app);
  expect(printed.trim().split("\n")).toEqual(names.map((name) => `${name} true`));
});

async function install(tarball: string): Promise<void> {
  mkdirSync(app);
  writeFileSync(join(app, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await npm(
    ["install", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts", "--omit=peer", tarball],
    app,
  );
  for (const peer of Object.keys(manifest.peerDependencies)) {
    if (peer.startsWith("@types/") || !readdirSync(join(modules, dirname(peer))).includes(basename(peer))) continue;
    mkdirSync(dirname(join(app, "node_modules", peer)), { recursive: true });
    symlinkSync(join(modules, peer), join(app, "node_modules", peer), "junction");
  }
}

testNewUser(() => join(temporary, "stage", packed.filename));

/** What the compiler has to say about the application: nothing, if all is well. */
function compileApp(): Promise<string> {
  writeFileSync(join(app, "app.ts"), application);
  const compilerOptions = {
    target: "es2023",
    module: "nodenext",
    types: ["node"],
    typeRoots: [join(modules, "@types")],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    declaration: true,
    skipLibCheck: false,
    outDir: "out",
  };
  writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["app.ts"] }));
  return tsc(["-p", app, "--pretty", "false"], app).catch(String);
}
