/**
 * Claim: a runtime that nobody follows pays nothing for it, and one that is followed pays for what is recorded.
 *
 *   node bench/telemetry.ts [--quick] [--seconds N]
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { AlwaysOffSampler, NoopSpanProcessor, TracerProvider, type Sampler } from "@opentelemetry/sdk-trace";
import { createRuntime } from "../src/index.ts";
import { memory } from "../src/memory/index.ts";
import { openTelemetry } from "../src/otel/index.ts";
import type { Instrumentation } from "../src/ports/instrumentation.ts";
import { Counter } from "./support/counter.ts";
import { callUntil, medianRate, medianRatio, takeTurns, type Contestant } from "./support/measure.ts";
import { report } from "./support/report.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();
const callers = 64;
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

function traced(sampler?: Sampler): Instrumentation {
  const sampling = sampler === undefined ? {} : { sampler };
  const tracerProvider = new TracerProvider({ ...sampling, spanProcessors: [new NoopSpanProcessor()] });
  return openTelemetry({ tracerProvider });
}

async function contestant(name: string, instrumentation?: Instrumentation, channels: readonly string[] = []) {
  const followed = instrumentation === undefined ? {} : { instrumentation };
  const runtime = await createRuntime({ objects: [Counter], store: memory(), ...followed });
  const counter = runtime.get(Counter, "one");
  await counter.increment(1);
  let heard = 0;
  const hear = (): void => void (heard += 1);
  return {
    name,
    async run(seconds: number) {
      for (const channel of channels) subscribe(channel, hear);
      const slice = await callUntil({ callers, seconds, stride: 256 }, () => counter.value());
      for (const channel of channels) unsubscribe(channel, hear);
      return slice;
    },
  } satisfies Contestant;
}

const contestants = [
  await contestant("nobody follows"),
  await contestant("nobody follows, once more"),
  await contestant("somebody listens to calls and turns", undefined, [
    "tracing:durable-object:call:asyncEnd",
    "tracing:durable-object:turn:asyncEnd",
  ]),
  await contestant("openTelemetry() without an SDK", openTelemetry()),
  await contestant("openTelemetry(), no call sampled", traced(new AlwaysOffSampler())),
  await contestant("openTelemetry(), every call sampled", traced()),
] as const;
const measured = await takeTurns(contestants, run);
const alone = measured[0];
const rows = contestants.map(({ name }, index) => {
  const slices = measured[index] ?? [];
  const rate = medianRate(slices);
  return {
    name,
    rate,
    ratio: medianRatio(slices, alone),
    moreNs: Math.max(0, 1e9 / rate - 1e9 / medianRate(alone)),
  };
});

report(
  {
    name: "telemetry",
    measures:
      "calls of a read() handler on an object in memory, by who follows them; the first two rows are the same, and differ by what the machine does",
    doesNotMeasure: "exporting, metrics in an SDK, writes, calls between nodes",
  },
  run,
  {
    settings: { store: "memory", callers, stub: "held by the callers", spans: "3 for each call, dropped" },
    columns: [
      { key: "name", title: "followed by" },
      { key: "rate", title: "calls/s" },
      { key: "ratio", title: "ratio", digits: 2, unit: " ×" },
      { key: "moreNs", title: "more for each call", unit: " ns" },
    ],
    rows,
    aims: [],
    headlines: [],
  },
);
process.exit(0);
