/**
 * Claim: alarms that are due together are handled together, each with its state and its acknowledgement in
 * one commit, and many in one commit.
 *
 *   node bench/alarms.ts [--quick] [--rounds N]
 */

import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { allExpired, openTickets, setAlarms, ticketIds } from "./support/due-alarms.ts";
import { dueRows } from "./support/due-rows.ts";
import { medianRate, medianRatio, takeTurns, type Slice } from "./support/measure.ts";
import { atLeast, perSecond, report, shown } from "./support/report.ts";
import { scratchFile } from "./support/scratch.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
// A runtime does not keep its process alive, and alarms are all that this one waits for.
const alive = setInterval(() => {}, 60_000);
const run = readSettings();
const count = run.quick ? 1_000 : 10_000;
const byHandCount = Math.min(count, 2_000);
/** Longer than it takes to set all alarms. */
const aheadMs = count / 5;
const ids = ticketIds(count);
const path = scratchFile("alarms.db");
let runtime = await openTickets(path);
const hand = dueRows(ids);

interface FiringSlice extends Slice {
  /** Setting the alarms. */
  readonly setting: Slice;
}

/** Sets all alarms to one time in the near future. */
async function setAll(): Promise<{ dueAtMs: number; setting: Slice }> {
  const start = performance.now();
  const dueAtMs = Date.now() + aheadMs;
  await setAlarms(runtime, ids, () => dueAtMs);
  const setting = { calls: count, seconds: (performance.now() - start) / 1_000 };
  if (Date.now() >= dueAtMs) throw new Error("The alarms were due before all of them were set.");
  return { dueAtMs, setting };
}

function timed(calls: number, work: () => void): Slice {
  const start = performance.now();
  work();
  return { calls, seconds: (performance.now() - start) / 1_000 };
}

const [active, cold, setByHand, byHand, batched] = await takeTurns(
  [
    {
      name: "active",
      async run(): Promise<FiringSlice> {
        const { dueAtMs, setting } = await setAll();
        await allExpired(() => runtime, count);
        return { calls: count, seconds: (Date.now() - dueAtMs) / 1_000, setting };
      },
    },
    {
      name: "cold",
      async run(): Promise<FiringSlice> {
        const { dueAtMs, setting } = await setAll();
        await runtime.stop();
        await sleep(Math.max(0, dueAtMs - Date.now()));
        const start = performance.now();
        await allExpired(async () => (runtime = await openTickets(path)), count);
        return { calls: count, seconds: (performance.now() - start) / 1_000, setting };
      },
    },
    {
      name: "set by hand",
      run: () =>
        Promise.resolve(timed(byHandCount, () => hand.setEach(ids.slice(0, byHandCount), Number.MAX_SAFE_INTEGER))),
    },
    {
      name: "by hand",
      run() {
        hand.setAll(ids.slice(0, byHandCount), 0);
        return Promise.resolve(timed(byHandCount, () => hand.handleAll(1, 1)));
      },
    },
    {
      name: "by hand, 500 in one transaction",
      run() {
        hand.setAll(ids, 0);
        return Promise.resolve(timed(count, () => hand.handleAll(1, 500)));
      },
    },
  ] as const,
  run,
);
await runtime.stop();
hand.close();
clearInterval(alive);

const database = new DatabaseSync(path, { readOnly: true });
const found = database.prepare("SELECT sum(state ->> 'expired') AS expired FROM durable_objects").get()?.["expired"];
database.close();
// Two contestants, one warm-up each.
if (found !== 2 * (run.rounds + 1) * count) throw new Error(`${String(found)} expiries were counted.`);

const setting = [...active, ...cold].map((slice) => slice.setting);
const rows = [
  row("set, each by a call", setting, setByHand, null),
  row("fired, objects in memory", active, byHand, batched),
  row("fired after a start, objects not in memory", cold, byHand, batched),
];

function row(what: string, library: readonly Slice[], hands: readonly Slice[], batches: readonly Slice[] | null) {
  const rate = medianRate(library);
  return {
    what,
    alarms: count,
    library: rate,
    byHand: medianRate(hands),
    ratio: medianRatio(library.slice(0, hands.length), hands),
    batched: batches === null ? null : medianRate(batches),
    totalMs: (count / rate) * 1_000,
  };
}

report(
  {
    name: "alarms",
    measures:
      "alarms of as many objects that are due at the same moment, until all effects and acknowledgements are on the disk; the start of the runtime included where objects are not in memory. By hand: a transaction for each row that is due, and 500 rows in one transaction",
    doesNotMeasure:
      "handlers that wait, alarms that fail or repeat, several alarms of one object, calls at the same time (see alarm-delay), other disks",
  },
  run,
  {
    settings: {
      store: "sqlite",
      synchronous: "full",
      worker: false,
      freezeState: false,
      scheduler: "polling, its defaults",
    },
    columns: [
      { key: "what", title: "" },
      { key: "alarms", title: "alarms" },
      { key: "library", title: "per second" },
      { key: "byHand", title: "by hand/s" },
      { key: "ratio", title: "ratio", digits: 1, unit: " ×" },
      { key: "batched", title: "by hand, 500 in one/s" },
      { key: "totalMs", title: "ms until all" },
    ],
    rows,
    aims: [
      atLeast("fired, objects in memory:", 30_000, "/s", rows[1]?.library ?? 0),
      atLeast("fired, objects not in memory:", 15_000, "/s", rows[2]?.library ?? 0),
    ],
    headlines: rows.map(({ what, library, byHand: other }) => ({
      what: `${shown(count)} alarms ${what}`,
      here: perSecond(library),
      byHand: perSecond(other),
    })),
  },
);
