/** Deleting: by an effect, or from outside. State, alarms and records go together, and a fresh object follows. */

import { expect, test } from "vitest";
import { defineObject, destroy, noreply, reply, schedule } from "../../src/index.ts";
import { Counter, defineCounter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate } from "../support/gate.ts";
import { codeOf, watch } from "../support/outcome-of.ts";
import { onEveryStore, start } from "../support/stores.ts";

onEveryStore("delete", (stores) => {
  test("it deletes state, alarms and records, also for good after a restart", async () => {
    const disk = await stores.create();
    const runtime = await start({ objects: [Counter], store: disk.open() });
    await runtime.get(Counter, "a", { idempotencyKey: "k" }).countAndRemind(1_000);
    await runtime.get(Counter, "b").increment();
    await runtime.delete(Counter, "a");
    expect(await runtime.peek(Counter, "a")).toBeNull();
    expect(runtime.locate(Counter, "a")).toBeNull();
    expect((await runtime.list(Counter)).objects.map(({ id }) => id)).toEqual(["b"]);
    await runtime.stop();
    const again = await start({ objects: [Counter], store: disk.open() });
    expect(await again.peek(Counter, "a")).toBeNull();
    expect(await again.get(Counter, "a").alarms.list()).toEqual([]);
    expect(await again.get(Counter, "a", { idempotencyKey: "k" }).countAndRemind(1_000)).toBe(1);
    expect(await again.get(Counter, "b").get()).toBe(1);
  });

  test("deleting what does not exist does nothing; deleting twice is deleting once", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store });
    await runtime.delete(Counter, "ghost");
    expect(store.sent).toEqual([]);
    await runtime.get(Counter, "a").increment();
    await Promise.all([runtime.delete(Counter, "a"), runtime.delete(Counter, "a")]);
    await runtime.delete(Counter, "a");
    expect(store.sent).toHaveLength(2);
  });

  test("it has its place in the order of calls: those before see the object, those behind a fresh one", async () => {
    const runtime = await start({ objects: [Counter], store: (await stores.create()).open() });
    const counter = runtime.get(Counter, "a");
    await counter.increment(10);
    const before = counter.increment();
    const deleted = runtime.delete(Counter, "a");
    const behind = [counter.increment(), counter.get(), counter.increment()];
    expect(await before).toBe(11);
    await deleted;
    expect(await Promise.all(behind)).toEqual([1, 1, 2]);
  });

  test("destroy() in a handler: the caller gets its result after the commit", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store });
    const counter = runtime.get(Counter, "a");
    await counter.increment(5);
    await counter.alarms.schedule("ring", "1h");
    const held = store.holdNextCommit();
    const gone = counter.vanish();
    const behind = counter.increment();
    const watched = [watch(gone), watch(behind)];
    const batch = await held.reached;
    expect(batch.writes[0]).toMatchObject({ deleted: true, state: null, alarms: [] });
    await settled();
    expect(watched.map(({ settled: is }) => is)).toEqual([false, false]);
    held.release();
    expect(await gone).toBe(5);
    expect(await behind).toBe(1);
    expect(await counter.alarms.list()).toEqual([]);
  });

  test("destroy() wins over what else the turn returns, and over what gathered before it", async () => {
    const Doomed = defineObject({
      type: "doomed",
      state: { count: 0 },
      handlers: {
        increment: ({ state }) => reply(state.count + 1, { count: state.count + 1 }),
        end: ({ state }) =>
          reply("gone", { count: state.count + 100 }, schedule("ring", 1), destroy(), schedule("ring", 2)),
        get: ({ state }) => reply(state.count),
      },
      alarms: { ring: () => noreply() },
    });
    const runtime = await start({ objects: [Doomed], store: (await stores.create()).open() });
    const doomed = runtime.get(Doomed, "a");
    await doomed.increment();
    await codeOf(runtime.get(Doomed, "warm").end());
    expect(await Promise.all([doomed.increment(), doomed.increment(), doomed.end()])).toEqual([2, 3, "gone"]);
    expect(await doomed.get()).toBe(0);
    expect(await doomed.alarms.list()).toEqual([]);
    expect(await runtime.peek(Doomed, "a")).toBeNull();
  });

  test("an object that is created and destroyed in one commit was never there", async () => {
    const runtime = await start({ objects: [Counter], store: (await stores.create()).open() });
    await codeOf(runtime.get(Counter, "warm").vanish());
    await runtime.get(Counter, "warm").increment();
    const counter = runtime.get(Counter, "a");
    await runtime.activate(Counter, "a");
    expect(await Promise.all([counter.increment(), counter.increment(), counter.vanish()])).toEqual([1, 2, 2]);
    expect(await runtime.peek(Counter, "a")).toBeNull();
    expect((await runtime.list(Counter)).objects.map(({ id }) => id)).toEqual(["warm"]);
    expect(await counter.increment()).toBe(1);
  });

  test("created, deleted and created again, 20 times: every life starts afresh, revisions never go back", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store });
    const counter = runtime.get(Counter, "a");
    for (let life = 0; life < 20; life++) {
      expect(await counter.increment()).toBe(1);
      if (life % 2 === 0) await runtime.delete(Counter, "a");
      else await counter.vanish();
    }
    const revisions = store.applied.flatMap(({ writes }) => writes.map(({ baseRevision }) => baseRevision));
    expect(revisions).toEqual(revisions.map((_, index) => index));
  });

  test("a slow turn is waited for, and a call that was given up meanwhile does not come back", async () => {
    const slow = gate();
    const SlowCounter = defineCounter({ slow });
    const clock = new FakeClock();
    const runtime = await start({
      objects: [SlowCounter],
      store: (await stores.create()).open(),
      environment: clock.environment,
    });
    const turn = runtime.get(SlowCounter, "a", { timeout: "1m" }).incrementSlowly("slow");
    const deleted = runtime.delete(SlowCounter, "a");
    const late = codeOf(runtime.get(SlowCounter, "a", { timeout: 100 }).increment());
    await clock.advance(500);
    expect(await late).toBe("CALL_TIMEOUT");
    expect(watch(deleted).settled).toBe(false);
    slow.open();
    expect(await turn).toBe(1);
    await deleted;
    expect(await runtime.peek(SlowCounter, "a")).toBeNull();
    expect(runtime.locate(SlowCounter, "a")).toBeNull();
  });

  test("the other tenants' objects of the same id stay", async () => {
    const runtime = await start({ objects: [Counter], store: (await stores.create()).open() });
    for (const tenant of ["", "ta", "tb"]) await runtime.get(Counter, "a", { tenant }).countAndRemind(1_000);
    await runtime.delete(Counter, "a", { tenant: "ta" });
    const left = await Promise.all(["", "ta", "tb"].map((tenant) => runtime.peek(Counter, "a", { tenant })));
    expect(left).toEqual([{ count: 1 }, null, { count: 1 }]);
    expect(await runtime.get(Counter, "a", { tenant: "tb" }).alarms.list()).toHaveLength(1);
  });
});
