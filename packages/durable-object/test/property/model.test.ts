/**
 * Any interleaving of calls, failures, timeouts, hibernation, deactivation, deletion, stops and crashes,
 * with commits that are refused, lost or overtaken, against the model: nothing that was acknowledged is
 * lost, nothing that failed is kept, nothing happens twice, and nobody sees what is not durable.
 *
 * A failing run is printed with its seed and can be replayed:
 *
 *   FC_SEED=… FC_PATH=… npx vitest run test/property    the same run again
 *   FC_RUNS=10000 npx vitest run test/property          many runs
 *   FC_SECONDS=600 npx vitest run test/property         new runs for so long, on each store
 */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, test } from "vitest";
import { memory } from "../../src/memory/index.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import { Simulation } from "./simulation.ts";
import { setup } from "./steps.ts";

const { FC_RUNS, FC_SEED, FC_PATH, FC_SECONDS } = process.env;
const longMs = Number(FC_SECONDS ?? 0) * 1_000;

function parameters(runs: number): fc.Parameters<unknown> {
  const isLong = FC_RUNS !== undefined || longMs > 0;
  const seed = FC_SEED === undefined ? (isLong ? Date.now() % 2 ** 31 : 1) : Number(FC_SEED);
  return {
    seed,
    ...(FC_PATH === undefined ? {} : { path: FC_PATH }),
    numRuns: longMs > 0 ? Number.MAX_SAFE_INTEGER : Number(FC_RUNS ?? runs),
    ...(longMs > 0 ? { plugins: [fc.interruptAfterTimeLimit(longMs)] } : {}),
  };
}

/** What a disk does is tested elsewhere: in memory where there is such a file system. */
const directory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "durable-object-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** All runs share one file, because creating one takes longer than a run. */
const file = sqlite(join(directory, "runs.db"), { synchronous: "normal" });

const stores: readonly { readonly name: string; readonly runs: number; readonly open: () => ObjectStore }[] = [
  { name: "memory", runs: 1_000, open: memory },
  { name: "sqlite", runs: 150, open: () => file },
];

describe.each(stores)("on $name", ({ runs, open }) => {
  test(
    "whatever happens, every answer is true",
    async () => {
      let count = 0;
      const property = fc.asyncProperty(setup, async (given) => {
        await new Simulation(open(), given, `${++count}-`).run();
      });
      await fc.assert(property, parameters(runs));
    },
    longMs > 0 || FC_RUNS !== undefined ? 86_400_000 : 60_000,
  );
});
