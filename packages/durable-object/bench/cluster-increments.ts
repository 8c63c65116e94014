/**
 * Claim: several processes on one database do more durable increments than one, as far as cores and the disk allow.
 *
 * Every process is a node with callers of its own. They increment 10,000 objects at random, wherever those are; and,
 * to compare, each only those that it owns, as behind a balancer that knows the owners.
 *
 *   node bench/cluster-increments.ts [--quick] [--seconds N] [--rounds N]
 */

import { ClusterChild, startNats } from "./support/cluster-child.ts";
import { counterIds } from "./support/counter.ts";
import { median } from "./support/measure.ts";
import { startServer } from "./support/postgres-server.ts";
import { perSecond, report } from "./support/report.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();
const processCounts = [1, 2, 4];
/** All processes together. */
const callers = 1_024;
const ids = counterIds(run.quick ? 1_000 : 10_000);
const server = await startServer();
const nats = await startNats();

const rows = [];
for (const processes of processCounts) {
  const schema = `bench_${processes}`;
  const children: ClusterChild[] = [];
  for (let index = 0; index < processes; index++) {
    const name = `node-${index + 1}`;
    const node = { name, database: server.url(), schema, nats: nats.url, leaseMs: 10_000 };
    children.push(await ClusterChild.start({ nodes: [node] }));
  }
  await Promise.all(children.map((child) => child.ask({ ask: "balanced", nodes: processes })));
  const increment = async (own: boolean, seconds: number): Promise<number> => {
    const question = { ask: "increment", ids, own, callers: callers / processes, seconds } as const;
    const slices = await Promise.all(children.map((child) => child.ask(question)));
    return slices.reduce((sum, { calls, seconds: took }) => sum + calls / took, 0);
  };
  // Brings the objects to life.
  await increment(false, Math.min(1, run.seconds));
  const rates: Record<"anywhere" | "own", number[]> = { anywhere: [], own: [] };
  for (let round = 0; round < run.rounds; round++) {
    rates.anywhere.push(await increment(false, run.seconds / run.rounds));
    if (processes > 1) rates.own.push(await increment(true, run.seconds / run.rounds));
  }
  const anywhere = median(rates.anywhere);
  rows.push({ processes, callers, anywhere, own: processes > 1 ? median(rates.own) : anywhere });
  for (const child of children) child.signal("SIGTERM");
  await Promise.all(children.map((child) => child.gone()));
}
await nats.dispose();
await server.dispose();

const [alone] = rows;
report(
  {
    name: "cluster-increments",
    measures: `durable increments of ${ids.length} counters chosen at random by ${callers} callers in 1, 2 and 4 processes of one cluster, wherever the object is, and where each process calls only objects that it owns`,
    doesNotMeasure:
      "machines: the processes, PostgreSQL and NATS share the cores of this one, so more processes than cores cannot help here",
  },
  run,
  {
    settings: {
      store: "postgres, default settings: fsync on",
      transport: "nats()",
      objects: ids.length,
      lease: "10s",
      freezeState: false,
    },
    columns: [
      { key: "processes", title: "processes" },
      { key: "callers", title: "callers" },
      { key: "anywhere", title: "anywhere, calls/s" },
      { key: "anywhereRatio", title: "to one process", digits: 2, unit: " ×" },
      { key: "own", title: "own objects, calls/s" },
      { key: "ownRatio", title: "to one process", digits: 2, unit: " ×" },
    ],
    rows: rows.map((row) => ({
      ...row,
      anywhereRatio: row.anywhere / (alone?.anywhere ?? NaN),
      ownRatio: row.own / (alone?.anywhere ?? NaN),
    })),
    aims: [],
    headlines: rows.map(({ processes, anywhere, own }) => ({
      what: `durable increments over ${ids.length} objects, ${processes} processes`,
      here: `${perSecond(anywhere)}; ${perSecond(own)} on own objects`,
      byHand: "–",
    })),
  },
);
