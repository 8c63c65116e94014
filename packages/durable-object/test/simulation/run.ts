/**
 * Runs simulations of the library's promises for a range of seeds, or as many as fit into a time.
 *
 *   npm run simulate -- [--from 1] [--seeds 1000] [--minutes 5] [--nodes 1,3] [--cluster]
 *
 * With `--cluster` the nodes are a cluster; otherwise one of them owns the store, and the others wait.
 *
 * Prints one line of JSON. Exits with 1 at the first seed that fails, which `--from <seed> --seeds 1` replays.
 */

import { parseArgs } from "node:util";
import { SimulationFailure } from "../../src/testing/simulate.ts";
import { simulateClusterPromises, sortOf } from "./cluster-promises.ts";
import { simulatePromises } from "./promises.ts";

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "1" },
    seeds: { type: "string", default: "1000" },
    minutes: { type: "string", default: "60" },
    nodes: { type: "string" },
    cluster: { type: "boolean", default: false },
  },
});
const from = Number(values.from);
const nodeCounts = (values.nodes ?? (values.cluster ? "3,4" : "1,3")).split(",").map(Number);
const startedMs = performance.now();
const endMs = startedMs + Number(values.minutes) * 60_000;
const total: Record<string, number> = { seeds: 0 };

function simulateSeed(seed: number): Promise<object> {
  const nodes = nodeCounts[seed % nodeCounts.length] ?? 1;
  return values.cluster ? simulateClusterPromises({ seed, nodes, ...sortOf(seed) }) : simulatePromises({ seed, nodes });
}

for (let seed = from; seed < from + Number(values.seeds) && performance.now() < endMs; seed++) {
  try {
    const report = await simulateSeed(seed);
    total["seeds"] = (total["seeds"] ?? 0) + 1;
    for (const [key, count] of Object.entries(report) as [string, number][]) {
      if (key !== "seed") total[key] = (total[key] ?? 0) + Math.round(count);
    }
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    break;
  }
}

const seconds = Math.round((performance.now() - startedMs) / 1_000);
process.stdout.write(`${JSON.stringify({ from, ...total, seconds })}\n`);
