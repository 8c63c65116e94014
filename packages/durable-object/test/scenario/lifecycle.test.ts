/** Coming and going: hibernate and wake, deactivate, shutdownAfter, maxActive, and the one sweep timer. */

import { expect, test, vi } from "vitest";
import { defineObject, noreply, read, reply } from "../../src/index.ts";
import { Counter, defineCounter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate, type Gate } from "../support/gate.ts";
import { listen } from "../support/channels.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

const gates = new Map<string, Gate>();
const Sleeper = defineObject({
  type: "sleeper",
  state: { count: 0, tags: ["a"] },
  hibernateAfter: "10s",
  shutdownAfter: "60s",
  handlers: {
    increment: ({ state }) => reply(state.count + 1, { ...state, count: state.count + 1 }),
    get: ({ state }) => reply(state),
    look: read(({ state }) => reply(state)),
    refuse: () => noreply(),
    work: async ({ state }, gateName: string) => {
      await gates.get(gateName)?.passed;
      return reply(state.count, { ...state, count: state.count + 1 });
    },
    lookLong: read(async ({ state }, gateName: string) => {
      await gates.get(gateName)?.passed;
      return reply(state.count);
    }),
  },
});

async function startSleepers(stores: TestStores, options: { maxActive?: number } = {}) {
  const clock = new FakeClock();
  const store = new FaultyStore((await stores.create()).open());
  const runtime = await start({
    objects: [Sleeper, Counter],
    store,
    environment: clock.environment,
    callTimeout: "never",
    ...options,
  });
  const phase = (id = "a") => runtime.locate(Sleeper, id)?.phase ?? null;
  return { clock, store, runtime, sleeper: runtime.get(Sleeper, "a"), phase };
}

