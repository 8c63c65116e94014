/** stop(): no new calls, turns finish, commits land, ownership is given away; within a deadline. */

import { expect, test } from "vitest";
import { createRuntime, defineObject, destroy, noreply, read, reply, type Stub } from "../../src/index.ts";
import { Counter, defineCounter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate } from "../support/gate.ts";
import { codeOf, errorOf, watch } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

async function startSlow(stores: TestStores, stopTimeout: "10s" | 0 = "10s") {
  const slow = gate();
  const SlowCounter = defineCounter({ slow });
  const clock = new FakeClock();
  const disk = await stores.create();
  const store = new FaultyStore(disk.open());
  const runtime = await start({ objects: [SlowCounter], store, environment: clock.environment, stopTimeout });
  return { slow, SlowCounter, clock, disk, store, runtime };
}

onEveryStore("stop", (stores) => {
  test("new calls are refused at once, those that were taken are finished and durable", async () => {
    const { slow, SlowCounter, disk, runtime } = await startSlow(stores);
    const counter = runtime.get(SlowCounter, "a");
    const taken = [counter.incrementSlowly("slow"), counter.increment(), counter.get()];
    await settled();
    const stopping = runtime.stop();
    const refused = await errorOf(counter.increment());
    expect(refused).toMatchObject({ code: "RUNTIME_STOPPED", outcome: "not-applied", retryable: true });
    expect(await codeOf(runtime.get(SlowCounter, "new").look())).toBe("RUNTIME_STOPPED");
    expect(await codeOf(runtime.activate(SlowCounter, "new"))).toBe("RUNTIME_STOPPED");
    expect(watch(stopping).settled).toBe(false);
    slow.open();
    expect(await Promise.all(taken)).toEqual([1, 2, 2]);
    await stopping;
    expect(runtime.activeCount).toBe(0);
    const again = await start({ objects: [SlowCounter], store: disk.open() });
    expect(await again.get(SlowCounter, "a").get()).toBe(2);
  });

  test("calls that running turns make still go through, also to objects that are not in memory", async () => {
    const go = gate();
    const Caller = defineObject({
      type: "caller",
      state: { sum: 0 },
      handlers: {
        collect: async ({ state, get }, ids: readonly string[]) => {
          await go.passed;
          let { sum } = state;
          for (const id of ids) sum += await get(Counter, id).increment();
          return reply(sum, { sum });
        },
      },
    });
    const disk = await stores.create();
    const runtime = await start({ objects: [Caller, Counter], store: disk.open() });
    await runtime.get(Counter, "x").increment(10);
    const collecting = runtime.get(Caller, "c").collect(["x", "y", "x", "z"]);
    await settled();
    const stopping = runtime.stop();
    await settled();
    go.open();
    expect(await collecting).toBe(11 + 1 + 12 + 1);
    await stopping;
    const again = await start({ objects: [Caller, Counter], store: disk.open() });
    expect(await again.get(Counter, "x").get()).toBe(12);
    expect(await again.peek(Caller, "c")).toEqual({ sum: 25 });
  });

  test("calls that a turn makes when it is over are refused like any other", async () => {
    const kept: { stub: Stub<typeof Counter> | null } = { stub: null };
    const go = gate();
    const Leaky = defineObject({
      type: "leaky",
      state: {},
      handlers: {
        leak: async ({ get }) => {
          kept.stub = get(Counter, "x");
          return noreply();
        },
        wait: async () => {
          await go.passed;
          return noreply();
        },
      },
    });
    const runtime = await start({ objects: [Leaky, Counter], store: (await stores.create()).open() });
    await runtime.get(Leaky, "l").leak();
    const waiting = runtime.get(Leaky, "m").wait();
    await settled();
    const stopping = runtime.stop();
    expect(await codeOf(kept.stub!.increment())).toBe("RUNTIME_STOPPED");
    go.open();
    await Promise.all([waiting, stopping]);
  });

  test("a read that runs, an activation and a commit under way are waited for", async () => {
    const { slow, SlowCounter, store, runtime, disk } = await startSlow(stores);
    const Reader = defineObject({
      type: "reader",
      state: { count: 0 },
      handlers: {
        look: read(async ({ state }) => {
          await slow.passed;
          return reply(state.count);
        }),
      },
    });
    await runtime.get(SlowCounter, "a").increment();
    const held = store.holdNextCommit();
    const writing = runtime.get(SlowCounter, "a").increment();
    await held.reached;
    const release = store.holdLoads();
    const loading = runtime.get(SlowCounter, "cold").increment();
    await settled();
    const stopping = runtime.stop();
    const watched = watch(stopping);
    await settled();
    release();
    await settled();
    expect(watched.settled).toBe(false);
    held.release();
    expect([await writing, await loading]).toEqual([2, 1]);
    await stopping;
    const other = await start({ objects: [Reader], store: disk.open() });
    const looking = other.get(Reader, "r").look();
    await settled();
    const stoppingOther = other.stop();
    slow.open();
    expect(await looking).toBe(0);
    await stoppingOther;
  });

  test("at the deadline what still runs is rejected, its outcome is certain, and nothing of it is kept", async () => {
    const { slow, SlowCounter, clock, disk, runtime } = await startSlow(stores);
    await runtime.get(SlowCounter, "a").increment(5);
    const signals: AbortSignal[] = [];
    const stub = runtime.get(SlowCounter, "a", { timeout: "never" });
    const running = errorOf(stub.incrementSlowly("slow"));
    const waiting = errorOf(stub.increment());
    await settled();
    const stopping = runtime.stop();
    await clock.advance("9s");
    expect(watch(stopping).settled).toBe(false);
    await clock.advance("2s");
    expect(await running).toMatchObject({ code: "RUNTIME_STOPPED", outcome: "not-applied" });
    expect(await waiting).toMatchObject({ code: "RUNTIME_STOPPED", outcome: "not-applied" });
    await stopping;
    slow.open();
    await settled();
    const again = await start({ objects: [SlowCounter], store: disk.open() });
    expect(await again.get(SlowCounter, "a").get()).toBe(5);
    expect(signals).toEqual([]);
  });

  test("a commit that is under way at the deadline is COMMIT_UNKNOWN; its late answer disturbs nobody", async () => {
    for (const what of ["increment", "vanish", "stale"] as const) {
      const { SlowCounter, clock, store, runtime } = await startSlow(stores);
      await runtime.get(SlowCounter, "a").increment();
      const held = store.holdNextCommit("after");
      if (what === "stale") await store.changeByStranger({ tenant: "", type: "counter", id: "a" }, { count: 9 });
      const stub = runtime.get(SlowCounter, "a", { timeout: "never" });
      const call = errorOf(what === "vanish" ? stub.vanish() : stub.increment());
      await held.reached;
      const gathered = errorOf(runtime.get(SlowCounter, "b", { timeout: "never" }).increment());
      await settled();
      const stopping = runtime.stop();
      await clock.advance("11s");
      expect(await call, what).toMatchObject({ code: "COMMIT_UNKNOWN", outcome: "unknown" });
      // That one was never sent.
      expect(await gathered, what).toMatchObject({ code: "RUNTIME_STOPPED", outcome: "not-applied" });
      await stopping;
      held.release();
      await settled();
      expect(store.sent).toHaveLength(2);
      expect(await codeOf(runtime.get(SlowCounter, "a").get()), what).toBe("RUNTIME_STOPPED");
    }
  });

  test("calling it again waits for the same end, and `await using` stops", async () => {
    const { slow, SlowCounter, runtime, disk } = await startSlow(stores);
    const running = runtime.get(SlowCounter, "a").incrementSlowly("slow");
    await settled();
    const both = [runtime.stop(), runtime.stop()];
    slow.open();
    await Promise.all([...both, running]);
    await runtime.stop();
    let node: string;
    {
      await using using1 = await createRuntime({ objects: [Counter], store: disk.open() });
      expect(await using1.get(Counter, "a").increment()).toBe(2);
      node = using1.node;
    }
    const again = await start({ objects: [Counter], store: disk.open() });
    expect(again.node).not.toBe(node);
    expect(await again.get(Counter, "a").get()).toBe(2);
  });

  test("a stopped runtime answers everything with RUNTIME_STOPPED, and arms no timer", async () => {
    const { SlowCounter, clock, runtime } = await startSlow(stores);
    await runtime.get(SlowCounter, "a").increment();
    await runtime.stop();
    const counter = runtime.get(SlowCounter, "a");
    const calls = [
      () => counter.increment(),
      () => counter.look(),
      () => counter.alarms.schedule("ring", "1h"),
      () => counter.alarms.list(),
      () => runtime.activate(SlowCounter, "a"),
      () => runtime.delete(SlowCounter, "a"),
      () => runtime.peek(SlowCounter, "a"),
      () => runtime.list(SlowCounter),
      () => runtime.call("counter", "a", "get", []),
    ];
    expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => "RUNTIME_STOPPED"));
    expect(await codeOf(runtime.deactivate(SlowCounter, "a"))).toBe("ok");
    expect(runtime.locate(SlowCounter, "a")).toBeNull();
    expect(clock.timers).toBe(0);
  });

  test("objects in every phase leave: hibernated, on their way out, destroyed, never written", async () => {
    const Brief = defineObject({
      type: "brief",
      state: { count: 0 },
      hibernateAfter: 100,
      handlers: {
        increment: ({ state }) => reply(state.count + 1, { count: state.count + 1 }),
        vanish: ({ state }) => noreply(state, destroy()),
        look: ({ state }) => reply(state.count),
      },
    });
    const clock = new FakeClock();
    const disk = await stores.create();
    const runtime = await start({ objects: [Brief], store: disk.open(), environment: clock.environment });
    await runtime.get(Brief, "asleep").increment();
    await clock.advance(200);
    expect(runtime.locate(Brief, "asleep")?.phase).toBe("hibernated");
    await runtime.get(Brief, "doomed").increment();
    const calls = [
      runtime.get(Brief, "doomed").vanish(),
      runtime.deactivate(Brief, "asleep"),
      runtime.get(Brief, "fresh").look(),
    ];
    await runtime.stop();
    await Promise.all(calls);
    const again = await start({ objects: [Brief], store: disk.open() });
    expect((await again.list(Brief)).objects.map(({ id }) => id)).toEqual(["asleep"]);
  });
});
