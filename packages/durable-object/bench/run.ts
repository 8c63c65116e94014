/**
 * Runs the benchmarks, each in a process of its own: `npm run bench`.
 *
 *   npm run bench                        all of them, about eight minutes
 *   npm run bench -- hot-object reads    these
 *   npm run bench -- --quick             a smoke run
 *   npm run bench -- --markdown          and print the tables for README and docs
 *   npm run bench -- --write             and put them there
 *   npm run bench -- --last --markdown   the tables of the last run, without running again
 *
 * One JSON object for each benchmark goes to stdout and to `bench/results`; tables for people go to stderr.
 */

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { figureTable, headlineTable, replaceBetweenMarks } from "./support/markdown.ts";
import type { Report } from "./support/report.ts";

const benchmarks = [
  "hot-object",
  "spread",
  "worker",
  "reads",
  "cold-activation",
  "memory",
  "state-size",
  "types",
  "alarms",
  "alarm-delay",
  "alarm-wake-up",
  "postgres",
  "cluster-call",
  "cluster-increments",
  "cluster-service",
  "cluster-size",
  "transport",
  "telemetry",
];
/** The short tables of the README: where they stand, and what is in them. */
const tables = [
  {
    marks: "figures",
    names: benchmarks.filter(
      (name) => !["postgres", "transport", "telemetry"].includes(name) && !name.startsWith("cluster"),
    ),
  },
  { marks: "figures-postgresql", names: ["postgres"] },
];
const results = join(import.meta.dirname, "results");
const repository = join(import.meta.dirname, "..", "..", "..");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    seconds: { type: "string" },
    rounds: { type: "string" },
    markdown: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    last: { type: "boolean", default: false },
  },
});
const unknown = positionals.filter((name) => !benchmarks.includes(name));
if (unknown.length > 0) {
  console.error(`No such benchmark: ${unknown.join(", ")}. There are: ${benchmarks.join(", ")}`);
  process.exit(2);
}
if (values.write && values.quick) {
  console.error("The figures of a smoke run are not for readers: --write goes without --quick.");
  process.exit(2);
}
const chosen = positionals.length === 0 ? benchmarks : positionals;

/** Runs a benchmark and returns what it wrote to stdout; null if it failed. */
async function run(name: string): Promise<string | null> {
  const args = [join(import.meta.dirname, `${name}.ts`)];
  if (values.quick) args.push("--quick");
  if (values.seconds !== undefined) args.push("--seconds", values.seconds);
  if (values.rounds !== undefined) args.push("--rounds", values.rounds);
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_ENV: "production" },
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return code === 0 ? output : null;
}

mkdirSync(results, { recursive: true });
const reports: Report[] = [];
const failed: string[] = [];
for (const name of chosen) {
  const file = join(results, `${name}.json`);
  if (!values.last) {
    const output = await run(name);
    if (output === null) {
      failed.push(name);
      continue;
    }
    if (!values.markdown) process.stdout.write(output);
    writeFileSync(file, output);
  }
  reports.push(JSON.parse(readFileSync(file, "utf8")) as Report);
}

if (values.markdown) {
  for (const { names } of tables) {
    const measured = reports.filter(({ name }) => names.includes(name));
    if (measured.length > 0) process.stdout.write(`${headlineTable(measured)}\n\n`);
  }
  for (const report of reports) process.stdout.write(`\n### ${report.name}\n\n${figureTable(report)}\n`);
}
if (values.write) {
  const page = join(repository, "docs/benchmarks.md");
  for (const report of reports) {
    if (!replaceBetweenMarks(page, report.name, figureTable(report))) failed.push(`no place for ${report.name}`);
  }
  for (const { marks, names } of tables) {
    const measured = reports.filter(({ name }) => names.includes(name));
    // A part of a table would drop the rest.
    if (measured.length < names.length) continue;
    if (!replaceBetweenMarks(join(repository, "README.md"), marks, headlineTable(measured))) {
      failed.push(`no place for the ${marks} in README.md`);
    }
  }
}
if (failed.length > 0) {
  console.error(`\nFailed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
