/**
 * What the Elixir library `durable_object` does with state and persistence, row by row (area STATE): the
 * same here, or what this library does instead; docs/decisions/0003-conformance-differences.md lists the
 * latter.
 */

import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { z } from "zod";
import { defineObject, noreply, reply } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { Counter } from "../support/counter.ts";
import { listen } from "../support/channels.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

const address = { tenant: "", type: "counter", id: "c" };

async function startCounters(stores: TestStores) {
  const clock = new FakeClock();
  const disk = await stores.create();
  const store = new FaultyStore(disk.open());
  const runtime = await start({ objects: [Counter], store, environment: clock.environment });
  const storedState = (): string | null | undefined => store.applied.at(-1)?.writes[0]?.state;
  return { clock, disk, store, runtime, counter: runtime.get(Counter, "c"), storedState };
}

onEveryStore("state", (stores) => {
  test("STATE-1 a new object is written with its first change, not before", async () => {
    const { store, runtime, counter } = await startCounters(stores);
    await runtime.activate(Counter, "c");
    expect(await counter.get()).toBe(0);
    expect([store.loads, store.sent.length]).toEqual([1, 0]);
    await counter.increment();
    expect(store.sent).toHaveLength(1);
  });

  test("STATE-2 a stored state is loaded", async () => {
    const { store, counter } = await startCounters(stores);
    await store.changeByStranger(address, { count: 42 });
    expect(await counter.get()).toBe(42);
  });

  test("STATE-3 the row is exactly the state as JSON", async () => {
    const { counter, storedState, disk } = await startCounters(stores);
    await counter.increment();
    await counter.increment();
    expect(storedState()).toBe('{"count":2}');
    if (disk.path === null) return;
    const database = new DatabaseSync(disk.path, { readOnly: true });
    expect(database.prepare("SELECT tenant, type, id, json(state) AS state FROM durable_objects").all()).toEqual([
      { ...address, state: '{"count":2}' },
    ]);
    database.close();
  });

  test("STATE-4 after a stop, the count goes on", async () => {
    const { runtime, counter, disk } = await startCounters(stores);
    await counter.increment(2);
    await runtime.deactivate(Counter, "c");
    expect(await counter.get()).toBe(2);
    await runtime.stop();
    const again = await start({ objects: [Counter], store: disk.open() });
    expect(await again.get(Counter, "c").get()).toBe(2);
    expect(await again.get(Counter, "c").increment()).toBe(3);
  });

  test("STATE-5 an equal state is not saved", async () => {
    const { store, counter } = await startCounters(stores);
    await counter.increment(5);
    expect(await counter.increment(0)).toBe(5);
    expect(await counter.get()).toBe(5);
    expect(store.sent).toHaveLength(1);
  });

  test("STATE-6 a failed save: an error with the cause, the old state, no alarm; the object lives", async () => {
    const { store, counter, runtime } = await startCounters(stores);
    await counter.increment();
    store.failNextCommit("refused", { message: "the disk said no" });
    const error = await errorOf(counter.countAndRemind(1_000));
    expect(error).toMatchObject({ code: "COMMIT_FAILED", outcome: "not-applied" });
    expect(error.cause).toMatchObject({ message: "the disk said no" });
    expect(await counter.get()).toBe(1);
    expect(await counter.alarms.list()).toEqual([]);
    expect(runtime.locate(Counter, "c")?.phase).toBe("active");
  });

  test("STATE-7 noreply with a state saves it", async () => {
    const { counter, storedState } = await startCounters(stores);
    await counter.increment(5);
    await counter.reset();
    expect(storedState()).toBe('{"count":0}');
  });

  test("STATE-8 what a handler puts is what is stored", async () => {
    const { counter, storedState } = await startCounters(stores);
    await counter.increment(99);
    expect(storedState()).toBe('{"count":99}');
  });

  test("STATE-9 a load that fails: LOAD_FAILED for the caller, and no activation is left", async () => {
    const { store, counter, runtime } = await startCounters(stores);
    store.failLoads("retry");
    const error = await errorOf(counter.get());
    expect(error).toMatchObject({ code: "LOAD_FAILED", retryable: true, address });
    expect(runtime.locate(Counter, "c")).toBeNull();
  });

  test("STATE-10 a first save that fails: COMMIT_FAILED, and nothing is stored", async () => {
    const { store, counter, runtime } = await startCounters(stores);
    store.failNextCommit("refused");
    expect(await codeOf(counter.increment())).toBe("COMMIT_FAILED");
    expect(await runtime.peek(Counter, "c")).toBeNull();
    expect(await counter.increment()).toBe(1);
  });

  test("STATE-11 activate rejects when the object could not be loaded", async () => {
    const { store, runtime } = await startCounters(stores);
    store.failLoads("retry");
    expect(await codeOf(runtime.activate(Counter, "c"))).toBe("LOAD_FAILED");
  });

  test("STATE-13 what is stored has the fields of the state, and nothing else", async () => {
    const { counter, storedState } = await startCounters(stores);
    await counter.increment();
    expect(Object.keys(JSON.parse(storedState()!) as object)).toEqual(["count"]);
  });

  test("STATE-14 three increments, a stop, and the state", async () => {
    const { counter, runtime } = await startCounters(stores);
    for (let call = 0; call < 3; call++) await counter.increment();
    await runtime.deactivate(Counter, "c");
    expect(await runtime.peek(Counter, "c")).toEqual({ count: 3 });
  });

  test("STATE-15 saving updates the row of this type and id, and its time", async () => {
    const { clock, counter, runtime } = await startCounters(stores);
    await counter.increment();
    const [first] = (await runtime.list(Counter)).objects;
    await clock.advance("1s");
    await counter.increment();
    const { objects } = await runtime.list(Counter);
    expect(objects).toHaveLength(1);
    expect(objects[0]?.createdAt).toEqual(first?.createdAt);
    expect(objects[0]?.updatedAt.getTime()).toBe(first!.updatedAt.getTime() + 1_000);
  });

  test("STATE-16 saved twice, the second state is loaded", async () => {
    const { counter, runtime } = await startCounters(stores);
    await counter.increment();
    await counter.increment();
    await runtime.deactivate(Counter, "c");
    expect(await counter.get()).toBe(2);
  });

  test("STATE-17 nothing saved is no error: null to peek, the defaults to a call", async () => {
    const { counter, runtime } = await startCounters(stores);
    expect(await runtime.peek(Counter, "c")).toBeNull();
    expect(await counter.get()).toBe(0);
  });

  test("STATE-18 delete, of what exists and of what does not; then nothing is there", async () => {
    const { counter, runtime } = await startCounters(stores);
    await runtime.delete(Counter, "c");
    await counter.increment();
    await runtime.delete(Counter, "c");
    await runtime.delete(Counter, "c");
    expect(await runtime.peek(Counter, "c")).toBeNull();
  });

  test("STATE-19 load, save and delete that fail: a code, the cause, and an event with the error", async () => {
    const { counter, runtime, store } = await startCounters(stores);
    const failures = ["load", "save", "delete"].map((what) =>
      listen<{ id: string; error: unknown }>(`tracing:durable-object:storage.${what}:error`),
    );
    store.failLoads("retry");
    expect((await errorOf(counter.get())).cause).toBeInstanceOf(Error);
    store.failLoads(null);
    store.failNextCommit("refused");
    expect((await errorOf(counter.increment())).cause).toBeInstanceOf(Error);
    await counter.increment();
    store.failNextCommit("refused");
    expect(await codeOf(runtime.delete(Counter, "c"))).toBe("COMMIT_FAILED");
    expect(failures.map((heard) => heard.map(({ id }) => id))).toEqual([["c"], ["c"], ["c"]]);
  });

  test("STATE-20 a blank type or id is refused before the store is asked", async () => {
    const { runtime, store } = await startCounters(stores);
    for (const id of ["", "   ", "\t\n"]) expect(await codeOf(() => runtime.get(Counter, id))).toBe("INVALID_ADDRESS");
    for (const type of ["", " "]) {
      expect(await codeOf(() => defineObject({ type, state: {}, handlers: {} }))).toBe("INVALID_DEFINITION");
    }
    expect(store.loads).toBe(0);
  });

  test("STATE-21 a state has a version, 1 unless the definition says another", async () => {
    const { counter, store } = await startCounters(stores);
    await counter.increment();
    expect(store.applied[0]?.writes[0]?.stateVersion).toBe(1);
  });

  test("STATE-22 the same shape before and after a reload", async () => {
    const Shaped = defineObject({
      type: "shaped",
      state: z.object({ at: z.coerce.date().default(new Date(0)), map: z.record(z.string(), z.number()).default({}) }),
      handlers: {
        set: ({ state }) => noreply({ ...state, at: new Date(5), map: { a: 1 } }),
        get: ({ state }) => reply([state.at instanceof Date, state.at.getTime(), state.map]),
      },
    });
    const runtime = await start({ objects: [Shaped], store: (await stores.create()).open() });
    await runtime.get(Shaped, "s").set();
    const before = await runtime.get(Shaped, "s").get();
    await runtime.deactivate(Shaped, "s");
    expect(await runtime.get(Shaped, "s").get()).toEqual(before);
    expect(before).toEqual([true, 5, { a: 1 }]);
  });

  test("STATE-23 a crash between handler and save: the row is as it was", async () => {
    const { counter, runtime, store, disk } = await startCounters(stores);
    await counter.increment();
    const held = store.holdNextCommit("before", "lost");
    const call = codeOf(counter.increment());
    await held.reached;
    expect(await runtime.peek(Counter, "c")).toEqual({ count: 1 });
    held.release();
    expect(await call).toBe("STORE_TAKEN_OVER");
    await runtime.stop();
    const again = await start({ objects: [Counter], store: disk.open() });
    expect(await again.get(Counter, "c").get()).toBe(1);
  });

  test("STATE-24 a state that is no JSON: INVALID_STATE that names the path, rolled back", async () => {
    const Free = defineObject({
      type: "free",
      state: { items: [1] },
      handlers: {
        spoil: ({ state }) => noreply({ items: [...state.items, (() => 1) as unknown as number] }),
        get: ({ state }) => reply(state.items),
      },
    });
    const runtime = await start({ objects: [Free], store: (await stores.create()).open() });
    const error = await errorOf(runtime.get(Free, "f").spoil());
    expect(error.code).toBe("INVALID_STATE");
    expect(error.message).toContain("state.items[1]");
    expect(await runtime.get(Free, "f").get()).toEqual([1]);
  });
});

test("STATE-12 memory() needs nothing and keeps nothing beyond the process", async () => {
  const runtime = await start({ objects: [Counter], store: memory() });
  expect(await runtime.get(Counter, "c").increment()).toBe(1);
});
