/**
 * Claim: the types of definitions and stubs are cheap to check, and their cost grows with the definitions
 * and not faster.
 *
 * The compiler checks a generated file against the declarations of the library, as an application would:
 * definitions of ten handlers, each handler called once through a stub. What a file without any definition
 * takes is subtracted.
 *
 *   node bench/types.ts [--quick]
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { median } from "./support/measure.ts";
import { report, shown } from "./support/report.ts";
import { scratchFile } from "./support/scratch.ts";
import { readSettings } from "./support/settings.ts";

const run = readSettings();
const packageDirectory = join(import.meta.dirname, "..");
const typescript = createRequire(import.meta.url).resolve("typescript/package.json");
const { version, bin } = JSON.parse(readFileSync(typescript, "utf8")) as { version: string; bin: { tsc: string } };
const tsc = join(dirname(typescript), bin.tsc);
const directory = scratchFile("types");

function compile(...args: readonly string[]): string {
  return execFileSync(process.execPath, [tsc, ...args], { encoding: "utf8" });
}

/** A definition of ten handlers, of every kind, and a function that uses them. */
function definition(index: number): string {
  return `
const Object${index} = defineObject({
  type: "object-${index}",
  state: { count: 0, name: "", tags: [] as string[], owner: null as string | null, limits: { low: 0, high: ${index} } },
  handlers: {
    get: ({ state }) => reply(state.count),
    increment: ({ state }, amount: number = 1) => reply(state.count + amount, { ...state, count: state.count + amount }),
    rename: ({ state }, name: string) => noreply({ ...state, name }),
    withdraw: ({ state }, amount: number) =>
      amount > state.count
        ? fail({ code: "too_much", max: state.count })
        : reply(amount, { ...state, count: state.count - amount }, schedule("audit", "1h")),
    tag: async ({ state }, tag: string, first: boolean) =>
      reply(state.tags.length, { ...state, tags: first ? [tag, ...state.tags] : [...state.tags, tag] }),
    claim: ({ state }, owner: string) => (state.owner === null ? noreply({ ...state, owner }) : fail("taken")),
    limits: read(({ state }) => reply(state.limits)),
    report: ({ state, id }) => reply({ id, name: state.name, count: state.count, tags: state.tags }),
    reset: ({ state }) => noreply({ ...state, count: 0 }, cancel("audit")),
    remove: ({ state }) => reply(state.name, state, destroy()),
  },
  alarms: { audit: ({ state }) => noreply({ ...state, count: state.count + 1 }) },
});

export async function use${index}(runtime: Runtime): Promise<string> {
  const stub = runtime.get(Object${index}, "a");
  const sum = (await stub.get()) + (await stub.increment(2)) + (await stub.tag("t", true)) + (await stub.withdraw(1));
  await stub.rename("n");
  await stub.claim("o");
  await stub.reset();
  const { low } = await stub.limits();
  const { tags } = await stub.report();
  const result = await stub.safe.withdraw(9);
  const reason = result.ok ? result.value : result.error.reason?.max;
  return \`\${sum} \${low} \${tags.join()} \${reason} \${await stub.remove()}\`;
}
`;
}

interface Cost {
  readonly instantiations: number;
  readonly types: number;
  readonly checkSeconds: number;
}

/** Checks a file of so many definitions. */
function check(definitions: number): Cost {
  const name = `use-${definitions}`;
  const source = [
    `import { cancel, defineObject, destroy, fail, noreply, read, reply, schedule, type Runtime } from "./dist/index.js";`,
    // So that the imports are used and their declarations are loaded in a file without definitions, too.
    `export const words = [cancel, defineObject, destroy, fail, noreply, read, reply, schedule];`,
    `export type Node = Runtime;`,
    ...Array.from({ length: definitions }, (_, index) => definition(index)),
  ].join("\n");
  writeFileSync(join(directory, `${name}.ts`), source);
  const compilerOptions = {
    target: "es2023",
    lib: ["es2023", "esnext.disposable"],
    module: "nodenext",
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const config = join(directory, `${name}.json`);
  writeFileSync(config, JSON.stringify({ compilerOptions, files: [`${name}.ts`] }));
  // One checker, so that nothing is counted twice.
  const outputs = Array.from({ length: run.quick ? 1 : 3 }, () =>
    compile("-p", config, "--extendedDiagnostics", "--singleThreaded"),
  );
  const figure = (title: string): number =>
    median(outputs.map((output) => Number(new RegExp(`^${title}:\\s+([\\d.]+)`, "m").exec(output)?.[1])));
  return { instantiations: figure("Instantiations"), types: figure("Types"), checkSeconds: figure("Check time") };
}

mkdirSync(directory);
writeFileSync(join(directory, "package.json"), JSON.stringify({ type: "module" }));
compile(
  "-p",
  join(packageDirectory, "tsconfig.build.json"),
  "--emitDeclarationOnly",
  "--outDir",
  join(directory, "dist"),
);
const empty = check(0);
const rows = [1, 10, 50].map((definitions) => {
  const cost = check(definitions);
  return {
    definitions,
    instantiations: cost.instantiations,
    perDefinition: (cost.instantiations - empty.instantiations) / definitions,
    typesPerDefinition: (cost.types - empty.types) / definitions,
    checkMs: cost.checkSeconds * 1_000,
    checkMsPerDefinition: ((cost.checkSeconds - empty.checkSeconds) * 1_000) / definitions,
  };
});
const most = rows.at(-1);

report(
  {
    name: "types",
    measures: "what the compiler works for definitions of ten handlers that are all used through stubs",
    doesNotMeasure:
      "states and arguments given by a schema, whose types cost what the schema library makes them cost; the answers of an editor",
  },
  run,
  {
    settings: {
      typescript: version,
      handlersPerDefinition: 10,
      skipLibCheck: true,
      singleThreaded: true,
      withoutDefinitions: empty.instantiations,
    },
    columns: [
      { key: "definitions", title: "definitions" },
      { key: "instantiations", title: "instantiations" },
      { key: "perDefinition", title: "per definition" },
      { key: "typesPerDefinition", title: "types per definition" },
      { key: "checkMs", title: "check ms", digits: 0 },
      { key: "checkMsPerDefinition", title: "ms per definition", digits: 1 },
    ],
    rows,
    aims: [],
    headlines:
      most === undefined
        ? []
        : [
            {
              what: "types of a definition with ten handlers, each used",
              here: `${shown(most.perDefinition)} instantiations, ${shown(most.checkMsPerDefinition, 1)} ms`,
              byHand: "–",
            },
          ],
  },
);
