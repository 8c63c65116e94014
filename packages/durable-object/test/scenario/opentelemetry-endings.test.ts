/** Spans of calls that do not end as usual: not in time, given up, moved, put off, or cut off by a stop. */

import { SpanKind } from "@opentelemetry/api";
import { expect, test } from "vitest";
import { cluster, defineObject, noreply, schedule, type Runtime } from "../../src/index.ts";
import { memory, memoryTransport } from "../../src/memory/index.ts";
import { eventually } from "../../src/testing/index.ts";
import { Counter, defineCounter } from "../support/counter.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate } from "../support/gate.ts";
import { startTelemetry, type Telemetry } from "../support/open-telemetry.ts";
import { codeOf } from "../support/outcome-of.ts";
import { start } from "../support/stores.ts";

/** What the spans of a name that have ended say: how they failed, or null. */
function ended(telemetry: Telemetry, name: string, kind: SpanKind): unknown[] {
  const found = telemetry.spans().filter((span) => span.name === name && span.kind === kind);
  return found.map(({ attributes }) => attributes["error.type"] ?? null);
}

function both(telemetry: Telemetry, name: string): { client: unknown[]; server: unknown[] } {
  return { client: ended(telemetry, name, SpanKind.CLIENT), server: ended(telemetry, name, SpanKind.SERVER) };
}

test("not in time: the caller's span at its deadline, the turn's when it is over; one that never ran has none", async () => {
  const telemetry = startTelemetry();
  const clock = new FakeClock();
  const slow = gate();
  const Slow = defineCounter({ slow });
  const { instrumentation } = telemetry;
  const { environment } = clock;
  const runtime = await start({ objects: [Slow], store: memory(), environment, instrumentation });
  const counter = runtime.get(Slow, "a", { timeout: "1s" });
  const codes = [codeOf(counter.incrementSlowly("slow")), codeOf(counter.increment())];
  await clock.advance("2s");
  expect(await Promise.all(codes)).toEqual(["CALL_TIMEOUT", "CALL_TIMEOUT"]);
  expect(both(telemetry, "counter/incrementSlowly")).toEqual({ client: ["CALL_TIMEOUT"], server: [] });
  expect(both(telemetry, "counter/increment")).toEqual({ client: ["CALL_TIMEOUT"], server: [] });
  slow.open();
  expect(await runtime.get(Slow, "a").get()).toBe(1);
  expect(both(telemetry, "counter/incrementSlowly")).toEqual({ client: ["CALL_TIMEOUT"], server: [null] });
  expect(both(telemetry, "counter/increment").server).toEqual([]);
});

test("given up: the same", async () => {
  const telemetry = startTelemetry();
  const slow = gate();
  const Slow = defineCounter({ slow });
  const runtime = await start({ objects: [Slow], store: memory(), instrumentation: telemetry.instrumentation });
  const controller = new AbortController();
  await runtime.get(Slow, "a").get();
  const call = codeOf(runtime.get(Slow, "a", { signal: controller.signal }).incrementSlowly("slow"));
  controller.abort();
  expect(await call).toBe("CALL_ABORTED");
  expect(both(telemetry, "counter/incrementSlowly")).toEqual({ client: ["CALL_ABORTED"], server: [] });
  slow.open();
  expect(await runtime.get(Slow, "a").get()).toBe(1);
  expect(both(telemetry, "counter/incrementSlowly").server).toEqual([null]);
});

test("refused before its turn: only its caller has a span", async () => {
  const telemetry = startTelemetry();
  const slow = gate();
  const Slow = defineCounter({ slow });
  const { instrumentation } = telemetry;
  const runtime = await start({ objects: [Slow], store: memory(), mailboxLimit: 1, instrumentation });
  const counter = runtime.get(Slow, "a");
  await counter.get();
  const running = counter.incrementSlowly("slow");
  const waiting = counter.increment();
  expect(await codeOf(counter.reset())).toBe("MAILBOX_FULL");
  expect(both(telemetry, "counter/reset")).toEqual({ client: ["MAILBOX_FULL"], server: [] });
  slow.open();
  await Promise.all([running, waiting]);
});

