/**
 * The weaknesses of the Elixir library `durable_object` in state (W-ST), calls (W-CA) and lifecycle (W-LI),
 * one by one: each test is one that the original would fail.
 */

import { expect, test } from "vitest";
import { z } from "zod";
import { defineObject, handler, noreply, read, reply, schedule } from "../../src/index.ts";
import { Counter, defineCounter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate } from "../support/gate.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

const address = { tenant: "", type: "counter", id: "c" };

async function startCounters(stores: TestStores, options: { mailboxLimit?: number; maxActive?: number } = {}) {
  const slow = gate();
  const SlowCounter = defineCounter({ slow });
  const clock = new FakeClock();
  const disk = await stores.create();
  const store = new FaultyStore(disk.open());
  const runtime = await start({ objects: [SlowCounter], store, environment: clock.environment, ...options });
  return { slow, SlowCounter, clock, disk, store, runtime, counter: runtime.get(SlowCounter, "c") };
}

onEveryStore("weaknesses of the original", (stores) => {
  test("W-ST-1 alarm and state are one commit: if it fails neither is there, and the caller is told", async () => {
    const { counter, store } = await startCounters(stores);
    store.failNextCommit("refused");
    expect(await codeOf(counter.countAndRemind(1_000))).toBe("COMMIT_FAILED");
    expect([await counter.get(), await counter.alarms.list()]).toEqual([0, []]);
    await counter.countAndRemind(1_000);
    expect(store.applied).toHaveLength(1);
  });

  test("W-ST-2 afterLoad that changes nothing writes nothing, at the first activation and at the next", async () => {
    const Loading = defineObject({
      type: "loading",
      state: { list: [1] },
      afterLoad: ({ state }) => noreply({ list: [...state.list] }),
      handlers: { get: ({ state }) => reply(state.list) },
    });
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Loading], store });
    await runtime.get(Loading, "l").get();
    await runtime.deactivate(Loading, "l");
    await runtime.get(Loading, "l").get();
    expect(store.sent).toEqual([]);
  });

  test("W-ST-3 a field that was removed from the code does not keep an object from loading", async () => {
    const { counter, store } = await startCounters(stores);
    await store.changeByStranger(address, { count: 3, removed_field_51d0: "x", another: { deep: 1 } });
    expect(await counter.increment()).toBe(4);
  });

  test("W-ST-4 a stored id changes nobody's identity", async () => {
    const { store, runtime, SlowCounter, counter } = await startCounters(stores);
    await store.changeByStranger(address, { count: 3, id: "d" });
    expect(await counter.increment()).toBe(4);
    expect((await runtime.list(SlowCounter)).objects.map(({ id }) => id)).toEqual(["c"]);
  });

  test("W-ST-5 a handler sees one shape, before and after a restart", async () => {
    const Dated = defineObject({
      type: "dated",
      state: z.object({ at: z.coerce.date().nullable().default(null), tags: z.array(z.string().trim()).default([]) }),
      handlers: {
        set: () => noreply({ at: new Date(5), tags: [" a "], extra: 1 } as { at: Date; tags: string[] }),
        get: ({ state }) => reply([state.at?.constructor.name ?? null, state.tags, Object.keys(state)]),
      },
    });
    const runtime = await start({ objects: [Dated], store: (await stores.create()).open() });
    await runtime.get(Dated, "d").set();
    const before = await runtime.get(Dated, "d").get();
    await runtime.deactivate(Dated, "d");
    expect(await runtime.get(Dated, "d").get()).toEqual(before);
    expect(before[0]).toBe("Date");
  });

  test("W-ST-6 state and arguments are checked, and a wrong type is not stored", async () => {
    const Checked = defineObject({
      type: "checked",
      state: z.object({ count: z.number().int().default(0) }),
      handlers: {
        set: handler({ args: z.tuple([z.number()]) }, (_context, count) => noreply({ count })),
        get: ({ state }) => reply(state.count),
      },
    });
    const runtime = await start({ objects: [Checked], store: (await stores.create()).open() });
    const checked = runtime.get(Checked, "c");
    expect(await codeOf(checked.set("5" as unknown as number))).toBe("INVALID_ARGUMENTS");
    expect(await codeOf(checked.set(1.5))).toBe("INVALID_STATE");
    expect(await checked.get()).toBe(0);
  });

  test("W-ST-7 1,000 calls of one object are a few commits, and 1,000 objects a few more", async () => {
    const { counter, store, runtime, SlowCounter } = await startCounters(stores);
    await counter.increment();
    await Promise.all(Array.from({ length: 1_000 }, () => counter.increment()));
    expect(store.applied.length).toBeLessThanOrEqual(4);
    const ids = Array.from({ length: 1_000 }, (_, id) => `${id}`);
    await Promise.all(ids.map((id) => runtime.get(SlowCounter, id).increment()));
    expect(store.applied.length).toBeLessThanOrEqual(8);
  });

  test("W-ST-8 a change is what JSON calls one: 1 and 1.5, 0 and null, [1] and [1, 2] are different", async () => {
    const initial: { value: unknown } = { value: 0 };
    const Box = defineObject({
      type: "box",
      state: initial,
      handlers: { put: (_context, value: unknown) => noreply({ value }) },
    });
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Box], store });
    for (const value of [1, 1.5, null, [1], [1, 2], "1", { a: 1 }]) await runtime.get(Box, "b").put(value);
    expect(store.applied).toHaveLength(7);
  });

  test("W-ST-9 what no store can keep is refused by name, in states, arguments and ids", async () => {
    const { counter, runtime, SlowCounter } = await startCounters(stores);
    expect(await codeOf(counter.increment("\u0000" as unknown as number))).toBe("INVALID_ARGUMENTS");
    for (const id of ["", " ", "x".repeat(300), "a\u0000", 5 as unknown as string]) {
      expect(await codeOf(() => runtime.get(SlowCounter, id))).toBe("INVALID_ADDRESS");
    }
    // Between 255 and 256 bytes nothing happens.
    expect(await runtime.get(SlowCounter, "x".repeat(256)).increment()).toBe(1);
  });

  test("W-ST-10 whatever a store throws, the caller gets an error with a code", async () => {
    const { counter, store } = await startCounters(stores);
    for (const thrown of ["text", undefined, null, 5, Object.create(null), { message: 1 }]) {
      store.throwOnLoad(thrown);
      expect(await codeOf(counter.get())).toBe("LOAD_FAILED");
    }
    store.failLoads(null);
    expect(await counter.get()).toBe(0);
  });

  test("W-ST-11 objects can be destroyed, deleted and listed, and do not come back by themselves", async () => {
    const { counter, runtime, SlowCounter } = await startCounters(stores);
    await counter.countAndRemind(1_000);
    await counter.vanish();
    expect(await runtime.peek(SlowCounter, "c")).toBeNull();
    await counter.countAndRemind(1_000);
    await runtime.delete(SlowCounter, "c");
    expect((await runtime.list(SlowCounter)).objects).toEqual([]);
    expect(await counter.alarms.list()).toEqual([]);
  });

  test("W-ST-12 no call decides the store: what is acknowledged is stored", async () => {
    const { counter, runtime, SlowCounter, disk } = await startCounters(stores);
    await runtime.activate(SlowCounter, "c");
    await counter.increment();
    await runtime.stop();
    const again = await start({ objects: [SlowCounter], store: disk.open() });
    expect(await again.peek(SlowCounter, "c")).toEqual({ count: 1 });
  });

  test("W-ST-13 asking for unknown ids stores nothing", async () => {
    const { runtime, store, SlowCounter } = await startCounters(stores);
    await Promise.all(Array.from({ length: 100 }, (_, id) => runtime.get(SlowCounter, `guess-${id}`).get()));
    expect(store.sent).toEqual([]);
  });

  test("W-CA-1 every failure is a rejection with a code, and activate says when it failed", async () => {
    const { counter, runtime, store, SlowCounter, clock } = await startCounters(stores);
    expect(await codeOf(counter.crash())).toBe("HANDLER_CRASHED");
    const late = codeOf(counter.incrementSlowly("slow"));
    await clock.advance("6s");
    expect(await late).toBe("CALL_TIMEOUT");
    store.failLoads("retry");
    expect(await codeOf(runtime.activate(SlowCounter, "other"))).toBe("LOAD_FAILED");
  });

  test("W-CA-2 keys, deadlines and signals: nothing is applied twice, and what has not begun never does", async () => {
    const { runtime, SlowCounter, slow, clock } = await startCounters(stores);
    const keyed = () => runtime.get(SlowCounter, "c", { idempotencyKey: "k", timeout: 100 }).incrementSlowly("slow");
    const first = codeOf(keyed());
    const behind = errorOf(runtime.get(SlowCounter, "c", { timeout: 100 }).increment(10));
    await clock.advance(200);
    expect(await first).toBe("CALL_TIMEOUT");
    expect(await behind).toMatchObject({ code: "CALL_TIMEOUT", outcome: "not-applied" });
    slow.open();
    expect(await keyed()).toBe(1);
    expect(await runtime.get(SlowCounter, "c").get()).toBe(1);
  });

  test("W-CA-3 reads run beside a slow handler, and a call to itself is CALL_CYCLE at once", async () => {
    const { counter, slow } = await startCounters(stores);
    const turn = counter.incrementSlowly("slow");
    await settled();
    expect(await counter.look()).toBe(0);
    slow.open();
    await turn;
    const Selfish = defineObject({
      type: "selfish",
      state: {},
      handlers: { go: async ({ id }) => reply(await codeOf(runtime.call("selfish", id, "go", []))) },
    });
    const runtime = await start({ objects: [Selfish], store: (await stores.create()).open() });
    expect(await runtime.call("selfish", "s", "go", [])).toBe("CALL_CYCLE");
  });

  test("W-CA-4 wrong names are errors: of the compiler, and when the object is defined", async () => {
    // @ts-expect-error -- the definition has no alarm of that name
    defineObject({ type: "x", state: {}, handlers: { set: ({ state }) => noreply(state, schedule("nothing", 1)) } });
    expect(await codeOf(() => defineObject({ type: "x", state: {}, handlers: { alarms: () => noreply() } }))).toBe(
      "INVALID_DEFINITION",
    );
  });

  test("W-CA-5 options and handlers count from the very first call on", async () => {
    const Brief = defineObject({
      type: "brief",
      state: {},
      shutdownAfter: 100,
      handlers: { look: read(() => reply("here")) },
    });
    const clock = new FakeClock();
    const store = (await stores.create()).open();
    const runtime = await start({ objects: [Brief], store, environment: clock.environment });
    expect(await runtime.call("brief", "b", "look", [])).toBe("here");
    await clock.advance(200);
    expect(runtime.locate(Brief, "b")).toBeNull();
  });

  test("W-CA-6 by name only handlers can be reached: no alarm, no hook, nothing inherited", async () => {
    const { runtime } = await startCounters(stores);
    for (const name of ["ring", "chime", "alarm", "__fire_alarm__", "afterLoad", "alarms.schedule", "constructor"]) {
      expect(await codeOf(runtime.call("counter", "c", name, []))).toBe("UNKNOWN_HANDLER");
    }
  });

  test("W-CA-7 work can go on after the reply: a call to another object that nobody waits for", async () => {
    const Starter = defineObject({
      type: "starter",
      state: { started: 0 },
      handlers: {
        begin: ({ state, get }) => {
          void get(Counter, "work").increment();
          return reply("begun", { started: state.started + 1 });
        },
      },
    });
    const runtime = await start({ objects: [Starter, Counter], store: (await stores.create()).open() });
    expect(await runtime.get(Starter, "s").begin()).toBe("begun");
    await settled();
    expect(await runtime.get(Counter, "work").get()).toBe(1);
  });

  test("W-LI-1 shutdownAfter may be never, and idle times are checked when the object is defined", async () => {
    const define = (shutdownAfter: unknown) => () =>
      defineObject({ type: "x", state: {}, handlers: {}, shutdownAfter: shutdownAfter as "never" });
    expect(await codeOf(define("never"))).toBe("ok");
    expect(await codeOf(define(Number.POSITIVE_INFINITY))).toBe("INVALID_DEFINITION");
    const runtime = await start({ objects: [define("never")()], store: (await stores.create()).open() });
    await runtime.activate("x", "a");
    expect(runtime.locate("x", "a")?.phase).toBe("active");
  });

  test("W-LI-2 nothing leaves with calls queued, however long the handler before them takes", async () => {
    const go = gate();
    const Leaving = defineObject({
      type: "leaving",
      state: { count: 0 },
      shutdownAfter: 50,
      handlers: {
        work: async ({ state }) => {
          await go.passed;
          return reply(state.count + 1, { count: state.count + 1 });
        },
      },
    });
    const clock = new FakeClock();
    const store = (await stores.create()).open();
    const options = { objects: [Leaving], store, environment: clock.environment, callTimeout: "never" } as const;
    const runtime = await start(options);
    const calls = [1, 2, 3].map(() => runtime.get(Leaving, "l").work());
    await clock.advance("5s");
    go.open();
    expect(await Promise.all(calls)).toEqual([1, 2, 3]);
  });

  test("W-LI-3 stop() drains, the table and the mailboxes are bounded", async () => {
    const { counter, runtime, slow, SlowCounter, disk } = await startCounters(stores, {
      mailboxLimit: 2,
      maxActive: 3,
    });
    for (const id of ["1", "2", "3", "4", "5"]) await runtime.get(SlowCounter, id).increment();
    expect(runtime.activeCount).toBeLessThanOrEqual(3);
    const calls = [counter.incrementSlowly("slow")];
    await settled();
    calls.push(counter.increment(), counter.increment());
    expect(await codeOf(counter.increment())).toBe("MAILBOX_FULL");
    const stopped = runtime.stop();
    slow.open();
    expect(await Promise.all(calls)).toEqual([1, 2, 3]);
    await stopped;
    const again = await start({ objects: [SlowCounter], store: disk.open() });
    expect(await again.get(SlowCounter, "c").get()).toBe(3);
  });
});
