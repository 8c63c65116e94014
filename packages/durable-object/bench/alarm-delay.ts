/**
 * Claim: an alarm starts within milliseconds of its time, also while its process is busy with calls.
 *
 *   node bench/alarm-delay.ts [--quick]
 */

import { createRuntime } from "../src/index.ts";
import { sqlite } from "../src/sqlite/index.ts";
import { Counter, counterIds } from "./support/counter.ts";
import { allExpired, expiries, setAlarms, Ticket, ticketIds } from "./support/due-alarms.ts";
import { callUntil, chooser, collectGarbage } from "./support/measure.ts";
import { atMost, report, shown } from "./support/report.ts";
import { scratchFile } from "./support/scratch.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
// A runtime does not keep its process alive, and alarms are all that this one waits for.
const alive = setInterval(() => {}, 60_000);
const run = readSettings();
const count = run.quick ? 100 : 1_000;
const spreadMs = run.quick ? 1_000 : 10_000;
const ids = ticketIds(count);
const path = scratchFile("alarm-delay.db");
let runtime = await open();
// So that no cell pays for what is compiled in it.
await allExpired(warmUp, count);

function open() {
  return createRuntime({ objects: [Ticket, Counter], store: sqlite(path) });
}

async function warmUp() {
  await setAlarms(runtime, ids, () => Date.now());
  return runtime;
}

/** Sets the alarms to times that are spread evenly, and waits for them. */
async function measure(objects: string, callers: number) {
  const startMs = Date.now() + 1_000;
  await setAlarms(runtime, ids, (index) => startMs + Math.floor((index * spreadMs) / count));
  if (objects === "not in memory") {
    await runtime.stop();
    runtime = await open();
  }
  collectGarbage();
  const counters = counterIds(1_000);
  const next = chooser(counters.length);
  const increment = () => runtime.get(Counter, counters[next()] ?? "").increment(1);
  const seconds = (startMs + spreadMs - Date.now()) / 1_000;
  const [calls] = await Promise.all([
    callers === 0 ? null : callUntil({ callers, seconds, stride: callers }, increment),
    allExpired(() => runtime, count),
  ]);
  const delays = [...expiries.delaysMs].sort((a, b) => a - b);
  const at = (share: number): number => delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? NaN;
  return {
    objects,
    alarms: count,
    callers,
    callsPerSecond: calls === null ? 0 : calls.calls / calls.seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
  };
}

const rows = [
  await measure("in memory", 0),
  await measure("not in memory", 0),
  await measure("in memory", 64),
  await measure("in memory", 1_024),
];
await runtime.stop();
clearInterval(alive);

report(
  {
    name: "alarm-delay",
    measures: `how long after its time the handler of an alarm starts, with ${shown(count)} alarms of as many objects spread over ${shown(spreadMs / 1_000)} s, with and without callers of durable increments in the same process`,
    doesNotMeasure: "alarms that are due together (see alarms), a busy machine, a clock that is moved",
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
      { key: "objects", title: "objects" },
      { key: "alarms", title: "alarms" },
      { key: "callers", title: "callers" },
      { key: "callsPerSecond", title: "calls/s" },
      { key: "p50Ms", title: "p50 ms", digits: 2 },
      { key: "p99Ms", title: "p99 ms", digits: 2 },
      { key: "maxMs", title: "max ms", digits: 2 },
    ],
    rows,
    aims: rows
      .slice(0, 2)
      .flatMap(({ objects, p50Ms, p99Ms }) => [
        atMost(`objects ${objects}: p50`, 5, " ms", p50Ms),
        atMost(`objects ${objects}: p99`, 50, " ms", p99Ms),
      ]),
    headlines: rows.slice(0, 1).map(({ p50Ms, p99Ms }) => ({
      what: "from the time an alarm is due to the start of its handler, p50 and p99",
      here: `${shown(p50Ms, 1)} ms, ${shown(p99Ms, 1)} ms`,
      byHand: "–",
    })),
  },
);