test("cut off by a stop: both spans end with it, and the handler's when it does", async () => {
  const telemetry = startTelemetry();
  const clock = new FakeClock();
  const slow = gate();
  const Slow = defineCounter({ slow });
  const { instrumentation } = telemetry;
  const { environment } = clock;
  const runtime = await start({ objects: [Slow], store: memory(), environment, instrumentation, stopTimeout: "1s" });
  await runtime.get(Slow, "a").get();
  const call = codeOf(runtime.get(Slow, "a").incrementSlowly("slow"));
  const stopping = runtime.stop();
  await clock.advance("2s");
  await stopping;
  expect(await call).toBe("RUNTIME_STOPPED");
  expect(both(telemetry, "counter/incrementSlowly")).toEqual({
    client: ["RUNTIME_STOPPED"],
    server: ["RUNTIME_STOPPED"],
  });
  const handlers = (): number => ended(telemetry, "durable_object.handler", SpanKind.INTERNAL).length;
  expect(handlers()).toBe(1);
  slow.open();
  await eventually(() => expect(handlers()).toBe(2));
});

test("an alarm that is put off, and delivered again: a turn for each delivery, of the same attempt", async () => {
  const telemetry = startTelemetry();
  const clock = new FakeClock();
  const Clock = defineObject({
    type: "clock",
    state: { rung: 0 },
    handlers: { plan: ({ state }) => noreply(state, schedule("ring", "1s")) },
    alarms: { ring: ({ state }) => noreply({ rung: state.rung + 1 }) },
  });
  const store = new FaultyStore(memory());
  const { environment } = clock;
  const runtime = await start({ objects: [Clock], store, environment, instrumentation: telemetry.instrumentation });
  await runtime.get(Clock, "a").plan();
  store.failNextCommit("full");
  await clock.advance("5m");
  expect(await runtime.peek(Clock, "a")).toEqual({ rung: 1 });
  expect(ended(telemetry, "clock/ring", SpanKind.CONSUMER)).toEqual(["STORE_FULL", null]);
  const turns = telemetry.spans().filter(({ kind }) => kind === SpanKind.CONSUMER);
  expect(turns.map(({ attributes }) => attributes["durable_object.alarm.attempt"])).toEqual([1, 1]);
  expect(new Set(turns.flatMap(({ links }) => links)).size).toBe(1);
});

test("a call whose object moves meanwhile: one span for its caller, one turn in the same trace", async () => {
  const telemetry = startTelemetry();
  const { instrumentation } = telemetry;
  const store = memory();
  const transport = memoryTransport();
  const node = (): Promise<Runtime> =>
    start({ objects: [Counter], store, instrumentation, cluster: cluster({ transport }) });
  const first = await node();
  await first.get(Counter, "a").increment();
  const second = await node();
  // The slots that are its own come from the other one, while it is called.
  const calls = Array.from({ length: 16 }, (_, index) => second.get(Counter, `${index}`).increment());
  const leaving = first.stop();
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 16 }, () => 1));
  await leaving;
  expect(await second.get(Counter, "a").increment()).toBe(2);
  const spans = telemetry.spans();
  const callers = spans.filter(({ kind }) => kind === SpanKind.CLIENT).map(({ spanId }) => spanId);
  const turns = spans.filter(({ kind }) => kind === SpanKind.SERVER);
  expect(callers).toHaveLength(18);
  expect(turns).toHaveLength(18);
  expect(new Set(turns.map(({ parent }) => parent))).toEqual(new Set(callers));
  expect(turns.map(({ attributes }) => attributes["error.type"] ?? null)).toEqual(Array.from(turns, () => null));
});
