/** Traces and metrics where things go wrong, are shared, or happen somewhere else. */

import { metrics, SpanKind, trace } from "@opentelemetry/api";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { describe, expect, onTestFinished, test } from "vitest";
import { cluster, defineObject, noreply, reply, schedule, type Runtime } from "../../src/index.ts";
import { memory, memoryTransport } from "../../src/memory/index.ts";
import { openTelemetry } from "../../src/otel/index.ts";
import { peers } from "../../src/peers/index.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import type { Transport } from "../../src/ports/transport.ts";
import { postgres } from "../../src/postgres/index.ts";
import { eventually } from "../../src/testing/index.ts";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { listen } from "../support/channels.ts";
import { Counter, defineCounter } from "../support/counter.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate } from "../support/gate.ts";
import { startTelemetry, type SeenSpan, type Telemetry } from "../support/open-telemetry.ts";
import { codeOf } from "../support/outcome-of.ts";
import { borrowedSchema, hasPostgres, postgresUrl } from "../support/postgres-place.ts";
import { start, stores } from "../support/stores.ts";

type Told = Readonly<Record<string, unknown>>;

function named(telemetry: Telemetry, name: string, kind: SpanKind = SpanKind.INTERNAL): SeenSpan[] {
  return telemetry.spans().filter((span) => span.name === name && span.kind === kind);
}

async function counted(telemetry: Telemetry, metric: string): Promise<unknown[]> {
  const points = await telemetry.points(metric);
  return points.map(({ attributes, value }) => [...Object.values(attributes), value]);
}

test("turns of two objects in one commit: the same number, and each the revision of its own object", async () => {
  const telemetry = startTelemetry();
  const runtime = await start({ objects: [Counter], store: memory(), instrumentation: telemetry.instrumentation });
  await runtime.get(Counter, "a").increment();
  await runtime.get(Counter, "b").look();
  await Promise.all(["a", "b"].map((id) => runtime.get(Counter, id).increment()));
  const written = named(telemetry, "durable_object.commit").map(({ attributes }) => [
    attributes["durable_object.commit.number"],
    attributes["db.operation.batch.size"],
    attributes["durable_object.revision"],
  ]);
  expect(written).toEqual([
    [1, 1, 1],
    [2, 2, 2],
    [2, 2, 1],
  ]);
});

test("a call that runs at once has not waited", async () => {
  const telemetry = startTelemetry();
  const heard = listen<Told>("tracing:durable-object:turn:start");
  const slow = gate();
  const Slow = defineCounter({ slow });
  const runtime = await start({ objects: [Slow], store: memory(), instrumentation: telemetry.instrumentation });
  const counter = runtime.get(Slow, "a");
  await counter.look();
  expect(named(telemetry, "durable_object.wait")).toHaveLength(1);
  await counter.get();
  expect(named(telemetry, "durable_object.wait")).toHaveLength(1);
  const first = counter.incrementSlowly("slow");
  const second = counter.increment();
  slow.open();
  await Promise.all([first, second]);
  expect(named(telemetry, "durable_object.wait")).toHaveLength(2);
  expect(heard.map(({ handler, waitMs }) => [handler, Number(waitMs) > 0])).toEqual([
    ["look", true],
    ["get", false],
    ["incrementSlowly", false],
    ["increment", true],
  ]);
});

test("a turn whose state was lost while it ran: its caller's error at once, and its handler's span when that ends", async () => {
  const telemetry = startTelemetry();
  const slow = gate();
  const Slow = defineCounter({ slow });
  const store = new FaultyStore(memory());
  const runtime = await start({ objects: [Slow], store, instrumentation: telemetry.instrumentation });
  await runtime.get(Slow, "a").increment();
  const running = codeOf(runtime.get(Slow, "a").incrementSlowly("slow"));
  store.failNextCommit("lost");
  expect(await codeOf(runtime.get(Slow, "b").increment())).toBe("STORE_TAKEN_OVER");
  expect(await running).toBe("STORE_TAKEN_OVER");
  const [turn] = named(telemetry, "counter/incrementSlowly", SpanKind.SERVER);
  expect(turn?.attributes["error.type"]).toBe("STORE_TAKEN_OVER");
  const ended = (): (string | null)[] => named(telemetry, "durable_object.handler").map(({ parent }) => parent);
  expect(ended()).not.toContain(turn?.spanId);
  slow.open();
  await expect.poll(ended).toContain(turn?.spanId);
  expect(await counted(telemetry, "durable_object.fence.rejections")).toEqual([
    ["memory", "commit", "STORE_TAKEN_OVER", 1],
  ]);
  expect(await counted(telemetry, "durable_object.lease.losses")).toEqual([[1]]);
  expect(await counted(telemetry, "durable_object.objects")).toEqual([["counter", "active", 0]]);
});

