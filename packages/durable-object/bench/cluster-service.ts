/**
 * Claim: when a node dies, its objects are served again soon after its lease is over; when it stops in order, nobody
 * notices more than a short wait.
 *
 * Three processes, and a node in this one that calls. A node dies in two ways. `kill -9`: the others on the same
 * machine see that its process is gone. `SIGSTOP`: it is silent and its connections stay open, as those of a machine
 * that has lost its power; only its lease tells.
 *
 *   node bench/cluster-service.ts [--quick]
 */

import { ClusterChild, startNats } from "./support/cluster-child.ts";
import { balanced, idsAt, openNode } from "./support/cluster-runtime.ts";
import { Probe } from "./support/cluster-probe.ts";
import { startServer } from "./support/postgres-server.ts";
import { atMost, report, type Row } from "./support/report.ts";
import { readSettings } from "./support/settings.ts";
import { percentile } from "./support/timed-calls.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();
const alive = setInterval(() => {}, 60_000);
const server = await startServer();
const nats = await startNats();
const others = 3;
const objects = 100;

/** One death or stop. */
interface Trial {
  readonly how: "SIGKILL" | "SIGSTOP" | "SIGTERM";
  readonly leaseMs: number;
  readonly times: number;
}
const trials: readonly Trial[] = run.quick
  ? [
      { how: "SIGKILL", leaseMs: 3_000, times: 1 },
      { how: "SIGTERM", leaseMs: 3_000, times: 1 },
    ]
  : [
      { how: "SIGKILL", leaseMs: 3_000, times: 3 },
      { how: "SIGSTOP", leaseMs: 3_000, times: 3 },
      { how: "SIGSTOP", leaseMs: 10_000, times: 3 },
      { how: "SIGTERM", leaseMs: 10_000, times: 5 },
    ];
const what = {
  SIGKILL: "kill -9, same machine",
  SIGSTOP: "silent, as a dead machine",
  SIGTERM: "stops in order",
} as const;

const rows: Row[] = [];
for (const [index, { how, leaseMs, times }] of trials.entries()) {
  const schema = `bench_${index}`;
  const order = { database: server.url(), schema, nats: nats.url, leaseMs };
  const caller = await openNode({ ...order, name: "caller" });
  let started = 0;
  const start = (): Promise<ClusterChild> =>
    ClusterChild.start({ nodes: [{ ...order, name: `node-${(started += 1)}` }] });
  const children: ClusterChild[] = [];
  for (let count = 0; count < others; count++) children.push(await start());
  const gaps: number[] = [];
  const waits: number[] = [];
  const failures: Record<string, number> = {};
  for (let time = 0; time < times; time++) {
    await balanced(caller, others + 1);
    const name = `node-${started - others + 1}.`;
    // Death is about the victim's objects; for a stop all objects count that others call meanwhile.
    const ids = idsAt(caller, (node) => (how === "SIGTERM" ? true : node.startsWith(name)), objects);
    const probe = new Probe(caller, ids);
    await probe.served();
    const victim = children.shift();
    if (victim === undefined) throw new Error("There is no node left.");
    probe.mark();
    victim.signal(how);
    if (how === "SIGSTOP") await probe.served();
    else await Promise.all([victim.gone(), how === "SIGKILL" ? probe.served() : null]);
    const seen = await probe.end();
    gaps.push(...seen.gaps);
    waits.push(...seen.waits);
    for (const [code, count] of Object.entries(seen.failures)) failures[code] = (failures[code] ?? 0) + count;
    victim.signal("SIGKILL");
    await victim.gone();
    children.push(await start());
  }
  for (const child of children) child.signal("SIGKILL");
  await caller.stop();
  const measured = how === "SIGTERM" ? waits : gaps;
  rows.push({
    what: what[how],
    leaseS: leaseMs / 1_000,
    times,
    p50Ms: percentile(measured, 0.5),
    p99Ms: percentile(measured, 0.99),
    mostMs: Math.max(...measured),
    failed: Object.entries(failures)
      .map(([code, count]) => `${count} ${code}`)
      .join(", "),
    failedCalls: Object.values(failures).reduce((sum, count) => sum + count, 0),
  });
}
await nats.dispose();
await server.dispose();
clearInterval(alive);

/** The aims: of time without service by the lease, and of calls while a node drains. */
const aims = rows.flatMap((row) => {
  const p99 = Number(row["p99Ms"]);
  if (row["what"] === what.SIGTERM) {
    return [
      atMost("p99 of a call while a node stops:", 250, " ms", p99),
      atMost("calls that failed while a node stops:", 0, "", Number(row["failedCalls"])),
    ];
  }
  const most = row["leaseS"] === 10 ? 12 : 4.5;
  return [atMost(`p99 without service, ${row["what"]}, lease ${row["leaseS"]} s:`, most, " s", p99 / 1_000)];
});

report(
  {
    name: "cluster-service",
    measures: `how long objects of a node that dies cannot be incremented, seen from another node, retries included; and how long increments of ${objects} objects take while a node stops and hands over what it owns`,
    doesNotMeasure: "a network between machines, more than four nodes",
  },
  run,
  {
    settings: {
      store: "postgres, default settings: fsync on",
      transport: "nats()",
      nodes: others + 1,
      objects,
      freezeState: false,
    },
    columns: [
      { key: "what", title: "a node" },
      { key: "leaseS", title: "lease, s" },
      { key: "times", title: "times" },
      { key: "p50Ms", title: "p50 ms" },
      { key: "p99Ms", title: "p99 ms" },
      { key: "mostMs", title: "most ms" },
      { key: "failed", title: "calls that failed" },
    ],
    rows,
    aims,
    headlines: [],
  },
);
// What was stopped as if it had no power has connections left here.
process.exit();
