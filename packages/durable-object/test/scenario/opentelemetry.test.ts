/** Traces and metrics: which spans there are, what is in what, and that following a call changes nothing about it. */

import { context, ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import { expect, test } from "vitest";
import { createRuntime, defineObject, fail, noreply, reply, schedule } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { openTelemetry } from "../../src/otel/index.ts";
import type { Instrumentation } from "../../src/ports/instrumentation.ts";
import { createTestRuntime } from "../../src/testing/index.ts";
import { listen } from "../support/channels.ts";
import { activeSpanId, startTelemetry, type SeenSpan } from "../support/open-telemetry.ts";
import { codeOf } from "../support/outcome-of.ts";
import { onEveryStore, start } from "../support/stores.ts";

const inHandlers: (string | null)[] = [];

const Account = defineObject({
  type: "account",
  state: { balance: 0, tries: 0 },
  handlers: {
    add: ({ state }, amount: number) => {
      inHandlers.push(activeSpanId());
      return reply(state.balance + amount, { ...state, balance: state.balance + amount });
    },
    balance: ({ state }) => reply(state.balance),
    refuse: () => fail("no"),
    crash: () => {
      throw new Error("broken");
    },
    remind: ({ state }) => noreply(state, schedule("ring", "1h")),
    ringOften: ({ state }) => noreply(state, schedule("ring", { every: "1h" })),
  },
  alarms: {
    ring: ({ state, attempt }) => {
      if (attempt === 1) throw new Error("not yet");
      return noreply({ ...state, tries: state.tries + attempt });
    },
  },
});

const Teller = defineObject({
  type: "teller",
  state: { served: 0 },
  handlers: {
    serve: async ({ state, get }, account: string) => {
      await Promise.resolve();
      const balance = await get(Account, account).add(5);
      return reply(balance, { served: state.served + 1 });
    },
  },
});

const objects = [Account, Teller];

function only(spans: readonly SeenSpan[], name: string, kind: SpanKind): SeenSpan {
  const found = spans.filter((span) => span.name === name && span.kind === kind);
  expect(found.map((span) => span.name)).toEqual([name]);
  return found[0] as SeenSpan;
}

onEveryStore("traces", (stores) => {
  test("caller → turn → handler and commit; the caller's own span is above, the handler's are inside", async () => {
    const telemetry = startTelemetry();
    const { instrumentation } = telemetry;
    const runtime = await start({ objects, store: (await stores.create()).open(), instrumentation });
    inHandlers.length = 0;
    const own = telemetry.tracer.startSpan("request");
    await context.with(trace.setSpan(ROOT_CONTEXT, own), () => runtime.get(Account, "a", { tenant: "t" }).add(2));
    own.end();
    const spans = telemetry.spans();
    const caller = only(spans, "account/add", SpanKind.CLIENT);
    const turn = only(spans, "account/add", SpanKind.SERVER);
    const handler = only(spans, "durable_object.handler", SpanKind.INTERNAL);
    const commit = only(spans, "durable_object.commit", SpanKind.INTERNAL);
    expect(caller.parent).toBe(own.spanContext().spanId);
    expect(turn.parent).toBe(caller.spanId);
    expect([handler.parent, commit.parent]).toEqual([turn.spanId, turn.spanId]);
    expect(inHandlers).toEqual([handler.spanId]);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(turn.attributes).toMatchObject({
      "rpc.system.name": "durable_object",
      "rpc.method": "account/add",
      "durable_object.tenant": "t",
      "durable_object.type": "account",
      "durable_object.id": "a",
    });
  });

  test("a call from a handler is part of the trace, across an await; what changed nothing has no commit", async () => {
    const telemetry = startTelemetry();
    const { instrumentation } = telemetry;
    const runtime = await start({ objects, store: (await stores.create()).open(), instrumentation });
    await runtime.get(Teller, "1").serve("a");
    const outer = only(telemetry.spans(), "teller/serve", SpanKind.SERVER);
    const inner = only(telemetry.spans(), "account/add", SpanKind.CLIENT);
    const handlers = telemetry.spans().filter(({ name }) => name === "durable_object.handler");
    expect(handlers.find(({ parent }) => parent === outer.spanId)?.spanId).toBe(inner.parent);
    const commits = telemetry.spans().filter(({ name }) => name === "durable_object.commit").length;
    await runtime.get(Account, "a").balance();
    expect(telemetry.spans().filter(({ name }) => name === "durable_object.commit")).toHaveLength(commits);
  });

  test("failures: the code as error.type on both sides, and a state that nobody has lost", async () => {
    const telemetry = startTelemetry();
    const { instrumentation } = telemetry;
    const runtime = await start({ objects, store: (await stores.create()).open(), instrumentation });
    const account = runtime.get(Account, "a");
    expect([await codeOf(account.refuse()), await codeOf(account.crash())]).toEqual([
      "HANDLER_FAILED",
      "HANDLER_CRASHED",
    ]);
    for (const [name, code] of [
      ["account/refuse", "HANDLER_FAILED"],
      ["account/crash", "HANDLER_CRASHED"],
    ] as const) {
      for (const kind of [SpanKind.CLIENT, SpanKind.SERVER]) {
        const span = only(telemetry.spans(), name, kind);
        expect(span.attributes["error.type"]).toBe(code);
        // Why it failed is for the caller: a reason may be anything.
        expect(span.error).toBe(code === "HANDLER_FAILED" ? "" : 'account/a: the handler "crash" threw: broken');
      }
    }
    const thrown = telemetry.spans().flatMap(({ name, exceptions }) => exceptions.map((message) => [name, message]));
    expect(thrown).toEqual([["durable_object.handler", "broken"]]);
  });
});

test("an alarm: a trace of its own with a link to who set it, through its retries and repetitions", async () => {
  const telemetry = startTelemetry();
  await using t = await createTestRuntime({ objects, instrumentation: telemetry.instrumentation });
  await t.get(Account, "a").ringOften();
  const setter = only(telemetry.spans(), "account/ringOften", SpanKind.SERVER);
  await t.advance("3h");
  const fired = telemetry.spans().filter(({ name, kind }) => name === "account/ring" && kind === SpanKind.CONSUMER);
  expect(fired.length).toBeGreaterThanOrEqual(4);
  for (const span of fired) {
    expect([span.parent, span.links]).toEqual([null, [setter.spanId]]);
    expect(span.traceId).not.toBe(setter.traceId);
  }
  expect(fired.map(({ attributes }) => attributes["durable_object.alarm.attempt"]).slice(0, 2)).toEqual([1, 2]);
  expect(fired[0]?.attributes["error.type"]).toBe("HANDLER_CRASHED");
  const [listed] = await t.get(Account, "a").alarms.list();
  expect(Object.keys(listed ?? {})).not.toContain("trace");
});

test("a caller that is not sampled: nobody is", async () => {
  const telemetry = startTelemetry();
  const runtime = await start({ objects, store: memory(), instrumentation: telemetry.instrumentation });
  const unsampled = trace.setSpanContext(ROOT_CONTEXT, {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    traceFlags: 0,
  });
  await context.with(unsampled, () => runtime.get(Account, "a").add(1));
  expect(telemetry.spans()).toEqual([]);
  await runtime.get(Account, "a").add(1);
  expect(telemetry.spans().length).toBeGreaterThan(0);
});

test("calls that wait have a span for it, and share a commit", async () => {
  const telemetry = startTelemetry();
  const runtime = await start({ objects, store: memory(), instrumentation: telemetry.instrumentation });
  const calls = [1, 2, 3].map((amount) => runtime.get(Account, "a").add(amount));
  expect(await Promise.all(calls)).toEqual([1, 3, 6]);
  const named = (name: string) => telemetry.spans().filter((span) => span.name === name).length;
  expect([named("durable_object.wait"), named("durable_object.handler"), named("durable_object.commit")]).toEqual([
    3, 3, 3,
  ]);
  expect((await telemetry.points("durable_object.commit.batch.size")).map(({ value }) => value)).toEqual([1]);
});

test("metrics: calls, waits, handlers, commits, objects, alarms, fences; no ids among them", async () => {
  const telemetry = startTelemetry();
  const store = memory();
  const t = await createTestRuntime({ objects, store, instrumentation: telemetry.instrumentation });
  await t.get(Account, "a").add(1);
  await t.get(Account, "b").remind();
  await codeOf(t.get(Account, "a").refuse());
  await t.advance("2h");
  const method = (name: string) => async (handler: string) =>
    (await telemetry.points(name)).filter(({ attributes }) => attributes["rpc.method"] === `account/${handler}`);
  for (const name of [
    "rpc.client.call.duration",
    "rpc.server.call.duration",
    "durable_object.mailbox.wait",
    "durable_object.handler.duration",
  ]) {
    expect((await method(name)("add")).map(({ value }) => value)).toEqual([1]);
  }
  expect((await method("rpc.server.call.duration")("refuse"))[0]?.attributes["error.type"]).toBe("HANDLER_FAILED");
  const firings = await telemetry.points("durable_object.alarm.attempts");
  expect(firings.map(({ attributes, value }) => [attributes["error.type"], value])).toEqual([
    ["HANDLER_CRASHED", 1],
    [undefined, 1],
  ]);
  expect((await telemetry.points("durable_object.alarm.lag"))[0]?.value).toBe(2);
  const commits = await telemetry.points("db.client.operation.duration");
  expect(commits.map(({ attributes }) => attributes["db.system.name"])).toEqual(["memory"]);
  const inMemory = async () =>
    Object.fromEntries(
      (await telemetry.points("durable_object.objects")).map((point) => [
        point.attributes["durable_object.phase"],
        point.value,
      ]),
    );
  expect(await inMemory()).toEqual({ active: 0, hibernated: 2 });
  await t[Symbol.asyncDispose]();
  expect(await inMemory()).toEqual({ active: 0, hibernated: 0 });
  for (const name of ["rpc.client.call.duration", "durable_object.objects", "durable_object.alarm.attempts"]) {
    for (const { attributes } of await telemetry.points(name)) {
      expect(Object.keys(attributes)).not.toContain("durable_object.id");
    }
  }
});

test("without an SDK the bridge does nothing, and nothing is stored with an alarm", async () => {
  const store = memory();
  await using t = await createTestRuntime({ objects, store, instrumentation: openTelemetry() });
  await t.get(Account, "a").remind();
  expect(await t.get(Account, "a").add(1)).toBe(1);
  expect(await t.get(Account, "a").alarms.list()).toMatchObject([{ name: "ring", attempts: 0 }]);
});

test("an instrumentation that throws changes no call, and is told once", async () => {
  const warnings = listen<{ warning: string }>("durable-object:warning");
  const broken = (): never => {
    throw new Error("no");
  };
  let begun = 0;
  const fragile: Instrumentation = {
    attach: broken,
    call: () => ({ trace: null, end: broken }),
    turn: () => {
      begun += 1;
      if (begun % 2 === 0) return broken();
      return {
        trace: null,
        run: begun % 3 === 0 ? broken : (work) => (work(), broken()),
        handled: broken,
        end: broken,
      };
    },
  };
  const runtime = await createRuntime({ objects, store: memory(), instrumentation: fragile });
  const account = runtime.get(Account, "a");
  const results: number[] = [];
  for (let call = 0; call < 6; call++) results.push(await account.add(1));
  expect(results).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await codeOf(account.crash())).toBe("HANDLER_CRASHED");
  await runtime.stop();
  expect(warnings.map(({ warning }) => warning)).toEqual(["instrumentation-failed"]);
});