test("a write that met another revision: a failure of its object, and of no other", async () => {
  const telemetry = startTelemetry();
  const store = new FaultyStore(memory());
  const runtime = await start({ objects: [Counter], store, instrumentation: telemetry.instrumentation });
  await Promise.all(["a", "b"].map((id) => runtime.get(Counter, id).increment()));
  await store.changeByStranger({ tenant: "", type: "counter", id: "a" }, { count: 50 });
  const failed = listen<Told>("tracing:durable-object:storage.save:error");
  const ended = listen<Told>("tracing:durable-object:storage.save:asyncEnd");
  const codes = await Promise.all(["a", "b"].map((id) => codeOf(runtime.get(Counter, id).increment())));
  expect(codes).toEqual(["STALE_REVISION", "ok"]);
  expect(failed).toMatchObject([{ id: "a", error: { code: "STALE_REVISION" } }]);
  expect(ended.map(({ id }) => id)).toEqual(["a", "b"]);
  expect(await counted(telemetry, "durable_object.fence.rejections")).toEqual([
    ["memory", "commit", "STALE_REVISION", 1],
  ]);
});

test("two runtimes that measure with one provider are counted together, and once", async () => {
  const telemetry = startTelemetry();
  const { meterProvider } = telemetry;
  const first = await start({ objects: [Counter], store: memory(), instrumentation: openTelemetry({ meterProvider }) });
  const second = await start({
    objects: [Counter],
    store: memory(),
    instrumentation: openTelemetry({ meterProvider }),
  });
  await first.get(Counter, "a").increment();
  await second.get(Counter, "a").increment();
  const commits = async () => (await telemetry.points("durable_object.commit.batch.size")).map(({ value }) => value);
  expect(await commits()).toEqual([2]);
  expect(await counted(telemetry, "durable_object.objects")).toEqual([["counter", "active", 2]]);
  await first.stop();
  await second.get(Counter, "a").increment();
  expect(await commits()).toEqual([3]);
  await second.stop();
  expect(await counted(telemetry, "durable_object.objects")).toEqual([["counter", "active", 0]]);
});

test("a runtime that could not start hears of nothing", async () => {
  const telemetry = startTelemetry();
  const store: ObjectStore = { name: "none", open: () => Promise.reject(new Error("there is none")) };
  const { instrumentation } = telemetry;
  await expect(start({ objects: [Counter], store, instrumentation })).rejects.toThrow("there is none");
  const other = await start({ objects: [Counter], store: memory() });
  await other.get(Counter, "a").increment();
  expect(await telemetry.points("db.client.operation.duration")).toEqual([]);
});

test("an SDK that is registered after openTelemetry() was called, and before the runtime starts, gets everything", async () => {
  const instrumentation = openTelemetry();
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const telemetry = startTelemetry();
  trace.setGlobalTracerProvider(provider);
  metrics.setGlobalMeterProvider(telemetry.meterProvider);
  onTestFinished(() => {
    trace.disable();
    metrics.disable();
  });
  const runtime = await start({ objects: [Counter], store: memory(), instrumentation });
  await runtime.get(Counter, "a").increment();
  expect(exporter.getFinishedSpans().map(({ name }) => name)).toContain("counter/increment");
  expect((await telemetry.points("rpc.client.call.duration")).map(({ value }) => value)).toEqual([1]);
});

describe.each(stores)("alarms ($name)", (kind) => {
  test("an attempt that its process did not survive is told; so is the one that was the last", async () => {
    const telemetry = startTelemetry();
    const world = await AlarmWorld.create(kind);
    const told = listen<Told>("tracing:durable-object:alarm:asyncEnd");
    const { instrumentation } = telemetry;
    const options = { instrumentation, alarmRetry: { attempts: 2 } };
    world.script.behave = async () => {
      await world.clock.sleep("5m");
      return [];
    };
    const first = await world.start(options);
    await first.get(world.script.Diary, "a").plan("ring", "1s");
    const [setter] = named(telemetry, `${world.script.Diary.type}/plan`, SpanKind.SERVER);
    for (let death = 0; death < 2; death++) {
      await world.clock.advance("1m");
      await world.kill();
      await world.start(options);
    }
    await world.clock.advance("1m");
    const seen = told.map(({ attempt, becomes, error }) => [attempt, becomes, (error as Error | undefined)?.name]);
    expect(seen).toEqual([
      [1, "retry", "ProcessDied"],
      [2, "dead", "ProcessDied"],
    ]);
    const attempts = await telemetry.points("durable_object.alarm.attempts");
    expect(attempts.map(({ attributes }) => attributes["durable_object.alarm.becomes"])).toEqual(["retry", "dead"]);
    for (const { links } of telemetry.spans().filter(({ kind: of }) => of === SpanKind.CONSUMER)) {
      expect(links).toEqual([setter?.spanId]);
    }
  });
});

