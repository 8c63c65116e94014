/**
 * Runs simulations of the library's promises for a range of seeds, or as many as fit into a time.
 *
 *   npm run simulate -- [--from 1] [--seeds 1000] [--minutes 5] [--nodes 1,3]
 *
 * Prints one line of JSON. Exits with 1 at the first seed that fails, which `--from <seed> --seeds 1` replays.
 */

import { parseArgs } from "node:util";
import { SimulationFailure } from "../../src/testing/simulate.ts";
import { simulatePromises } from "./promises.ts";

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "1" },
    seeds: { type: "string", default: "1000" },
    minutes: { type: "string", default: "60" },
    nodes: { type: "string", default: "1,3" },
  },
});
const from = Number(values.from);
const nodeCounts = values.nodes.split(",").map(Number);
const startedMs = performance.now();
const endMs = startedMs + Number(values.minutes) * 60_000;
const total = {
  seeds: 0,
  actions: 0,
  failures: 0,
  events: 0,
  crashes: 0,
  pauses: 0,
  cuts: 0,
  takeOvers: 0,
  virtualMs: 0,
};

for (let seed = from; seed < from + Number(values.seeds) && performance.now() < endMs; seed++) {
  try {
    const nodes = nodeCounts[seed % nodeCounts.length] ?? 1;
    const report = await simulatePromises({ seed, nodes });
    total.seeds += 1;
    for (const key of [
      "actions",
      "failures",
      "events",
      "crashes",
      "pauses",
      "cuts",
      "takeOvers",
      "virtualMs",
    ] as const) {
      total[key] += report[key];
    }
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    break;
  }
}

const seconds = (performance.now() - startedMs) / 1_000;
const line = { from, ...total, virtualMs: Math.round(total.virtualMs), seconds: Math.round(seconds) };
process.stdout.write(`${JSON.stringify(line)}\n`);
