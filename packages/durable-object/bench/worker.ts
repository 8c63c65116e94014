/**
 * Claim: committing on the main thread is faster, and committing in a worker thread leaves the event loop
 * free while the disk syncs. Both are options; here is what each costs.
 *
 * The delay of the event loop is how much later than it should a timer of 1 ms fires, as
 * `perf_hooks.monitorEventLoopDelay` sees it.
 *
 *   node bench/worker.ts [--quick] [--seconds N]
 */

import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, counterIds, openCounters, type CounterRuntime } from "./support/counter.ts";
import {
  callUntil,
  chooser,
  median,
  medianRate,
  medianRatio,
  takeTurns,
  type Contestant,
  type Slice,
} from "./support/measure.ts";
import { counted, perSecond, report, shown } from "./support/report.ts";
import { scratchFile } from "./support/scratch.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();
const resolutionMs = 1;
/** Calls per second of the case that leaves the process time to breathe. */
const pacedRate = 1_000;

interface DelaySlice extends Slice {
  /** Of the event loop, in ms. */
  readonly medianDelay: number;
  readonly p99Delay: number;
  /** Of the calls, in ms. */
  readonly latency: number;
}

/** Measures the delay of the event loop while something runs. */
async function withDelay(work: () => Promise<Slice & { latency: number }>): Promise<DelaySlice> {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  const slice = await work();
  histogram.disable();
  const delay = (percentile: number): number => Math.max(0, histogram.percentile(percentile) / 1e6 - resolutionMs);
  return { ...slice, medianDelay: delay(50), p99Delay: delay(99) };
}

/** Makes calls at a steady pace, whether or not the ones before are answered. */
async function callSteadily(seconds: number, call: () => Promise<unknown>): Promise<Slice & { latency: number }> {
  const answers: Promise<number>[] = [];
  const timed = async (): Promise<number> => {
    const asked = performance.now();
    await call();
    return performance.now() - asked;
  };
  const start = performance.now();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsed = (performance.now() - start) / 1_000;
      for (let due = Math.floor(elapsed * pacedRate) - answers.length; due > 0; due--) answers.push(timed());
      if (elapsed < seconds) return;
      clearInterval(timer);
      resolve();
    }, 2);
  });
  const latencies = await Promise.all(answers);
  return {
    calls: latencies.length,
    seconds: (performance.now() - start) / 1_000,
    latency: latencies.reduce((sum, latency) => sum + latency, 0) / latencies.length,
  };
}

const rows = [];
for (const { objects, callers } of [
  { objects: 1, callers: 64 },
  { objects: 1_000, callers: 1_024 },
  { objects: 1_000, callers: null },
]) {
  const ids = counterIds(objects);
  const next = chooser(objects);
  const main = await openCounters(scratchFile("main.db"), ids);
  const worker = await openCounters(scratchFile("worker.db"), ids, { worker: true });
  const contestant = (name: string, { runtime }: CounterRuntime): Contestant<DelaySlice> => {
    const call = (): Promise<unknown> => runtime.get(Counter, ids[next()] ?? "").increment(1);
    return {
      name,
      run: (seconds) =>
        withDelay(async () => {
          if (callers === null) return callSteadily(seconds, call);
          const slice = await callUntil({ callers, seconds, stride: callers }, call);
          return { ...slice, latency: (slice.seconds / slice.calls) * callers * 1_000 };
        }),
    };
  };
  const [onMain, inWorker] = await takeTurns([contestant("main", main), contestant("worker", worker)] as const, run);
  const load =
    callers === null ? `${shown(pacedRate)} calls/s, steady` : `${shown(callers)} callers, as fast as they can`;
  for (const [thread, slices] of [
    ["main", onMain],
    ["worker", inWorker],
  ] as const) {
    rows.push({
      objects,
      load,
      thread,
      rate: medianRate(slices),
      ratio: medianRatio(slices, onMain),
      latency: median(slices.map(({ latency }) => latency)),
      medianDelay: median(slices.map(({ medianDelay }) => medianDelay)),
      p99Delay: median(slices.map(({ p99Delay }) => p99Delay)),
    });
  }
  await main.runtime.stop();
  await worker.runtime.stop();
}

report(
  {
    name: "worker",
    measures:
      "durable increments with the database on the main thread and in a worker thread, and how late the event loop is meanwhile",
    doesNotMeasure:
      "slow disks, for which the worker is meant: the longer a sync takes, the more it spares the event loop",
  },
  run,
  {
    settings: {
      store: "sqlite",
      synchronous: "full",
      freezeState: false,
      stateBytes: 10,
      stub: "asked for in every call",
    },
    columns: [
      { key: "objects", title: "objects" },
      { key: "load", title: "load" },
      { key: "thread", title: "database in" },
      { key: "rate", title: "calls/s" },
      { key: "ratio", title: "of main", digits: 2, unit: " ×" },
      { key: "latency", title: "mean latency ms", digits: 2 },
      { key: "medianDelay", title: "loop delay p50 ms", digits: 2 },
      { key: "p99Delay", title: "p99 ms", digits: 2 },
    ],
    rows,
    aims: [],
    headlines: rows
      .filter(({ thread, objects, load }) => thread === "worker" && (objects === 1 || load.startsWith("1,024")))
      .map(({ objects, load, rate }) => ({
        what: `increments with the database in a worker thread, ${counted(objects, "object")}, ${load.split(" ")[0] ?? ""} in flight`,
        here: perSecond(rate),
        byHand: "–",
      })),
  },
);