onEveryStore("lifecycle", (stores) => {
  test("an object hibernates after hibernateAfter, and a call wakes it without touching the store", async () => {
    const { clock, store, runtime, sleeper, phase } = await startSleepers(stores);
    await sleeper.increment();
    expect(phase()).toBe("active");
    await clock.advance("9s");
    expect(phase()).toBe("active");
    await clock.advance("4s");
    expect(phase()).toBe("hibernated");
    const { loads } = store;
    const commits = store.sent.length;
    expect(await runtime.peek(Sleeper, "a")).toEqual({ count: 1, tags: ["a"] });
    expect(phase()).toBe("hibernated");
    expect(await sleeper.look()).toEqual({ count: 1, tags: ["a"] });
    expect(phase()).toBe("active");
    expect([store.loads, store.sent.length]).toEqual([loads, commits]);
    expect(await sleeper.increment()).toBe(2);
  });

  test("a hibernated object wakes for every kind of call, and once for many", async () => {
    const { clock, store, runtime, phase } = await startSleepers(stores);
    const phases = listen<{ id: string; from: string; to: string }>("durable-object:activation");
    await runtime.get(Sleeper, "a").increment();
    await clock.advance("15s");
    expect(phase()).toBe("hibernated");
    const results = await Promise.all([
      runtime.get(Sleeper, "a").increment(),
      runtime.get(Sleeper, "a").look(),
      runtime.get(Sleeper, "a", { idempotencyKey: "k" }).increment(),
      runtime.get(Sleeper, "a").increment(),
    ]);
    expect(results).toEqual([2, { count: 1, tags: ["a"] }, 3, 4]);
    await clock.advance("15s");
    await runtime.deactivate(Sleeper, "a");
    expect(phase()).toBeNull();
    expect(phases.map(({ from, to }) => `${from} → ${to}`)).toEqual([
      "activating → active",
      "active → hibernated",
      "hibernated → active",
      "active → hibernated",
      "hibernated → active",
      "active → deactivating",
      "deactivating → gone",
    ]);
    expect(store.loads).toBe(1);
  });

  test("an object that was never written hibernates and wakes with its defaults", async () => {
    const { clock, sleeper, phase } = await startSleepers(stores);
    expect(await sleeper.get()).toEqual({ count: 0, tags: ["a"] });
    await clock.advance("15s");
    expect(phase()).toBe("hibernated");
    expect(await sleeper.get()).toEqual({ count: 0, tags: ["a"] });
    await clock.advance("15s");
    expect(await sleeper.increment()).toBe(1);
  });

  test("it leaves memory after shutdownAfter, and is there again with the next call", async () => {
    const { clock, store, sleeper, phase, runtime } = await startSleepers(stores);
    await sleeper.increment();
    await clock.advance("59s");
    expect(phase()).toBe("hibernated");
    await clock.advance("4s");
    expect(phase()).toBeNull();
    expect(runtime.activeCount).toBe(0);
    expect(await sleeper.increment()).toBe(2);
    expect(store.loads).toBe(2);
    expect(store.sent).toHaveLength(2);
  });

  test("every call, whatever comes of it, makes the object stay", async () => {
    const { clock, runtime, phase, sleeper } = await startSleepers(stores);
    await sleeper.increment();
    for (let round = 0; round < 12; round++) {
      await clock.advance("6s");
      expect(phase()).toBe("active");
      if (round % 3 === 0) await sleeper.look();
      else if (round % 3 === 1) await sleeper.refuse();
      else await runtime.activate(Sleeper, "a");
    }
    await clock.advance("13s");
    expect(phase()).toBe("hibernated");
  });

  test("idle time counts from the end of the last turn", async () => {
    const { clock, phase, sleeper } = await startSleepers(stores);
    gates.set("long", gate());
    const work = sleeper.work("long");
    await clock.advance("5m");
    expect(phase()).toBe("active");
    gates.get("long")?.open();
    await work;
    await clock.advance("8s");
    expect(phase()).toBe("active");
    await clock.advance("50s");
    expect(phase()).toBe("hibernated");
    await clock.advance("5s");
    expect(phase()).toBeNull();
  });

  test("nothing leaves or sleeps with a turn running, a call queued, a read running, or a commit under way", async () => {
    const { clock, store, runtime, phase, sleeper } = await startSleepers(stores);
    await sleeper.increment();
    gates.set("turn", gate());
    gates.set("read", gate());
    const running = sleeper.work("turn");
    const queued = sleeper.increment();
    await clock.advance("10m");
    expect(phase()).toBe("active");
    const reading = sleeper.lookLong("read");
    gates.get("turn")?.open();
    expect([await running, await queued]).toEqual([1, 3]);
    await clock.advance("10m");
    expect(phase()).toBe("active");
    gates.get("read")?.open();
    await reading;
    const held = store.holdNextCommit();
    const writing = sleeper.increment();
    await held.reached;
    await clock.advance("10m");
    expect(phase()).toBe("active");
    held.release();
    expect(await writing).toBe(4);
    await clock.advance("10m");
    expect(phase()).toBeNull();
    expect(runtime.activeCount).toBe(0);
  });

  test("never is never, for both", async () => {
    const Awake = defineObject({
      type: "awake",
      state: {},
      hibernateAfter: "never",
      shutdownAfter: "never",
      handlers: { touch: () => noreply() },
    });
    const clock = new FakeClock();
    const runtime = await start({
      objects: [Awake, Sleeper],
      store: (await stores.create()).open(),
      environment: clock.environment,
    });
    await runtime.get(Awake, "a").touch();
    await runtime.get(Sleeper, "a").get();
    await clock.advance("3h");
    expect(runtime.locate(Awake, "a")?.phase).toBe("active");
    expect(runtime.locate(Sleeper, "a")).toBeNull();
  });

  test("the defaults: hibernate after 5 minutes, stay in memory", async () => {
    expect([Counter.hibernateAfterMs, Counter.shutdownAfterMs]).toEqual([300_000, Infinity]);
    const { clock, runtime } = await startSleepers(stores);
    await runtime.get(Counter, "a").increment();
    await clock.advance("4m");
    expect(runtime.locate(Counter, "a")?.phase).toBe("active");
    await clock.advance("2m");
    expect(runtime.locate(Counter, "a")?.phase).toBe("hibernated");
    await clock.advance("12h");
    expect(runtime.locate(Counter, "a")?.phase).toBe("hibernated");
    expect(await runtime.get(Counter, "a").increment()).toBe(2);
  });

  test("maxActive: the least recently used idle objects leave, and lose nothing", async () => {
    const { clock, runtime } = await startSleepers(stores, { maxActive: 10 });
    for (let id = 0; id < 10; id++) {
      await runtime.get(Counter, `${id}`).increment();
      await clock.advance(1);
    }
    await runtime.get(Counter, "0").increment();
    expect(runtime.activeCount).toBe(10);
    await runtime.get(Counter, "new").increment();
    expect(runtime.activeCount).toBeLessThanOrEqual(10);
    const located = Array.from({ length: 10 }, (_, id) => runtime.locate(Counter, `${id}`) !== null);
    expect(located[0]).toBe(true);
    expect(located[1]).toBe(false);
    expect(located.slice(5)).toEqual([true, true, true, true, true]);
    expect(await runtime.get(Counter, "1").get()).toBe(1);
    expect(await runtime.get(Counter, "0").get()).toBe(2);
  });

  test("maxActive: what is busy stays, and the table shrinks again when it is not", async () => {
    const busy = gate();
    const BusyCounter = defineCounter({ busy });
    const clock = new FakeClock();
    const runtime = await start({
      objects: [BusyCounter],
      store: (await stores.create()).open(),
      environment: clock.environment,
      maxActive: 5,
    });
    const ids = Array.from({ length: 20 }, (_, id) => `${id}`);
    const calls = ids.map((id) => runtime.get(BusyCounter, id).incrementSlowly("busy"));
    await settled();
    expect(runtime.activeCount).toBe(20);
    busy.open();
    expect(await Promise.all(calls)).toEqual(ids.map(() => 1));
    await runtime.get(BusyCounter, "one more").increment();
    expect(runtime.activeCount).toBeLessThanOrEqual(5);
    const counts = [];
    for (const id of ids) counts.push(await runtime.get(BusyCounter, id).get());
    expect(counts).toEqual(ids.map(() => 1));
  });

  test("10,000 idle objects have one timer between them", async () => {
    const { clock, runtime } = await startSleepers(stores);
    const before = clock.timers;
    await Promise.all(Array.from({ length: 10_000 }, (_, id) => runtime.get(Sleeper, `${id}`).look()));
    // One for the sweep, and one that is left of the deadlines.
    expect(clock.timers).toBeLessThanOrEqual(before + 1);
    await clock.advance("15s");
    expect(runtime.locate(Sleeper, "9999")?.phase).toBe("hibernated");
    await clock.advance("60s");
    expect(runtime.activeCount).toBe(0);
  });

  test("expired records and old tombstones are swept, in time; whoever lives on a tombstone still writes", async () => {
    const { clock, store, runtime } = await startSleepers(stores);
    const counter = runtime.get(Counter, "a");
    await runtime.get(Counter, "a", { idempotencyKey: "k" }).increment();
    await runtime.get(Counter, "b", { idempotencyKey: "k" }).increment();
    await runtime.delete(Counter, "a");
    expect(await counter.get()).toBe(0);
    await clock.advance("23h");
    expect(store.forgotten).toBe(0);
    await clock.advance("1h");
    // The tombstone of a, and the record of b: that of a went with it. A sweep asks the real file system.
    await vi.waitFor(
      async () => {
        await clock.advance("20m");
        expect(store.forgotten).toBe(2);
      },
      { timeout: 15_000 },
    );
    expect(await counter.increment()).toBe(1);
    expect(await counter.increment()).toBe(2);
    expect(store.applied.at(-1)?.writes[0]?.state).toBe('{"count":2}');
  });

  // How many a statement takes is the store's and tested with it; a day of virtual time is long with a server.
  test.skipIf(stores.name === "postgres")("more records than one sweep takes are swept soon", async () => {
    const { clock, store, runtime } = await startSleepers(stores);
    const many = 2_500;
    const keys = Array.from({ length: many }, (_, number) => `${number}`);
    await Promise.all(
      keys.map((idempotencyKey) =>
        runtime.get(Counter, `${Number(idempotencyKey) % 100}`, { idempotencyKey }).increment(),
      ),
    );
    await clock.advance("24h");
    // The sweep that finds them begins within an hour. Then a thousand at a time, with a rest that calls may use.
    await vi.waitFor(
      async () => {
        if (store.forgotten === 0) await clock.advance("10m");
        expect(store.forgotten).toBeGreaterThan(0);
      },
      { timeout: 15_000 },
    );
    await vi.waitFor(
      async () => {
        await clock.advance("100ms");
        expect(store.forgotten).toBe(many);
      },
      { timeout: 15_000 },
    );
  });
});
