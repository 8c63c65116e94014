/**
 * Claim: what a cluster costs its database does not depend on the objects, and grows with the nodes and not faster;
 * when nodes come and go, no more objects change their owner than must.
 *
 * A simulation in virtual time: the code of the cluster, on the memory store, with nodes that join, stop and die. No
 * processes, no network, no PostgreSQL: what is counted does not depend on the machine.
 *
 *   node bench/cluster-size.ts [--quick]
 */

import { slotCount, slotOf } from "../src/core/slot.ts";
import { ChurningCluster } from "./support/cluster-churn.ts";
import { atMost, report, shown, type Row } from "./support/report.ts";
import { readSettings } from "./support/settings.ts";

const run = readSettings();
const sizes = run.quick ? [4, 10] : [4, 20, 100];
const objects = run.quick ? 100_000 : 1_000_000;
const rounds = run.quick ? 1 : 3;
const lease = "10s";
/** Longer than it takes to notice a death, and to even out what follows from it. */
const settleMs = 40_000;

const objectsIn = new Int32Array(slotCount);
for (let index = 0; index < objects; index++) {
  const slot = slotOf({ tenant: "", type: "counter", id: `object-${index}` });
  objectsIn[slot] = (objectsIn[slot] ?? 0) + 1;
}

interface Change {
  readonly what: "joins" | "stops" | "dies";
  /** Slots that had to change their owner, and how many were given to somebody. */
  readonly least: number;
  readonly moved: number;
  readonly objectsMoved: number;
}

/** Has something happen, and counts what moves until everything is even again. */
async function observe(nodes: ChurningCluster, what: Change["what"]): Promise<Change> {
  const before = await nodes.owners();
  const grants = await nodes.grants();
  if (what === "joins") await nodes.join();
  else if (what === "stops") await nodes.leave();
  else nodes.die();
  await nodes.advance(settleMs);
  const after = await nodes.owners();
  const loads = new Map<string, number>();
  for (const owner of after) loads.set(owner ?? "nobody", (loads.get(owner ?? "nobody") ?? 0) + 1);
  const counts = [...loads.values()];
  if (loads.has("nobody") || loads.size !== nodes.size || Math.max(...counts) - Math.min(...counts) > 1) {
    throw new Error(`After a node ${what} the slots are not shared evenly: ${JSON.stringify([...loads])}`);
  }
  const gone = new Set(before.filter((owner) => owner !== null && !loads.has(owner)));
  const least =
    what === "joins" ? Math.floor(slotCount / nodes.size) : before.filter((owner) => gone.has(owner)).length;
  let objectsMoved = 0;
  after.forEach((owner, slot) => {
    if (owner !== before[slot]) objectsMoved += objectsIn[slot] ?? 0;
  });
  return { what, least, moved: (await nodes.grants()) - grants, objectsMoved };
}

async function measure(size: number): Promise<Row> {
  const nodes = new ChurningCluster(lease);
  for (let index = 0; index < size; index++) {
    await nodes.join();
    await nodes.advance(100);
  }
  await nodes.advance(settleMs);
  // How much is asked for while nothing happens.
  const { beats, looks, changes } = nodes.statements;
  const quietMs = 60_000;
  await nodes.advance(quietMs);
  const perSecond = (count: number): number => count / (quietMs / 1_000);
  const quiet = {
    beats: perSecond(nodes.statements.beats - beats),
    looks: perSecond(nodes.statements.looks - looks),
    changes: perSecond(nodes.statements.changes - changes),
  };
  const seen: Change[] = [];
  let made = 0;
  for (let round = 0; round < rounds; round++) {
    for (const what of ["joins", "stops", "joins", "dies"] as const) {
      const from = nodes.statements.changes;
      seen.push(await observe(nodes, what));
      made += nodes.statements.changes - from;
    }
  }
  const sum = (value: (change: Change) => number): number => seen.reduce((total, each) => total + value(each), 0);
  return {
    nodes: size,
    beats: quiet.beats,
    looks: quiet.looks,
    quietChanges: quiet.changes,
    least: sum(({ least }) => least) / seen.length,
    moved: sum(({ moved }) => moved) / seen.length,
    ratio: sum(({ moved }) => moved) / sum(({ least }) => least),
    objectsMoved: sum(({ objectsMoved }) => objectsMoved) / seen.length,
    changes: made / seen.length,
  };
}

const rows: Row[] = [];
for (const size of sizes) rows.push(await measure(size));
const largest = rows.at(-1);

report(
  {
    name: "cluster-size",
    measures:
      "what the nodes of a cluster ask their database for while nothing happens, and how many slots change their owner when a node joins, stops or dies, beside the fewest that must; counted in virtual time, with the code of the cluster as it is",
    doesNotMeasure: "how long a statement takes, calls, commits, nodes that cannot reach each other or the database",
  },
  run,
  {
    settings: { lease, slots: slotCount, objects, changesForEachSize: rounds * 4 },
    columns: [
      { key: "nodes", title: "nodes" },
      { key: "beats", title: "renewals/s", digits: 1 },
      { key: "looks", title: "reads of nodes and slots/s", digits: 1 },
      { key: "quietChanges", title: "changes/s, quiet", digits: 1 },
      { key: "least", title: "slots that must move", digits: 1 },
      { key: "moved", title: "slots moved", digits: 1 },
      { key: "ratio", title: "ratio", digits: 2, unit: " ×" },
      { key: "objectsMoved", title: "objects concerned" },
      { key: "changes", title: "statements for that", digits: 1 },
    ],
    rows,
    aims: [
      atMost("slots moved, of those that must:", 1, " ×", Number(largest?.["ratio"])),
      atMost(
        `statements of ${shown(sizes.at(-1) ?? 0)} nodes while nothing happens:`,
        300,
        "/s",
        Number(largest?.["beats"]) + Number(largest?.["looks"]),
      ),
    ],
    headlines: [],
  },
);
