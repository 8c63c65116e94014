/** Promise 8: a timeout says what is known: "not applied, and never will be", or "unknown". */

import { expect, test } from "vitest";
import { defineObject, fail, noreply, reply } from "../../src/index.ts";
import { Counter, defineCounter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate } from "../support/gate.ts";
import { codeOf, errorOf, watch } from "../support/outcome-of.ts";
import { onEveryStore, start } from "../support/stores.ts";

onEveryStore("timeouts", (stores) => {
  test("a call that had not started is not applied, and never runs", async () => {
    const clock = new FakeClock();
    const slow = gate();
    const SlowCounter = defineCounter({ slow });
    const runtime = await start({
      objects: [SlowCounter],
      store: (await stores.create()).open(),
      environment: clock.environment,
    });
    const counter = runtime.get(SlowCounter, "a", { timeout: "1m" });
    const running = counter.incrementSlowly("slow");
    const late = errorOf(runtime.get(SlowCounter, "a", { timeout: 500 }).increment(100));
    const patient = counter.increment();
    await clock.advance(600);
    const error = await late;
    expect(error).toMatchObject({ code: "CALL_TIMEOUT", outcome: "not-applied", retryable: true });
    expect(error.message).toContain("counter/a");
    expect(error.message).toContain("increment");
    slow.open();
    expect(await running).toBe(1);
    expect(await patient).toBe(2);
  });

  test("a call that runs is unknown: its handler goes on, its signal aborts, and what it returns is kept", async () => {
    const clock = new FakeClock();
    const go = gate();
    const signals: AbortSignal[] = [];
    const Slow = defineObject({
      type: "slow",
      state: { count: 0 },
      handlers: {
        work: async ({ state, signal }) => {
          signals.push(signal);
          await go.passed;
          return reply(state.count + 1, { count: state.count + 1 });
        },
        get: ({ state }) => reply(state.count),
      },
    });
    const runtime = await start({
      objects: [Slow],
      store: (await stores.create()).open(),
      environment: clock.environment,
    });
    const late = errorOf(runtime.get(Slow, "a").work());
    const behind = runtime.get(Slow, "a", { timeout: "never" }).get();
    await clock.advance(4_900);
    expect(signals[0]?.aborted).toBe(false);
    await clock.advance(200);
    const error = await late;
    expect(error).toMatchObject({ code: "CALL_TIMEOUT", outcome: "unknown", retryable: true });
    expect(signals[0]?.aborted).toBe(true);
    expect(signals[0]?.reason).toBe(error);
    expect(watch(behind).settled).toBe(false);
    go.open();
    expect(await behind).toBe(1);
    expect(await runtime.peek(Slow, "a")).toEqual({ count: 1 });
  });

  test("a handler that honours its signal ends the turn, and nothing is kept", async () => {
    const clock = new FakeClock();
    const Polite = defineObject({
      type: "polite",
      state: { count: 0 },
      handlers: {
        work: async ({ state, signal }) => {
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
          return signal.aborted ? fail("gave up") : reply(1, { count: state.count + 1 });
        },
        get: ({ state }) => reply(state.count),
      },
    });
    const runtime = await start({
      objects: [Polite],
      store: (await stores.create()).open(),
      environment: clock.environment,
    });
    const late = errorOf(runtime.get(Polite, "a", { timeout: "2s" }).work());
    const behind = runtime.get(Polite, "a", { timeout: "1m" }).get();
    await clock.advance("3s");
    expect(await late).toMatchObject({ code: "CALL_TIMEOUT", outcome: "unknown" });
    expect(await behind).toBe(0);
  });

  test("a call whose commit is under way is unknown, and is applied", async () => {
    const clock = new FakeClock();
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store, environment: clock.environment });
    await runtime.get(Counter, "a").increment();
    const held = store.holdNextCommit();
    const late = errorOf(runtime.get(Counter, "a", { timeout: 100 }).increment());
    await held.reached;
    await clock.advance(200);
    expect(await late).toMatchObject({ code: "CALL_TIMEOUT", outcome: "unknown" });
    held.release();
    expect(await runtime.get(Counter, "a").get()).toBe(2);
  });

  test("the default is 5 s, the runtime's can be set, the stub's wins, and never is never", async () => {
    const clock = new FakeClock();
    const Stuck = defineObject({
      type: "stuck",
      state: {},
      handlers: {
        wait: async () => {
          await new Promise<void>(() => undefined);
          return noreply();
        },
      },
    });
    const open = async () => (await stores.create()).open();
    const environment = clock.environment;
    const byDefault = await start({ objects: [Stuck], store: await open(), environment, stopTimeout: 0 });
    const own = await start({
      objects: [Stuck],
      store: await open(),
      environment,
      callTimeout: "30s",
      stopTimeout: 0,
    });
    const calls = [
      byDefault.get(Stuck, "a").wait(),
      byDefault.get(Stuck, "b", { timeout: "10s" }).wait(),
      own.get(Stuck, "a").wait(),
      own.get(Stuck, "b", { timeout: 1_500 }).wait(),
      own.get(Stuck, "c", { timeout: "never" }).wait(),
    ].map(watch);
    const settledAfter = async (ms: number) => {
      await clock.advance(ms);
      return calls.map(({ settled: is }) => is);
    };
    expect(await settledAfter(1_490)).toEqual([false, false, false, false, false]);
    expect(await settledAfter(20)).toEqual([false, false, false, true, false]);
    expect(await settledAfter(3_500)).toEqual([true, false, false, true, false]);
    expect(await settledAfter(5_000)).toEqual([true, true, false, true, false]);
    expect(await settledAfter(20_000)).toEqual([true, true, true, true, false]);
    await clock.advance("6h");
    expect(calls[4]?.settled).toBe(false);
  });

  test("a wall clock that jumps changes no deadline", async () => {
    const clock = new FakeClock();
    const slow = gate();
    const SlowCounter = defineCounter({ slow });
    const runtime = await start({
      objects: [SlowCounter],
      store: (await stores.create()).open(),
      environment: clock.environment,
    });
    const call = runtime.get(SlowCounter, "a", { timeout: "10s" }).incrementSlowly("slow");
    const watched = watch(call);
    clock.jump(86_400_000);
    await clock.advance("5s");
    expect(watched.settled).toBe(false);
    clock.jump(-10 * 86_400_000);
    await clock.advance("4s");
    expect(watched.settled).toBe(false);
    slow.open();
    expect(await call).toBe(1);
  });

  test("while the object is being loaded, a call can time out; it never runs", async () => {
    const clock = new FakeClock();
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store, environment: clock.environment });
    const release = store.holdLoads();
    const late = errorOf(runtime.get(Counter, "a").increment(100));
    const patient = runtime.get(Counter, "a", { timeout: "1m" }).increment();
    await clock.advance("6s");
    expect(await late).toMatchObject({ code: "CALL_TIMEOUT", outcome: "not-applied" });
    release();
    expect(await patient).toBe(1);
  });

  test("a call made by a handler ends when its own call's deadline does", async () => {
    const clock = new FakeClock();
    const slow = gate();
    const SlowCounter = defineCounter({ slow });
    const inner: unknown[] = [];
    const Caller = defineObject({
      type: "caller",
      state: {},
      handlers: {
        go: async ({ get }) => {
          inner.push(await codeOf(get(SlowCounter, "a", { timeout: "1h" }).incrementSlowly("slow")), clock.nowMs);
          return noreply();
        },
      },
    });
    const runtime = await start({
      objects: [SlowCounter, Caller],
      store: (await stores.create()).open(),
      environment: clock.environment,
    });
    const startedAt = clock.nowMs;
    const outer = errorOf(runtime.get(Caller, "c", { timeout: "2s" }).go());
    await clock.advance("10s");
    expect((await outer).code).toBe("CALL_TIMEOUT");
    expect(inner).toEqual(["CALL_TIMEOUT", startedAt + 2_000]);
    slow.open();
  });

  test("signal: a call that waits is taken back, one that runs is unknown, one that is answered is untouched", async () => {
    const slow = gate();
    const SlowCounter = defineCounter({ slow });
    const runtime = await start({ objects: [SlowCounter], store: (await stores.create()).open() });
    const controller = new AbortController();
    const { signal } = controller;
    const answered = runtime.get(SlowCounter, "b", { signal }).increment();
    expect(await answered).toBe(1);
    const running = errorOf(runtime.get(SlowCounter, "a", { signal }).incrementSlowly("slow"));
    const waiting = errorOf(runtime.get(SlowCounter, "a", { signal }).increment(100));
    const untouched = runtime.get(SlowCounter, "a").increment();
    await settled();
    const why = new Error("the user left");
    controller.abort(why);
    expect(await running).toMatchObject({ code: "CALL_ABORTED", outcome: "unknown", retryable: false, cause: why });
    expect(await waiting).toMatchObject({ code: "CALL_ABORTED", outcome: "not-applied", cause: why });
    const late = errorOf(runtime.get(SlowCounter, "a", { signal }).increment(100));
    expect(await late).toMatchObject({ code: "CALL_ABORTED", outcome: "not-applied" });
    slow.open();
    expect(await untouched).toBe(2);
  });

  test("a signal that is used for many calls keeps none of them alive", async () => {
    const runtime = await start({ objects: [Counter], store: (await stores.create()).open() });
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    const counter = runtime.get(Counter, "a", { signal });
    await Promise.all(Array.from({ length: 20 }, () => counter.increment()));
    await Promise.all(Array.from({ length: 20 }, () => counter.crash().catch(() => undefined)));
    await settled();
    expect(listeners).toBe(0);
  });
});
