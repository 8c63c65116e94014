/**
 * Breaks the engine on purpose, one mutant at a time, and looks whether anybody notices: first the
 * simulation, then the suites. A mutant is a patch of `src`; its first line says what it breaks.
 *
 *   npm run mutants -- [--only part-of-a-name] [--seeds 500] [--cluster-seeds 2000]
 *
 * A mutant with "cluster" in its name is looked for in the simulation of a cluster.
 *
 * Works on a copy. Prints a table, and exits with 1 if a mutant survives.
 */

import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    seeds: { type: "string", default: "500" },
    "cluster-seeds": { type: "string", default: "2000" },
  },
});
const timeoutMs = 1_800_000;
const suites = ["test/conformance/object-store", "test/scenario", "test/property"];
const clusterSuites = [
  ...["placement", "slot-map", "sightings", "wire"].map((name) => `test/unit/${name}`),
  "test/cluster/three-nodes",
];

const packageDirectory = join(import.meta.dirname, "..", "..");
const repository = join(packageDirectory, "..", "..");
const copy = mkdtempSync(join(tmpdir(), "durable-object-mutants-"));
// Some tests run as another user.
chmodSync(copy, 0o755);
const mutated = join(copy, "packages", "durable-object");

/** How a mutant was caught, or that it was not. */
interface Row {
  readonly name: string;
  readonly breaks: string;
  readonly caughtBy: string;
  readonly seeds: string;
}

function run(command: string, args: readonly string[], cwd: string): SpawnSyncReturns<string> {
  return spawnSync(command, args, { cwd, encoding: "utf8", timeout: timeoutMs, killSignal: "SIGKILL" });
}

function apply(patch: string, ...flags: readonly string[]): void {
  const { status, stderr } = run("git", ["apply", ...flags, patch], copy);
  if (status !== 0) throw new Error(`${patch} does not apply: ${stderr}`);
}

function challenge(name: string): Row {
  const patch = join(import.meta.dirname, name);
  const [breaks = ""] = readFileSync(patch, "utf8").split("\n");
  apply(patch);
  try {
    const isOfCluster = name.includes("cluster");
    const seeds = Number(isOfCluster ? values["cluster-seeds"] : values.seeds);
    return { name: name.replace(/\.patch$/, ""), breaks, ...caught(seeds, isOfCluster) };
  } finally {
    apply(patch, "--reverse");
  }
}

/** What is not broken must pass: else everything would look caught. */
function checkUnbroken(): void {
  for (const inCluster of [false, true]) {
    const { caughtBy } = caught(1, inCluster);
    if (caughtBy !== "nobody") throw new Error(`Without any mutant, this fails already: ${caughtBy}`);
  }
}

function caught(seedsToRun: number, inCluster: boolean): Pick<Row, "caughtBy" | "seeds"> {
  const flag = inCluster ? ["--cluster"] : [];
  const simulation = run(process.execPath, ["test/simulation/run.ts", "--seeds", String(seedsToRun), ...flag], mutated);
  const told = /"seeds":(\d+)/.exec(simulation.stdout)?.[1];
  if (told === undefined && simulation.status !== null)
    throw new Error(`The simulation did not run: ${simulation.stderr}`);
  if (told === undefined) return { caughtBy: "simulation, which does not end", seeds: "?" };
  const passed = Number(told);
  if (simulation.status !== 0) return { caughtBy: "simulation", seeds: String(passed + 1) };
  const vitest = join(repository, "node_modules", "vitest", "vitest.mjs");
  const report = join(copy, "report.json");
  rmSync(report, { force: true });
  const flags = ["run", "--bail=1", "--typecheck.enabled=false", "--reporter=json", `--outputFile=${report}`];
  const { status } = run(process.execPath, [vitest, ...flags, ...(inCluster ? clusterSuites : suites)], mutated);
  const seeds = `none of ${passed}`;
  return status === 0 ? { caughtBy: "nobody", seeds } : { caughtBy: `suites: ${failedTest(report)}`, seeds };
}

/** The first test that failed, or that they did not end. */
function failedTest(report: string): string {
  if (!existsSync(report)) return "they did not end";
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
  const failed = testResults.flatMap((file) => file.assertionResults).find((each) => each.status === "failed");
  return failed?.title ?? "a file of tests failed";
}

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly title: string }[];
  }[];
}

try {
  for (const part of ["src", "test", "package.json", "vitest.config.ts", "tsconfig.json"]) {
    cpSync(join(packageDirectory, part), join(mutated, part), { recursive: true });
  }
  cpSync(join(repository, "tsconfig.base.json"), join(copy, "tsconfig.base.json"));
  symlinkSync(join(repository, "node_modules"), join(copy, "node_modules"));
  const names = readdirSync(import.meta.dirname).filter(
    (name) => name.endsWith(".patch") && name.includes(values.only),
  );
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say("| mutant | what it breaks | caught by | seeds until the first failure |\n|---|---|---|---|");
  checkUnbroken();
  for (const name of names.toSorted()) {
    const row = challenge(name);
    say(`| ${row.name} | ${row.breaks} | ${row.caughtBy} | ${row.seeds} |`);
    if (row.caughtBy === "nobody") process.exitCode = 1;
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
