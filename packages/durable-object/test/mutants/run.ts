/**
 * Breaks the library on purpose, in one way after the other, and finds out what notices it: first the
 * simulation, seed by seed, and if that does not, the tests. Works on a copy.
 *
 *   npm run mutants -- [--only name] [--seeds 2000] [--minutes 3]
 *
 * `--minutes` bounds the simulation of one mutant. Prints a table; exits with 1 if a mutant survives.
 */

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { applyMutant, mutants, packageDirectory, type Mutant } from "./mutant-files.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    seeds: { type: "string", default: "2000" },
    minutes: { type: "string", default: "3" },
  },
});

/** What of the package is copied. */
const copied = ["src", "test", "package.json", "tsconfig.json", "vitest.config.ts"];
const suites = ["test/scenario", "test/conformance", "test/property", "test/unit"];
/** How much longer than its time one seed may take before it is taken for one that never ends. */
const graceMs = 60_000;
const suitesMs = 600_000;

interface Verdict {
  readonly caughtBy: string | null;
  readonly seeds: string;
  readonly seconds: number;
}

const repository = join(packageDirectory, "..", "..");
const modules = join(repository, "node_modules");

/** A copy of the package, with the modules it needs beside it. */
function copyPackage(): string {
  const root = mkdtempSync(join(tmpdir(), "durable-object-mutants-"));
  const directory = join(root, "packages", "durable-object");
  for (const each of copied) cpSync(join(packageDirectory, each), join(directory, each), { recursive: true });
  for (const each of ["tsconfig.base.json", "package.json"]) cpSync(join(repository, each), join(root, each));
  symlinkSync(modules, join(root, "node_modules"), "junction");
  return directory;
}

interface Ending {
  /** Null if it did not end in time. */
  readonly code: number | null;
  readonly output: string;
}

function run(directory: string, args: readonly string[], timeoutMs: number): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: directory, timeout: timeoutMs, killSignal: "SIGKILL" });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}

/** What notices the mutant that was applied in `directory`. */
async function judge(directory: string): Promise<Verdict> {
  const startedMs = performance.now();
  const verdict = (caughtBy: string | null, seeds: string): Verdict => ({
    caughtBy,
    seeds,
    seconds: (performance.now() - startedMs) / 1_000,
  });
  const limits = ["--seeds", values.seeds, "--minutes", values.minutes];
  const budgetMs = Number(values.minutes) * 60_000 + graceMs;
  const simulated = await run(directory, ["test/simulation/run.ts", ...limits], budgetMs);
  if (simulated.code === null) return verdict("simulation: does not end", "");
  const summary = simulated.output.split("\n").findLast((line) => line.startsWith("{"));
  if (summary === undefined) throw new Error(`the simulation does not run:\n${simulated.output}`);
  const { seeds } = JSON.parse(summary) as { seeds: number };
  if (simulated.code !== 0) {
    const [, why = ""] = /failed: (.*)/.exec(simulated.output) ?? [];
    return verdict(`simulation: ${shortened(why)}`, String(seeds + 1));
  }
  const vitest = join(modules, "vitest", "vitest.mjs");
  const args = [vitest, "run", "--typecheck.enabled=false", "--bail=1", ...suites];
  const tested = await run(directory, args, suitesMs);
  if (tested.code === 0) return verdict(null, `> ${seeds}`);
  const [, test = "the tests do not end"] = /FAIL\s+(.*)/.exec(plain(tested.output)) ?? [];
  return verdict(`tests: ${shortened(test)}`, `> ${seeds}`);
}

function plain(output: string): string {
  // eslint-disable-next-line no-control-regex -- that is what colours are made of
  return output.replaceAll(/\u001B\[[\d;]*m/g, "");
}

function shortened(text: string): string {
  const line = plain(text).replaceAll("|", "/").trim();
  return line.length > 110 ? `${line.slice(0, 109)}…` : line;
}

async function main(): Promise<void> {
  const chosen = mutants().filter(({ name }) => name.includes(values.only));
  if (chosen.length === 0) throw new Error(`no mutant is called ${values.only}`);
  if (!existsSync(modules)) throw new Error("npm ci has not been run");
  const directory = copyPackage();
  const survivors: Mutant[] = [];
  try {
    console.log("| mutant | what it breaks | caught by | seeds | s |\n|---|---|---|--:|--:|");
    for (const mutant of chosen) {
      applyMutant(directory, mutant);
      const { caughtBy, seeds, seconds } = await judge(directory);
      applyMutant(directory, mutant, "--reverse");
      if (caughtBy === null) survivors.push(mutant);
      const cells = [mutant.name, mutant.breaks, caughtBy ?? "**nothing**", seeds, seconds.toFixed(0)];
      console.log(`| ${cells.join(" | ")} |`);
    }
  } finally {
    rmSync(dirname(dirname(directory)), { recursive: true, force: true });
  }
  console.log(`\n${chosen.length - survivors.length} of ${chosen.length} mutants were caught.`);
  if (survivors.length > 0) process.exitCode = 1;
}

await main();
