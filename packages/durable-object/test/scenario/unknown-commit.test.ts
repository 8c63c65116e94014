/**
 * Promise 6: a commit whose answer was lost is resolved exactly, by sending the same batch again under the
 * same number. Whoever cannot wait that long gets COMMIT_UNKNOWN, and the object takes no write meanwhile.
 */

import { expect, test } from "vitest";
import { Counter, defineCounter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate } from "../support/gate.ts";
import { listen } from "../support/channels.ts";
import { codeOf, errorOf, watch } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

async function startCounters(stores: TestStores) {
  const clock = new FakeClock();
  const disk = await stores.create();
  const store = new FaultyStore(disk.open());
  const runtime = await start({ objects: [Counter], store, environment: clock.environment, stopTimeout: 0 });
  await Promise.all([runtime.get(Counter, "a").increment(10), runtime.get(Counter, "a").get()]);
  return { clock, disk, store, runtime };
}

onEveryStore("unknown commit", (stores) => {
  test.each(["applied and its answer lost", "lost on its way"])("a commit that was %s is applied once", async (how) => {
    const { clock, disk, store, runtime } = await startCounters(stores);
    const warnings = listen<{ warning: string }>("durable-object:warning");
    if (how === "lost on its way") store.loseNextRequest();
    else store.loseNextAnswer();
    const calls = [runtime.get(Counter, "a").increment(), runtime.get(Counter, "a").increment()];
    const other = runtime.get(Counter, "b").countAndRemind(1_000);
    await settled();
    expect(watch(calls[0]!).settled).toBe(false);
    await clock.advance(100);
    expect(await Promise.all(calls)).toEqual([11, 12]);
    expect(await other).toBe(1);
    expect(store.sent[1]).toBe(store.sent[2]);
    expect(store.sent[2]?.number).toBe(2);
    expect(warnings.map(({ warning }) => warning)).toEqual(["commit-in-doubt"]);
    await runtime.stop();
    const again = await start({ objects: [Counter], store: disk.open() });
    expect(await again.get(Counter, "a").get()).toBe(12);
    expect((await again.get(Counter, "b").alarms.list()).map(({ name }) => name)).toEqual(["ring"]);
  });

  test("ten answers lost in a row change nothing", async () => {
    const { clock, store, runtime } = await startCounters(stores);
    for (let round = 0; round < 10; round++) store.loseNextAnswer();
    const call = runtime.get(Counter, "a", { timeout: "never" }).increment();
    await clock.advance("1m");
    expect(await call).toBe(11);
    expect(await runtime.get(Counter, "a").increment()).toBe(12);
  });

  test("a caller whose deadline passes meanwhile gets COMMIT_UNKNOWN; the call is applied once all the same", async () => {
    const { clock, store, runtime } = await startCounters(stores);
    for (let round = 0; round < 5; round++) store.loseNextAnswer();
    const impatient = errorOf(runtime.get(Counter, "a", { timeout: 200 }).increment());
    const patient = runtime.get(Counter, "a", { timeout: "1m" }).increment();
    await clock.advance(300);
    expect(await impatient).toMatchObject({ code: "COMMIT_UNKNOWN", outcome: "unknown", retryable: false });
    await clock.advance("30s");
    expect(await patient).toBe(12);
    expect(await runtime.get(Counter, "a").get()).toBe(12);
  });

  test("a caller that gives up meanwhile gets COMMIT_UNKNOWN too", async () => {
    const { clock, store, runtime } = await startCounters(stores);
    for (let round = 0; round < 3; round++) store.loseNextAnswer();
    const controller = new AbortController();
    const call = errorOf(runtime.get(Counter, "a", { signal: controller.signal }).increment());
    await settled();
    controller.abort(new Error("enough"));
    expect(await call).toMatchObject({ code: "COMMIT_UNKNOWN", outcome: "unknown" });
    await clock.advance("30s");
    expect(await runtime.get(Counter, "a").get()).toBe(11);
  });

  test("no turn starts on that object until it is known", async () => {
    const { clock, store, runtime } = await startCounters(stores);
    for (let round = 0; round < 3; round++) store.loseNextAnswer();
    const first = runtime.get(Counter, "a").increment();
    await settled();
    const expired = errorOf(runtime.get(Counter, "a", { timeout: 50 }).increment(1_000));
    const waiting = [runtime.get(Counter, "a").increment(), runtime.get(Counter, "a").get()];
    await settled();
    await clock.advance(60);
    // It had not started, so it never will.
    expect(await expired).toMatchObject({ code: "CALL_TIMEOUT", outcome: "not-applied" });
    expect(watch(waiting[0]!).settled).toBe(false);
    // What reads sees what is known to be committed.
    expect(await runtime.get(Counter, "a").look()).toBe(10);
    await clock.advance("2s");
    expect(await first).toBe(11);
    expect(await Promise.all(waiting)).toEqual([12, 12]);
  });

  test("turns that ran before it was in doubt wait with it", async () => {
    const { clock, store, runtime } = await startCounters(stores);
    const counter = runtime.get(Counter, "a");
    const held = store.holdNextCommit("before", "retry");
    const first = counter.increment();
    await held.reached;
    const second = counter.increment();
    await settled();
    held.release();
    await settled();
    expect([watch(first), watch(second)].map(({ settled: is }) => is)).toEqual([false, false]);
    await clock.advance("2s");
    expect(await Promise.all([first, second])).toEqual([11, 12]);
  });

  test("a commit that is refused when it is sent again was not applied", async () => {
    const { clock, store, runtime } = await startCounters(stores);
    store.loseNextRequest();
    store.failNextCommit("refused");
    const call = errorOf(runtime.get(Counter, "a").increment());
    await clock.advance("1s");
    expect(await call).toMatchObject({ code: "COMMIT_FAILED", outcome: "not-applied" });
    expect(await runtime.get(Counter, "a").increment()).toBe(11);
  });

  test("if the right to write is lost before it is known, the outcome stays unknown", async () => {
    const { clock, store, runtime } = await startCounters(stores);
    store.loseNextAnswer();
    store.failNextCommit("lost");
    const call = errorOf(runtime.get(Counter, "a").increment());
    const gathered = errorOf(runtime.get(Counter, "a").increment());
    await clock.advance("1s");
    expect(await call).toMatchObject({ code: "STORE_TAKEN_OVER", outcome: "unknown" });
    expect(await gathered).toMatchObject({ code: "STORE_TAKEN_OVER" });
  });

  test("a store that is lost with a commit that may have been applied says so to that commit's calls only", async () => {
    const { store, runtime } = await startCounters(stores);
    store.loseOwnershipAfterNextCommit();
    const held = errorOf(runtime.get(Counter, "a").increment());
    const idle = codeOf(runtime.get(Counter, "b").get());
    expect(await held).toMatchObject({ code: "STORE_TAKEN_OVER", outcome: "unknown" });
    expect(await codeOf(runtime.get(Counter, "b").get())).toBe("STORE_TAKEN_OVER");
    await idle;
  });

  test("stop() ends what stays in doubt with COMMIT_UNKNOWN, at its deadline", async () => {
    const { clock, store } = await startCounters(stores);
    const own = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store: own, environment: clock.environment, stopTimeout: "1s" });
    for (let round = 0; round < 50; round++) own.loseNextRequest();
    const call = errorOf(runtime.get(Counter, "a", { timeout: "never" }).increment());
    await settled();
    const stopped = runtime.stop();
    await clock.advance("2s");
    expect(await call).toMatchObject({ code: "COMMIT_UNKNOWN", outcome: "unknown" });
    await stopped;
    const sent = own.sent.length;
    await clock.advance("1m");
    expect(own.sent).toHaveLength(sent);
    expect(store.sent).toHaveLength(1);
  });

  test("a repeat under the same idempotency key gets the reply once it is known", async () => {
    const { clock, store, runtime } = await startCounters(stores);
    for (let round = 0; round < 4; round++) store.loseNextAnswer();
    const stub = runtime.get(Counter, "a", { idempotencyKey: "k", timeout: 100 });
    const first = codeOf(stub.increment());
    await clock.advance(150);
    expect(await first).toBe("COMMIT_UNKNOWN");
    const repeat = runtime.get(Counter, "a", { idempotencyKey: "k", timeout: "1m" }).increment();
    await clock.advance("10s");
    expect(await repeat).toBe(11);
    expect(await runtime.get(Counter, "a").get()).toBe(11);
  });

  test("an async handler waits until it is known", async () => {
    const slow = gate();
    slow.open();
    const SlowCounter = defineCounter({ slow });
    const clock = new FakeClock();
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [SlowCounter], store, environment: clock.environment });
    const counter = runtime.get(SlowCounter, "a");
    await counter.increment();
    store.loseNextAnswer();
    const calls = [counter.increment(), counter.incrementSlowly("slow")];
    await clock.advance("1s");
    expect(await Promise.all(calls)).toEqual([2, 3]);
  });
});
