/** Promise 1: for one address there is at most one live copy, however many calls arrive at once. */

import { expect, test } from "vitest";
import { defineObject, noreply, reply } from "../../src/index.ts";
import { Counter, defineCounter } from "../support/counter.ts";
import { settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate } from "../support/gate.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start } from "../support/stores.ts";

onEveryStore("one live copy", (stores) => {
  test("500 new ids × 16 simultaneous first calls: no error, one activation each", async () => {
    const activations = new Map<string, number>();
    const Probe = defineObject({
      type: "probe",
      state: { count: 0 },
      afterLoad: ({ id }) => {
        activations.set(id, (activations.get(id) ?? 0) + 1);
        return noreply();
      },
      handlers: { increment: ({ state }) => reply(state.count + 1, { count: state.count + 1 }) },
    });
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Probe], store });
    const ids = Array.from({ length: 500 }, (_, index) => `id-${index}`);
    const calls: Promise<number>[] = [];
    for (let round = 0; round < 16; round++) {
      for (const id of ids) calls.push(runtime.get(Probe, id).increment());
    }
    const results = await Promise.all(calls);
    expect(results).toEqual(calls.map((_, index) => Math.floor(index / 500) + 1));
    expect(activations.size).toBe(500);
    expect(new Set(activations.values())).toEqual(new Set([1]));
    expect(runtime.activeCount).toBe(500);
    expect(store.loads).toBeLessThanOrEqual(2);
  });

  test("first calls that arrive while the object is being loaded share its activation", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store });
    const release = store.holdLoads();
    const first = runtime.get(Counter, "a").increment();
    await settled();
    expect(runtime.locate(Counter, "a")).toEqual({ node: runtime.node, epoch: 1, phase: "activating" });
    const others = [runtime.get(Counter, "a").increment(), runtime.get(Counter, "a").increment()];
    await settled();
    release();
    expect(await Promise.all([first, ...others])).toEqual([1, 2, 3]);
    expect(store.loads).toBe(1);
  });

  test("a call that meets the object on its way out waits for the next activation and does not fail", async () => {
    const leaving = gate();
    const SlowCounter = defineCounter({ leaving });
    const runtime = await start({ objects: [SlowCounter], store: (await stores.create()).open() });
    const counter = runtime.get(SlowCounter, "a");
    const before = counter.incrementSlowly("leaving");
    const left = runtime.deactivate(SlowCounter, "a");
    const after = [counter.increment(), counter.get(), counter.increment()];
    await settled();
    leaving.open();
    expect(await before).toBe(1);
    await left;
    expect(await Promise.all(after)).toEqual([2, 2, 3]);
  });

  test("calls and deactivations in any mixture lose nothing and never fail", async () => {
    const runtime = await start({ objects: [Counter], store: (await stores.create()).open() });
    const calls: Promise<unknown>[] = [];
    for (let round = 0; round < 200; round++) {
      calls.push(runtime.get(Counter, "a").increment());
      if (round % 3 === 0) calls.push(runtime.deactivate(Counter, "a"));
      if (round % 7 === 0) await settled();
    }
    await Promise.all(calls);
    expect(await runtime.get(Counter, "a").get()).toBe(200);
    expect((await runtime.list(Counter)).objects.map(({ id }) => id)).toEqual(["a"]);
  });

  test("the same id under two tenants, and under two types, are different objects", async () => {
    const Other = defineObject({
      type: "other",
      state: { count: 100 },
      handlers: { increment: ({ state }) => reply(state.count + 1, { count: state.count + 1 }) },
    });
    const disk = await stores.create();
    const runtime = await start({ objects: [Counter, Other], store: disk.open() });
    await runtime.get(Counter, "a", { tenant: "ta" }).increment();
    await runtime.get(Counter, "a", { tenant: "ta" }).increment();
    expect(await runtime.get(Counter, "a", { tenant: "tb" }).increment()).toBe(1);
    expect(await runtime.get(Counter, "a").increment(7)).toBe(7);
    expect(await runtime.get(Other, "a").increment()).toBe(101);
    await runtime.stop();
    const again = await start({ objects: [Counter, Other], store: disk.open() });
    expect(await again.get(Counter, "a", { tenant: "ta" }).get()).toBe(2);
    expect(await again.get(Counter, "a", { tenant: "tb" }).get()).toBe(1);
    expect(await again.get(Counter, "a").get()).toBe(7);
  });

  test("a second runtime on the same store is refused while the first one owns it", async () => {
    const disk = await stores.create();
    const first = await start({ objects: [Counter], store: disk.open() });
    const refused = await errorOf(start({ objects: [Counter], store: disk.open() }));
    expect(refused).toMatchObject({ code: "STORE_LOCKED", retryable: true, outcome: "not-applied" });
    expect(await first.get(Counter, "a").increment()).toBe(1);
    await first.stop();
    const second = await start({ objects: [Counter], store: disk.open() });
    expect(await second.get(Counter, "a").increment()).toBe(2);
    expect(second.node).not.toBe(first.node);
  });

  test("an owner that was replaced answers nobody any more, not even from memory", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store });
    const counter = runtime.get(Counter, "a");
    await counter.increment();
    await runtime.get(Counter, "b").increment();
    store.failNextCommit("lost");
    const lost = await errorOf(counter.increment());
    expect(lost).toMatchObject({ code: "STORE_TAKEN_OVER", outcome: "not-applied", retryable: false });
    expect(lost.address).toEqual({ tenant: "", type: "counter", id: "a" });
    expect(await codeOf(counter.look())).toBe("STORE_TAKEN_OVER");
    expect(await codeOf(runtime.get(Counter, "b").get())).toBe("STORE_TAKEN_OVER");
    expect(await codeOf(runtime.get(Counter, "new").increment())).toBe("STORE_TAKEN_OVER");
    expect(runtime.activeCount).toBe(0);
    expect(store.sent.length).toBe(3);
  });

  test("whoever meets another revision in the store drops what it has in memory and loads afresh", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store });
    const counter = runtime.get(Counter, "a");
    await counter.increment();
    await store.changeByStranger({ tenant: "", type: "counter", id: "a" }, { count: 50 });
    const stale = await errorOf(counter.increment());
    expect(stale).toMatchObject({ code: "STALE_REVISION", outcome: "not-applied", retryable: true });
    expect(await counter.increment()).toBe(51);
  });

  test("calls that wait behind one that meets another revision go on at the next activation", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const slow = gate();
    const SlowCounter = defineCounter({ slow });
    const runtime = await start({ objects: [SlowCounter], store });
    const counter = runtime.get(SlowCounter, "a");
    await counter.increment();
    await store.changeByStranger({ tenant: "", type: "counter", id: "a" }, { count: 50 });
    const first = codeOf(counter.increment());
    // An async handler waits until what is before it is durable.
    const waiting = counter.incrementSlowly("slow");
    slow.open();
    expect(await first).toBe("STALE_REVISION");
    expect(await waiting).toBe(51);
  });

  test("a stale object takes no other object of its batch with it", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store });
    await Promise.all(["a", "b", "c"].map((id) => runtime.get(Counter, id).increment()));
    await store.changeByStranger({ tenant: "", type: "counter", id: "b" }, { count: 50 });
    const codes = await Promise.all(["a", "b", "c"].map((id) => codeOf(runtime.get(Counter, id).increment())));
    expect(codes).toEqual(["ok", "STALE_REVISION", "ok"]);
    expect(await Promise.all(["a", "b", "c"].map((id) => runtime.peek(Counter, id)))).toEqual([
      { count: 2 },
      { count: 50 },
      { count: 2 },
    ]);
  });
});
