/**
 * What the Elixir library `durable_object` does with calls, row by row (area CALL): the same here, or what
 * this library does instead; docs/decisions/0003-conformance-differences.md lists the latter.
 */

import { expect, test } from "vitest";
import { defineObject, noreply, read, reply, type NoReply } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { Counter, defineCounter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate } from "../support/gate.ts";
import { codeOf, errorOf, watch } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

async function startCounters(stores: TestStores) {
  const slow = gate();
  const SlowCounter = defineCounter({ slow });
  const clock = new FakeClock();
  const disk = await stores.create();
  const store = new FaultyStore(disk.open());
  const runtime = await start({ objects: [SlowCounter], store, environment: clock.environment });
  return { slow, SlowCounter, clock, disk, store, runtime, counter: runtime.get(SlowCounter, "c") };
}

onEveryStore("calls", (stores) => {
  test("CALL-1 a call brings the object to life: located nowhere before, somewhere after", async () => {
    const { runtime, SlowCounter, counter } = await startCounters(stores);
    expect(runtime.locate(SlowCounter, "c")).toBeNull();
    expect(await counter.increment()).toBe(1);
    expect(runtime.locate(SlowCounter, "c")).toEqual({ node: runtime.node, epoch: 1, phase: "active" });
  });

  test("CALL-2 the state is kept between calls", async () => {
    const { counter } = await startCounters(stores);
    expect([await counter.increment(), await counter.increment(), await counter.increment()]).toEqual([1, 2, 3]);
    expect(await counter.get()).toBe(3);
  });

  test("CALL-3 arguments are positional, the context is first", async () => {
    const { counter } = await startCounters(stores);
    expect(await counter.increment(5)).toBe(5);
    expect(await counter.increment(10)).toBe(15);
  });

  test("CALL-4 noreply resolves undefined, and the state is saved", async () => {
    const { counter, runtime, SlowCounter } = await startCounters(stores);
    await counter.increment(10);
    expect(await runtime.call("counter", "c", "reset", [])).toBeUndefined();
    expect(await counter.get()).toBe(0);
    expect(await runtime.peek(SlowCounter, "c")).toEqual({ count: 0 });
  });

  test("CALL-5 reply is sent only after the save", async () => {
    const { store, counter } = await startCounters(stores);
    const held = store.holdNextCommit();
    const call = counter.increment();
    const watched = watch(call);
    await held.reached;
    await settled();
    expect(watched.settled).toBe(false);
    held.release();
    expect(await call).toBe(1);
  });

  test("CALL-6 reply without a state saves nothing, and keeps the object awake", async () => {
    const { store, clock, counter, runtime, SlowCounter } = await startCounters(stores);
    await counter.get();
    await clock.advance("4m");
    await counter.get();
    await clock.advance("4m");
    expect(runtime.locate(SlowCounter, "c")?.phase).toBe("active");
    expect(store.sent).toEqual([]);
  });

  test("CALL-7 fail passes the reason through, the state is unchanged, nothing is saved", async () => {
    const { store, counter } = await startCounters(stores);
    await counter.increment(2);
    expect(await errorOf(counter.refuse())).toMatchObject({ code: "HANDLER_FAILED", reason: { seen: 2 } });
    expect(await counter.get()).toBe(2);
    expect(store.sent).toHaveLength(1);
  });

  test("CALL-8 an unknown handler is UNKNOWN_HANDLER, and the object lives on", async () => {
    const { counter, runtime, SlowCounter } = await startCounters(stores);
    await counter.increment();
    expect(await codeOf(runtime.call("counter", "c", "nonexistent", []))).toBe("UNKNOWN_HANDLER");
    expect(runtime.locate(SlowCounter, "c")?.phase).toBe("active");
    expect(await counter.get()).toBe(1);
  });

  test("CALL-9 a wrong number of arguments does not compile", async () => {
    const { counter } = await startCounters(stores);
    // @ts-expect-error -- an argument too many
    expect(await counter.get(1)).toBe(0);
    // @ts-expect-error -- an argument of another type
    expect(await codeOf(counter.increment(new Date()))).toBe("INVALID_ARGUMENTS");
    // @ts-expect-error -- an argument is missing
    expect(await counter.incrementSlowly()).toBe(1);
  });

  test("CALL-10 an alarm of the outcome is set with the state, also where the state is unchanged", async () => {
    const { store, counter } = await startCounters(stores);
    await counter.countAndRemind(1_000);
    expect(store.applied[0]?.writes[0]).toMatchObject({ state: '{"count":1}', alarms: [{ name: "ring" }] });
    await counter.remind(9_000);
    expect(store.applied[1]?.writes[0]).toMatchObject({ state: null, alarms: [{ name: "ring" }] });
    expect(await counter.alarms.list()).toHaveLength(1);
  });

  test("CALL-11 a timeout can be given; the default is 5,000 ms", async () => {
    const { runtime, SlowCounter, clock } = await startCounters(stores);
    const calls = [{ timeout: 1_000 }, {}].map((options, id) =>
      codeOf(runtime.get(SlowCounter, `${id}`, options).incrementSlowly("slow")),
    );
    const watched = calls.map(watch);
    await clock.advance(1_020);
    expect(watched.map(({ settled: is }) => is)).toEqual([true, false]);
    await clock.advance(4_000);
    expect(await Promise.all(calls)).toEqual(["CALL_TIMEOUT", "CALL_TIMEOUT"]);
  });

  test("CALL-12 after a timeout the handler goes on, and its change is committed", async () => {
    const { counter, clock, slow } = await startCounters(stores);
    const late = errorOf(counter.incrementSlowly("slow"));
    await clock.advance("6s");
    expect(await late).toMatchObject({ code: "CALL_TIMEOUT", outcome: "unknown" });
    slow.open();
    expect(await counter.get()).toBe(1);
  });

  test("CALL-13 a handler that throws: a rejection with the cause; the count is kept, the object may stay", async () => {
    const { counter } = await startCounters(stores);
    await counter.increment(3);
    const error = await errorOf(counter.crash());
    expect(error).toMatchObject({ code: "HANDLER_CRASHED", cause: { message: "crashed at 3" } });
    expect(await counter.increment()).toBe(4);
  });

  test("CALL-14 anything but an outcome does not compile, and is INVALID_OUTCOME", async () => {
    const Odd = defineObject({
      type: "odd",
      state: {},
      handlers: { odd: () => ({ count: 1 }) as unknown as NoReply<never> },
    });
    // @ts-expect-error -- a bare value is no outcome
    defineObject({ type: "bare", state: {}, handlers: { bare: () => 5 } });
    const runtime = await start({ objects: [Odd], store: (await stores.create()).open() });
    expect(await codeOf(runtime.get(Odd, "o").odd())).toBe("INVALID_OUTCOME");
  });

  test("CALL-15 lifecycle and store belong to definition and runtime: a call cannot change them", async () => {
    const { runtime, SlowCounter } = await startCounters(stores);
    // @ts-expect-error -- no option of a call
    runtime.get(SlowCounter, "c", { hibernateAfter: 1 });
    // @ts-expect-error -- no option of a call
    runtime.get(SlowCounter, "c", { store: memory() });
    expect(SlowCounter.hibernateAfterMs).toBe(300_000);
  });

  test("CALL-16 activate twice: the same activation", async () => {
    const { runtime, SlowCounter, store } = await startCounters(stores);
    await Promise.all([runtime.activate(SlowCounter, "c"), runtime.activate(SlowCounter, "c")]);
    await runtime.activate(SlowCounter, "c");
    expect([runtime.activeCount, store.loads]).toEqual([1, 1]);
  });

  test("CALL-17 activate: located, and usable", async () => {
    const { runtime, SlowCounter, counter } = await startCounters(stores);
    await runtime.activate(SlowCounter, "c");
    expect(runtime.locate(SlowCounter, "c")?.phase).toBe("active");
    expect(await counter.increment()).toBe(1);
  });

  test("CALL-18 peek shows the whole state of a running object", async () => {
    const { runtime, SlowCounter, counter } = await startCounters(stores);
    await counter.increment(4);
    expect(await runtime.peek(SlowCounter, "c")).toEqual({ count: 4 });
  });

  test("CALL-19 peek of an object that is not running does not start it, and does not fail", async () => {
    const { runtime, SlowCounter, counter } = await startCounters(stores);
    expect(await runtime.peek(SlowCounter, "c")).toBeNull();
    await counter.increment(4);
    await runtime.deactivate(SlowCounter, "c");
    expect(await runtime.peek(SlowCounter, "c")).toEqual({ count: 4 });
    expect(runtime.locate(SlowCounter, "c")).toBeNull();
  });

  test("CALL-20 nobody puts a state from outside: only a handler does, and it is checked", async () => {
    const { runtime, counter } = await startCounters(stores);
    expect("putState" in runtime || "put_state" in runtime).toBe(false);
    expect(await codeOf(counter.increment(Number.NaN))).toBe("INVALID_ARGUMENTS");
  });

  test("CALL-21 deactivate: gone; and again, nothing", async () => {
    const { runtime, SlowCounter, counter } = await startCounters(stores);
    await counter.increment();
    await runtime.deactivate(SlowCounter, "c");
    expect(runtime.locate(SlowCounter, "c")).toBeNull();
    await runtime.deactivate(SlowCounter, "c");
  });

  test("CALL-22 what is stored lives as long as its store, with memory() too", async () => {
    const { runtime, SlowCounter, counter } = await startCounters(stores);
    await counter.increment(2);
    await runtime.deactivate(SlowCounter, "c");
    expect(await counter.increment()).toBe(3);
    const fresh = await start({ objects: [Counter], store: memory() });
    expect(await fresh.get(Counter, "c").increment()).toBe(1);
  });

  test("CALL-23 locate: null or where it is", async () => {
    const { runtime, SlowCounter, counter } = await startCounters(stores);
    expect(runtime.locate(SlowCounter, "c")).toBeNull();
    await counter.get();
    expect(runtime.locate(SlowCounter, "c")?.node).toBe(runtime.node);
  });

  test("CALL-25 the runtime holds the store; two runtimes hold two, and share nothing", async () => {
    const { counter } = await startCounters(stores);
    const other = await start({ objects: [Counter], store: (await stores.create()).open() });
    await counter.increment(5);
    expect(await other.get(Counter, "c").increment()).toBe(1);
  });

  test("CALL-26 a stub has a method for each handler, and is the same as call", async () => {
    const { runtime, SlowCounter } = await startCounters(stores);
    expect(await runtime.get(SlowCounter, "c").increment(5)).toBe(5);
    expect(await runtime.get(SlowCounter, "c", { timeout: "1s" }).increment(5)).toBe(10);
    expect(await runtime.call(SlowCounter, "c", "increment", [5])).toBe(15);
    expect(await runtime.call(SlowCounter, "c", "increment", [5], { timeout: "1s" })).toBe(20);
  });

  test("CALL-27 one at a time, in order of arrival; reads that are marked as such run beside", async () => {
    const { slow, counter } = await startCounters(stores);
    const first = counter.incrementSlowly("slow");
    const rest = [counter.increment(), counter.get(), counter.increment()];
    expect(await counter.look()).toBe(0);
    slow.open();
    expect(await Promise.all([first, ...rest])).toEqual([1, 2, 2, 3]);
  });
});

test("CALL-24 there is no default store: a runtime without one is INVALID_OPTION", async () => {
  const Plain = defineObject({
    type: "plain",
    state: {},
    handlers: { get: read(() => reply(1)), end: () => noreply() },
  });
  // @ts-expect-error -- the store is required
  expect(await codeOf(start({ objects: [Plain] }))).toBe("INVALID_OPTION");
});
