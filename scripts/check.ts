/**
 * Runs everything CI runs besides the tests: `npm run check`.
 *
 * The steps run side by side, as far as they do not need one another. A step that passes is one line; a
 * step that fails shows what it printed.
 *
 *   npm run check                  all steps
 *   npm run check -- lint docs     these, and what they need
 *   npm run check -- --verbose     show what every step printed
 */

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";

interface Step {
  readonly name: string;
  /** What is checked, for who reads the list. */
  readonly about: string;
  /** Shell commands; the tools of the repository are on the path. */
  readonly commands: readonly string[];
  /** The step that must have passed before. */
  readonly after?: string;
}

const root = join(import.meta.dirname, "..");
const cache = "node_modules/.cache/check";
const { version } = JSON.parse(readFileSync(join(root, "packages/durable-object/package.json"), "utf8")) as {
  readonly version: string;
};
const tarball = `${cache}/durable-object-${version}.tgz`;

/** All steps; the longest first, so that the short ones fill the gaps. */
const steps: readonly Step[] = [
  { name: "build", about: "the library compiles into dist", commands: ["npm run --silent build"] },
  {
    name: "types",
    about: "library, tests, benchmarks and scripts",
    commands: ["tsc -p packages/durable-object", "tsc -p scripts", "tsc -p docs/site"],
  },
  {
    name: "package",
    about: "what would be published",
    commands: [
      `npm pack --silent --ignore-scripts --workspace durable-object --pack-destination ${cache}`,
      `publint run --strict ${tarball}`,
      `attw --profile esm-only ${tarball}`,
    ],
    after: "build",
  },
  {
    name: "lint",
    about: "oxlint, with types",
    commands: ["oxlint --type-aware --deny-warnings --report-unused-disable-directives"],
    after: "build",
  },
  { name: "site", about: "the site of the documentation builds", commands: ["node docs/site/build.ts"] },
  { name: "docs", about: "snippets, links, the table of errors", commands: ["node scripts/check-docs.ts"] },
  {
    name: "examples",
    about: "compile against the packed library",
    commands: ["node scripts/check-examples.ts"],
    after: "build",
  },
  { name: "unused", about: "files, exports and dependencies nobody uses", commands: ["knip --no-progress"] },
  { name: "layers", about: "imports, cycles, names and lengths of files", commands: ["node scripts/check-layers.ts"] },
  { name: "format", about: "`npm run format` mends it", commands: ["oxfmt --check ."] },
];

interface Result {
  readonly step: Step;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly output: string;
  readonly seconds: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { verbose: { type: "boolean", default: false } },
});
const unknown = positionals.filter((name) => !steps.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(`No such step: ${unknown.join(", ")}. The steps are:`);
  for (const step of steps) console.error(`  ${step.name.padEnd(10)}${step.about}`);
  process.exit(2);
}
mkdirSync(join(root, cache), { recursive: true });
const started = performance.now();
const results = await runAll(selected(positionals), 2);
conclude(results, (performance.now() - started) / 1000);

/** The steps with these names, or all; each with the step it comes after. */
function selected(names: readonly string[]): Step[] {
  if (names.length === 0) return [...steps];
  const wanted = new Set(names);
  for (const step of steps) if (wanted.has(step.name) && step.after !== undefined) wanted.add(step.after);
  return steps.filter((step) => wanted.has(step.name));
}

async function runAll(todo: Step[], slots: number): Promise<Result[]> {
  const done: Result[] = [];
  const running = new Set<Promise<void>>();
  while (todo.length > 0 || running.size > 0) {
    const ready = todo.find(
      (step) => step.after === undefined || done.some((result) => result.step.name === step.after),
    );
    if (ready !== undefined && running.size < slots) {
      todo.splice(todo.indexOf(ready), 1);
      const blocked = done.some((result) => result.step.name === ready.after && result.outcome !== "passed");
      const run = (blocked ? skip(ready) : runStep(ready)).then((result) => {
        show(result);
        done.push(result);
        running.delete(run);
      });
      running.add(run);
    } else {
      await Promise.race(running);
    }
  }
  return done;
}

function skip(step: Step): Promise<Result> {
  return Promise.resolve({ step, outcome: "skipped", output: `needs the step "${step.after}"`, seconds: 0 });
}

async function runStep(step: Step): Promise<Result> {
  const start = performance.now();
  let output = "";
  let outcome: Result["outcome"] = "passed";
  for (const command of step.commands) {
    const result = await runCommand(command);
    output += result.output;
    if (result.code === 0) continue;
    output += `\n$ ${command} (exit code ${result.code})\n`;
    outcome = "failed";
  }
  return { step, outcome, output, seconds: (performance.now() - start) / 1000 };
}

function runCommand(command: string): Promise<{ code: number; output: string }> {
  const path = [join(root, "node_modules/.bin"), process.env["PATH"] ?? ""].join(delimiter);
  return new Promise((resolve) => {
    const child = spawn(command, { cwd: root, shell: true, env: { ...process.env, PATH: path, NO_COLOR: "1" } });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.on("error", (error) => resolve({ code: 1, output: `${output}${error.message}\n` }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

function show({ step, outcome, output, seconds }: Result): void {
  const mark = { passed: "✓", failed: "✗", skipped: "-" }[outcome];
  console.log(`${mark} ${step.name.padEnd(10)}${seconds.toFixed(1).padStart(5)} s  ${step.about}`);
  if ((outcome === "passed" && !values.verbose) || output.trim() === "") return;
  console.log(`\n${output.trim().replaceAll(/^/gm, "    ")}\n`);
}

function conclude(all: readonly Result[], seconds: number): void {
  const failed = all.filter((result) => result.outcome !== "passed").map((result) => result.step.name);
  const time = `${seconds.toFixed(1)} s`;
  if (failed.length === 0) {
    console.log(`\nAll ${all.length} checks passed in ${time}.`);
    return;
  }
  console.log(`\n${failed.length} of ${all.length} checks did not pass: ${failed.join(", ")} (${time}).`);
  process.exitCode = 1;
}