test("an alarm that is set again by its own handler links to that turn, and one without a trace to nobody", async () => {
  const telemetry = startTelemetry();
  const Chain = defineObject({
    type: "chain",
    state: { left: 2 },
    handlers: { go: ({ state }) => noreply(state, schedule("next", 1)) },
    alarms: {
      next: ({ state }) => {
        const left = state.left - 1;
        return left === 0 ? noreply({ left }) : noreply({ left }, schedule("next", 1));
      },
    },
  });
  const store = memory();
  const unfollowed = await start({ objects: [Chain], store, scheduler: { name: "none", start: () => idle } });
  await unfollowed.get(Chain, "old").go();
  await unfollowed.stop();
  const runtime = await start({ objects: [Chain], store, instrumentation: telemetry.instrumentation });
  await runtime.get(Chain, "new").go();
  const fired = (id: string): SeenSpan[] =>
    named(telemetry, "chain/next", SpanKind.CONSUMER).filter(
      ({ attributes }) => attributes["durable_object.id"] === id,
    );
  await eventually(() => expect([fired("old").length, fired("new").length]).toEqual([2, 2]));
  const [setter] = named(telemetry, "chain/go", SpanKind.SERVER);
  expect(fired("new").map(({ links }) => links)).toEqual([[setter?.spanId], [fired("new")[0]?.spanId]]);
  expect(fired("old").map(({ links }) => links)).toEqual([[], [fired("old")[0]?.spanId]]);
});

const idle = { changed(): void {}, look(): void {}, stop: () => Promise.resolve() };

interface Place {
  readonly name: string;
  readonly transport: () => Transport;
  readonly store: () => () => ObjectStore;
}

const places: Place[] = [
  {
    name: "memory",
    transport: () => memoryTransport(),
    store: () => {
      const store = memory();
      return () => store;
    },
  },
];
if (hasPostgres) {
  places.push({
    name: "postgres and peers",
    transport: () => peers(),
    store: () => {
      const schema = borrowedSchema();
      return () => postgres(postgresUrl(), { schema, lockTimeout: 0 });
    },
  });
}

describe.each(places)("two nodes ($name)", ({ name, transport, store }) => {
  test("spans of the owner are in the caller's trace, failures too; the owner hears that a node called", async () => {
    const telemetry = startTelemetry();
    const open = store();
    const hub = transport();
    const objects = [Counter, Relay];
    const node = (): Promise<Runtime> =>
      start({
        objects,
        store: open(),
        instrumentation: telemetry.instrumentation,
        // Over the memory both speak by the same hub; a peer listens by itself.
        cluster: cluster({ transport: name === "memory" ? hub : transport() }),
      });
    const first = await node();
    const second = await node();
    const slots = (): number[] => second.cluster.status().nodes.map((row) => row.slots);
    await expect.poll(slots, { timeout: 20_000 }).toEqual([512, 512]);
    // second → Relay at the first → Counter at the second.
    const [relay, counter] = [ownedBy(first, Relay.type, second), ownedBy(second, Counter.type, first)];
    const heard = listen<Told>("tracing:durable-object:turn:asyncEnd");
    expect(await second.get(Relay, relay).pass(counter)).toBe(1);
    expect(await codeOf(second.get(Relay, relay).fail())).toBe("HANDLER_CRASHED");
    const [outer] = named(telemetry, "relay/pass", SpanKind.CLIENT);
    const [middle] = named(telemetry, "relay/pass", SpanKind.SERVER);
    const [inner] = named(telemetry, "counter/increment", SpanKind.CLIENT);
    const [end] = named(telemetry, "counter/increment", SpanKind.SERVER);
    const handler = named(telemetry, "durable_object.handler").find(({ parent }) => parent === middle?.spanId);
    expect([middle?.parent, inner?.parent, end?.parent]).toEqual([outer?.spanId, handler?.spanId, inner?.spanId]);
    expect(new Set([outer, middle, inner, end].map((span) => span?.traceId)).size).toBe(1);
    for (const kind of [SpanKind.CLIENT, SpanKind.SERVER]) {
      expect(named(telemetry, "relay/fail", kind).map(({ attributes }) => attributes["error.type"])).toEqual([
        "HANDLER_CRASHED",
      ]);
    }
    expect(heard.map(({ handler: of, from }) => [of, from])).toEqual([
      ["increment", "node"],
      ["pass", "node"],
      ["fail", "node"],
    ]);
    const moves = await telemetry.points("durable_object.slot.moves");
    expect(new Set(moves.map(({ attributes }) => attributes["durable_object.change"]))).toEqual(
      new Set(["acquired", "handed over"]),
    );
  });
});

/** An id of the type that this node owns, as the other one sees it. */
function ownedBy(runtime: Runtime, type: string, other: Runtime): string {
  for (let index = 0; ; index++) {
    const id = `own-${index}`;
    if (other.locate(type, id)?.node === runtime.node) return id;
  }
}

const Relay = defineObject({
  type: "relay",
  state: { passed: 0 },
  handlers: {
    pass: async ({ state, get }, id: string) => reply(await get(Counter, id).increment(), { passed: state.passed + 1 }),
    fail: () => {
      throw new Error("on the other node");
    },
  },
});
