/**
 * Chaos: a cluster of real processes with clients at every node, and faults by a seed, one after the other and now and
 * then two at once. What the clients heard is judged while it runs and in the end.
 *
 *   npm run chaos -- --seed 1 --minutes 5 --nodes 4 [--faults 200] [--transport nats|peers|none] [--lease 3000]
 *                    [--clients 8] [--only killed] [--history chaos.jsonl]
 *
 * Prints a line for each fault and a table in the end. A violation prints the smallest part of the history that
 * cannot be, and exits with 1. On a machine that is too busy nodes do not keep their leases, and a violation of "no
 * call fails" says so. The seed gives the same faults in the same order, not the same interleaving.
 */

import { parseArgs } from "node:util";
import { startBroker } from "../support/cluster-broker.ts";
import { ChaosRun } from "./chaos-run.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    minutes: { type: "string", default: "5" },
    nodes: { type: "string", default: "4" },
    faults: { type: "string", default: "Infinity" },
    transport: { type: "string", default: "nats" },
    lease: { type: "string", default: "3000" },
    clients: { type: "string", default: "8" },
    only: { type: "string", multiple: true },
    history: { type: "string" },
  },
});

function transportOf(name: string): "nats" | "peers" | null {
  if (name === "nats" || name === "peers") return name;
  if (name === "none") return null;
  throw new RangeError(`--transport is nats, peers or none, not ${name}`);
}

const transport = transportOf(values.transport);
const run = await ChaosRun.create({
  seed: Number(values.seed),
  minutes: Number(values.minutes),
  nodes: transport === null ? 1 : Number(values.nodes),
  faults: Number(values.faults),
  leaseMs: Number(values.lease),
  clients: Number(values.clients),
  only: values.only ?? null,
  history: values.history ?? null,
  transport,
  startBroker: transport === "nats" ? startBroker : undefined,
  print: (line) => void process.stdout.write(`${line}\n`),
});
let problems: readonly string[] = [];
try {
  problems = await run.run();
} finally {
  await run[Symbol.asyncDispose]();
}
process.exitCode = problems.length > 0 ? 1 : 0;
