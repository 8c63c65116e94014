/**
 * Promise 5: a failed commit rolls back to the last committed state, and the turns that had run on top of
 * it fail with it. One bad object never fails the others in its batch.
 */

import { expect, test } from "vitest";
import { defineObject, destroy, noreply, reply } from "../../src/index.ts";
import { Counter, defineCounter } from "../support/counter.ts";
import { settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate } from "../support/gate.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

async function startCounters(stores: TestStores, objects = [Counter]) {
  const store = new FaultyStore((await stores.create()).open());
  const runtime = await start({ objects, store });
  await Promise.all([runtime.get(Counter, "warm").increment(), runtime.get(Counter, "warm").get()]);
  return { store, runtime };
}

onEveryStore("rollback", (stores) => {
  test("one object that the store refuses fails alone while 100 others in its batch succeed", async () => {
    const { store, runtime } = await startCounters(stores);
    store.poison("bad");
    const ids = Array.from({ length: 101 }, (_, index) => (index === 63 ? "bad" : `good-${index}`));
    await Promise.all(ids.map((id) => runtime.activate(Counter, id)));
    const before = store.sent.length;
    const codes = await Promise.all(ids.map((id) => codeOf(runtime.get(Counter, id).increment())));
    expect(store.sent[before]?.writes).toHaveLength(101);
    expect(codes.filter((code) => code === "ok")).toHaveLength(100);
    expect(codes[63]).toBe("COMMIT_FAILED");
    const after = await Promise.all(ids.map((id) => runtime.get(Counter, id).get()));
    expect(after).toEqual(ids.map((id) => (id === "bad" ? 0 : 1)));
    expect(await runtime.peek(Counter, "bad")).toBeNull();
    store.heal("bad");
    expect(await runtime.get(Counter, "bad").increment()).toBe(1);
  });

  test("half of a batch may be bad, and the other half is durable", async () => {
    const { store, runtime } = await startCounters(stores);
    const ids = Array.from({ length: 40 }, (_, index) => `id-${index}`);
    const isBad = (id: string): boolean => Number(id.slice(3)) % 2 === 1;
    await Promise.all(ids.map((id) => runtime.activate(Counter, id)));
    for (const id of ids) if (isBad(id)) store.poison(id);
    const codes = await Promise.all(ids.map((id) => codeOf(runtime.get(Counter, id).increment())));
    expect(codes).toEqual(ids.map((id) => (isBad(id) ? "COMMIT_FAILED" : "ok")));
    const states = await Promise.all(ids.map((id) => runtime.peek(Counter, id)));
    expect(states).toEqual(ids.map((id) => (isBad(id) ? null : { count: 1 })));
  });

  test("the error of a refused commit says that nothing was applied and that the same will fail again", async () => {
    const { store, runtime } = await startCounters(stores);
    store.failNextCommit("refused", { message: "no such encoding" });
    const error = await errorOf(runtime.get(Counter, "a").increment());
    expect(error).toMatchObject({ code: "COMMIT_FAILED", outcome: "not-applied", retryable: false });
    expect(error.message).toContain("counter/a");
    expect(error.message).toContain("no such encoding");
    expect(error.cause).toBeInstanceOf(Error);
  });

  test("the state is back, and so is everything that was built on the lost one", async () => {
    const { store, runtime } = await startCounters(stores);
    const counter = runtime.get(Counter, "a");
    await counter.increment(10);
    const held = store.holdNextCommit("before", "refused");
    const first = errorOf(counter.increment());
    await held.reached;
    // These run on the state that will be lost; the last two change nothing of it.
    const built = [counter.increment(), counter.increment(), counter.get(), counter.increment(0)].map(errorOf);
    await settled();
    held.release();
    expect(await first).toMatchObject({ code: "COMMIT_FAILED", outcome: "not-applied" });
    for (const error of await Promise.all(built)) {
      expect(error).toMatchObject({ code: "COMMIT_FAILED", outcome: "not-applied", retryable: true });
      expect(error.cause).toBe(await first);
    }
    expect(await counter.get()).toBe(10);
    expect(await counter.increment()).toBe(11);
    expect(await runtime.peek(Counter, "a")).toEqual({ count: 11 });
  });

  test("a handler that failed on the lost state shares its fate: its reason is not told", async () => {
    const { store, runtime } = await startCounters(stores);
    const counter = runtime.get(Counter, "a");
    await codeOf(counter.refuse());
    await counter.increment();
    const held = store.holdNextCommit("before", "full");
    const first = codeOf(counter.increment());
    await held.reached;
    const refusal = codeOf(counter.refuse());
    await settled();
    held.release();
    expect(await first).toBe("STORE_FULL");
    expect(await refusal).toBe("COMMIT_FAILED");
    expect(await codeOf(counter.refuse())).toBe("HANDLER_FAILED");
  });

  test("calls that wait are not touched: they run on the state that is back", async () => {
    const slow = gate();
    const SlowCounter = defineCounter({ slow });
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [SlowCounter], store });
    const counter = runtime.get(SlowCounter, "a");
    await counter.increment(5);
    const held = store.holdNextCommit("before", "refused");
    const lost = codeOf(counter.increment(100));
    const waiting = [counter.incrementSlowly("slow"), counter.increment(), counter.get()];
    await held.reached;
    slow.open();
    held.release();
    expect(await lost).toBe("COMMIT_FAILED");
    expect(await Promise.all(waiting)).toEqual([6, 7, 7]);
  });

  test("a full store rejects what is new with STORE_FULL, reads go on, and later it works again", async () => {
    const { store, runtime } = await startCounters(stores);
    await runtime.get(Counter, "a").increment();
    // Live already, so that they share the commit.
    for (const id of ["b", "c"]) await runtime.activate(Counter, id);
    store.failNextCommit("full");
    const calls = ["a", "b", "c"].map((id) => errorOf(runtime.get(Counter, id).increment()));
    for (const error of await Promise.all(calls)) {
      expect(error).toMatchObject({ code: "STORE_FULL", outcome: "not-applied", retryable: true });
    }
    expect(await runtime.get(Counter, "a").get()).toBe(1);
    expect(await runtime.get(Counter, "a").increment()).toBe(2);
    expect(await runtime.get(Counter, "b").increment()).toBe(1);
  });

  test("alarms that were set on top of a lost state are not set", async () => {
    const { store, runtime } = await startCounters(stores);
    const counter = runtime.get(Counter, "a");
    await counter.increment();
    await counter.countAndRemind(1_000);
    await counter.alarms.cancelAll();
    const held = store.holdNextCommit("before", "refused");
    const first = codeOf(counter.increment());
    await held.reached;
    const second = codeOf(counter.countAndRemind(1_000));
    const third = codeOf(counter.alarms.schedule("chime", "1h"));
    await settled();
    held.release();
    expect([await first, await second, await third]).toEqual(["COMMIT_FAILED", "COMMIT_FAILED", "COMMIT_FAILED"]);
    expect(await counter.alarms.list()).toEqual([]);
    expect(await counter.get()).toBe(2);
  });

  test("a destruction that could not be committed has not happened, and calls behind it see the object", async () => {
    const { store, runtime } = await startCounters(stores);
    const counter = runtime.get(Counter, "a");
    await counter.increment(5);
    await counter.alarms.schedule("ring", "1h");
    store.failNextCommit("refused");
    const gone = codeOf(counter.vanish());
    const behind = counter.increment();
    expect(await gone).toBe("COMMIT_FAILED");
    expect(await behind).toBe(6);
    expect((await counter.alarms.list()).map(({ name }) => name)).toEqual(["ring"]);
    expect(runtime.locate(Counter, "a")?.phase).toBe("active");
  });

  test("a commit of afterLoad that fails fails the activation; nothing ran, and the next call tries again", async () => {
    let ran = 0;
    const Fragile = defineObject({
      type: "fragile",
      state: { loads: 0 },
      afterLoad: ({ state }) => noreply({ loads: state.loads + 1 }),
      handlers: {
        loads: ({ state }) => {
          ran += 1;
          return reply(state.loads);
        },
      },
    });
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Fragile], store });
    store.failNextCommit("refused");
    const calls = [runtime.get(Fragile, "a").loads(), runtime.get(Fragile, "a").loads()].map(codeOf);
    expect(await Promise.all(calls)).toEqual(["COMMIT_FAILED", "COMMIT_FAILED"]);
    expect(ran).toBe(0);
    expect(runtime.locate(Fragile, "a")).toBeNull();
    expect(await runtime.get(Fragile, "a").loads()).toBe(1);
  });

  test("so does a destruction by afterLoad: no call runs on what it wanted to destroy", async () => {
    const seen: number[] = [];
    let expired = false;
    const Lease = defineObject({
      type: "lease",
      state: { count: 0 },
      afterLoad: ({ state }) => (expired ? noreply(state, destroy()) : noreply()),
      handlers: {
        use: ({ state }) => {
          seen.push(state.count);
          return reply(state.count, { count: state.count + 1 });
        },
      },
    });
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Lease], store });
    await runtime.get(Lease, "a").use();
    await runtime.deactivate(Lease, "a");
    expired = true;
    store.failNextCommit("refused");
    expect(await codeOf(runtime.get(Lease, "a").use())).toBe("COMMIT_FAILED");
    expect(seen).toEqual([0]);
    // Now the destruction lands, and the call meets a fresh object.
    expect(await runtime.get(Lease, "a").use()).toBe(0);
    expired = false;
    await runtime.deactivate(Lease, "a");
    expect(await runtime.get(Lease, "a").use()).toBe(1);
  });
});
