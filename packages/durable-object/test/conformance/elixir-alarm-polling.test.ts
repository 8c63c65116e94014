/**
 * What the polling scheduler of the Elixir library `durable_object` does, row by row (area POLL), and the
 * weaknesses of its alarms (W-AL; 9 and 10 are in elixir-alarms.test.ts), each with a test that the original would fail: the same here, or what
 * this library does instead; docs/decisions/0003-conformance-differences.md lists the latter.
 */

import { expect, test } from "vitest";
import { createRuntime, polling, schedule, type PollingOptions, type RuntimeOptions } from "../../src/index.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import type { ObjectWrite } from "../../src/ports/object-store.ts";
import { address, write } from "../../src/testing/object-store-case.ts";
import { gates } from "../fixtures/alarm-diary.ts";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { listen } from "../support/channels.ts";
import { gate } from "../support/gate.ts";
import { codeOf } from "../support/outcome-of.ts";
import { onEveryStore, type TestStores } from "../support/stores.ts";

interface Warning {
  readonly warning: string;
  readonly message: string;
}

async function startDiary(stores: TestStores, options: Partial<RuntimeOptions> = {}) {
  const world = await AlarmWorld.create(stores);
  const { clock, script } = world;
  const runtime = await world.start(options);
  // A call waits as long as a test has the alarm before it take.
  const diary = runtime.get(script.Diary, "a", { timeout: "never" });
  return { world, clock, script, runtime, Diary: script.Diary, diary, setMs: clock.nowMs };
}

/** An object with an alarm that is due already. */
function overdue(id: string, nowMs: number, tenant = ""): ObjectWrite {
  const state = JSON.stringify({ entries: [], calls: 0 });
  const ring = { change: "set", name: "ring", dueAt: nowMs - 1_000, payload: null, rule: null } as const;
  return write(address(id, "diary", tenant), { state, alarms: [ring] });
}

/** A look for due alarms. */
interface Look {
  readonly atMs: number;
  readonly dueBy: number;
  readonly limit: number;
}

/** The polling scheduler, with its looks written down; they fail while `broken` is set. */
function watchedPolling(options?: PollingOptions) {
  const looks: Look[] = [];
  const control = { broken: false };
  const inner = polling(options);
  const scheduler: Scheduler = {
    name: inner.name,
    start: (host) => {
      const { environment, types, store } = host;
      return inner.start({
        environment,
        types,
        wake: (at, dueAtMs) => host.wake(at, dueAtMs),
        deliver: (alarm) => host.deliver(alarm),
        warn: (warning, message, cause) => host.warn(warning, message, cause),
        store: {
          dueAlarms: async (query) => {
            looks.push({ atMs: environment.now(), dueBy: query.dueBy, limit: query.limit });
            if (control.broken) throw new Error("the table is not there");
            return await store.dueAlarms(query);
          },
          nextDueAfter: (known, after) => store.nextDueAfter(known, after),
          dueTenants: (type, dueBy) => store.dueTenants(type, dueBy),
          alarmTypes: () => store.alarmTypes(),
        },
      });
    },
  };
  return { scheduler, looks, control };
}

onEveryStore("polling", (stores) => {
  // The original looks for the first time after one interval, and hears of nothing in between.
  test("POLL-1 by default it looks at once, then every 30 s, and whenever something is due", async () => {
    const { scheduler, looks } = watchedPolling();
    const world = await AlarmWorld.create(stores);
    const { clock, script } = world;
    const startMs = clock.nowMs;
    const runtime = await world.start({ scheduler, objects: [script.Diary] });
    await clock.advance("95s");
    expect(looks.map(({ atMs }) => atMs - startMs)).toEqual([0, 30_000, 60_000, 90_000]);
    await runtime.get(script.Diary, "a").plan("ring", 2_000);
    await clock.advance("5s");
    expect(script.times(startMs)).toEqual([97_000]);
  });

  test("POLL-2 an overdue alarm is handled once, and gone", async () => {
    const world = await AlarmWorld.create(stores);
    await world.seed([overdue("a", world.clock.nowMs)]);
    const runtime = await world.start();
    await world.clock.advance("5m");
    expect(world.script.names).toEqual(["ring"]);
    expect(await runtime.get(world.script.Diary, "a").alarms.list()).toEqual([]);
  });

  // The original has no order.
  test("POLL-3 two overdue alarms of one object are both handled, in the order of their times", async () => {
    const { world, clock, diary, script } = await startDiary(stores);
    await diary.plan("ring", "20s");
    await diary.plan("chime", "10s");
    await world.stop(world.runtime);
    await clock.oversleep("1h");
    const runtime = await world.start();
    await clock.advance("1s");
    expect(script.names).toEqual(["chime", "ring"]);
    expect(await runtime.get(script.Diary, "a").alarms.list()).toEqual([]);
  });

  test("POLL-4 called off before it is due, it does not fire", async () => {
    const { clock, diary, script } = await startDiary(stores);
    await diary.alarms.schedule("ring", 1_000);
    await diary.alarms.cancel("ring");
    await clock.advance("5m");
    expect(script.starts).toEqual([]);
  });

  test("POLL-5 it reads what is due by now, in batches, and neither what is to come nor what is dead", async () => {
    const { scheduler, looks } = watchedPolling({ batch: 10 });
    const world = await AlarmWorld.create(stores);
    const { clock, script } = world;
    await world.seed(Array.from({ length: 50 }, (_, index) => overdue(`a${index}`, clock.nowMs)));
    const runtime = await world.start({ scheduler, alarmRetry: { attempts: 1 } });
    script.behave = ({ id }) => (id === "a7" ? "fail" : []);
    await runtime.get(script.Diary, "later").plan("ring", "1d");
    await clock.advance("1h");
    expect(new Set(script.starts.map(({ id }) => id)).size).toBe(50);
    expect(script.starts).toHaveLength(50);
    expect(looks.every(({ atMs, dueBy }) => dueBy === atMs)).toBe(true);
    expect(looks[0]?.limit).toBe(10);
    expect(await runtime.alarms.dead(script.Diary)).toMatchObject([{ id: "a7" }]);
  });

  // No claim is written: a store has one owner, and the owner fires.
  test("POLL-6 two schedulers cannot have one store: the second is refused, the alarm fires once", async () => {
    const { world, clock, diary, script } = await startDiary(stores);
    await diary.plan("ring", 1_000);
    const { environment } = clock.life();
    const second = createRuntime({ objects: [script.Diary], store: world.store, environment });
    expect(await codeOf(second)).toBe("STORE_LOCKED");
    await clock.advance("5m");
    expect(script.names).toEqual(["ring"]);
  });

  test("POLL-7 the alarm that was handled is removed, by its generation, in the commit of its effect", async () => {
    const { world, clock, diary } = await startDiary(stores);
    await diary.plan("ring", 1_000);
    await clock.advance("5s");
    const writes = world.store.applied.flatMap((batch) => batch.writes);
    expect(writes).toHaveLength(2);
    expect(writes[1]?.alarms).toEqual([{ change: "acknowledge", name: "ring", generation: 1 }]);
    expect(writes[1]?.state).toContain('"alarm":"ring"');
  });

  test("POLL-8 set again while its handler runs: the new setting stays, and fires", async () => {
    const { clock, diary, script, setMs } = await startDiary(stores);
    script.behave = async () => {
      await clock.sleep("5s");
      return [];
    };
    await diary.plan("ring", 1_000);
    await clock.advance("2s");
    const again = diary.alarms.schedule("ring", "1m");
    await clock.advance("5s");
    await again;
    expect(await diary.alarms.list()).toMatchObject([{ name: "ring", status: "set", attempts: 0 }]);
    await clock.advance("2m");
    // A delay counts from the turn that sets it, and that one came at 6 s.
    expect(script.times(setMs)).toEqual([1_000, 66_000]);
    expect(await diary.alarms.list()).toEqual([]);
  });

  // The original waits for its claim to expire.
  test("POLL-9 its process died while it ran: the next owner fires it at once", async () => {
    const { world, clock, diary, script } = await startDiary(stores);
    script.behave = async () => {
      await clock.sleep("5s");
      return [];
    };
    await diary.plan("ring", 1_000);
    await clock.advance("2s");
    await world.kill();
    const runtime = await world.start();
    await clock.advance("10s");
    expect(script.starts).toHaveLength(2);
    const next = runtime.get(script.Diary, "a");
    expect([(await next.entries()).length, await next.alarms.list()]).toEqual([1, []]);
  });

  // The original retries every 60 s, for ever.
  test("POLL-10 a handler that throws or fails is retried with growing waits, until it is dead", async () => {
    const { clock, diary, script, setMs, runtime, Diary } = await startDiary(stores, { alarmRetry: { attempts: 4 } });
    script.behave = ({ attempt }) => {
      if (attempt % 2 === 0) return "fail";
      throw new Error("the mail server is down");
    };
    await diary.plan("ring", 0);
    await clock.advance("1h");
    expect(script.times(setMs)).toEqual([0, 2_000, 6_000, 14_000]);
    expect(await diary.alarms.list()).toMatchObject([{ name: "ring", status: "dead", attempts: 4 }]);
    expect(await diary.entries()).toEqual([]);
    expect(await runtime.alarms.redrive(Diary, "a", "ring")).toBe(true);
  });

  test("POLL-11 a slow handler of an owner that is gone removes nothing of the next one's", async () => {
    const { world, clock, diary, script } = await startDiary(stores);
    let slow = true;
    script.behave = async () => {
      if (slow) await clock.sleep("30s");
      return [schedule("ring", "1h")];
    };
    await diary.plan("ring", 1_000);
    await clock.advance("2s");
    await world.kill();
    slow = false;
    const runtime = await world.start();
    await clock.advance("1m");
    const next = runtime.get(script.Diary, "a");
    expect(script.running).toBe(0);
    expect([script.starts.length, (await next.entries()).length]).toEqual([2, 1]);
    expect(await next.alarms.list()).toMatchObject([{ name: "ring", status: "set" }]);
  });

  test("POLL-12 alarms of an unknown type are kept and reported, not deleted", async () => {
    const warnings = listen<Warning>("durable-object:warning");
    const { world, clock, diary, script } = await startDiary(stores);
    await diary.plan("ring", "1h");
    await world.kill();
    const other = await world.start({ objects: [script.OtherDiary] });
    await clock.advance("3h");
    expect(script.starts).toEqual([]);
    expect(warnings.filter(({ warning }) => warning === "alarms-of-unknown-type")).toMatchObject([
      { message: expect.stringContaining('"diary"') as unknown },
    ]);
    await world.stop(other);
    await world.start();
    await clock.advance("1s");
    expect(script.names).toEqual(["ring"]);
  });

  test("POLL-13 without object types it reads no alarms, and runs", async () => {
    const { scheduler, looks } = watchedPolling();
    const world = await AlarmWorld.create(stores);
    await world.seed([overdue("a", world.clock.nowMs)]);
    await world.start({ scheduler, objects: [] });
    await world.clock.advance("5m");
    expect(looks).toEqual([]);
  });

  test("POLL-14 one scheduler fires the alarms of all tenants", async () => {
    const world = await AlarmWorld.create(stores);
    const { nowMs } = world.clock;
    await world.seed([overdue("a", nowMs), overdue("a", nowMs, "acme"), overdue("a", nowMs, "other")]);
    await world.start();
    await world.clock.advance("1s");
    expect(world.script.starts.map(({ tenant }) => tenant).toSorted()).toEqual(["", "acme", "other"]);
  });

  test("POLL-15 no call timeout applies to an alarm", async () => {
    const { clock, diary, script } = await startDiary(stores, { callTimeout: "5s" });
    script.behave = async ({ signal }) => {
      await clock.sleep("6s");
      signal.throwIfAborted();
      return [];
    };
    await diary.plan("ring", 1_000);
    await clock.advance("1m");
    expect(script.names).toEqual(["ring"]);
    expect(await diary.entries()).toHaveLength(1);
  });

  test("POLL-16 the scheduler is one of the runtime's options, and starts and stops with it", async () => {
    const { scheduler, looks } = watchedPolling();
    expect(scheduler.name).toBe("polling");
    const { world, clock, runtime, setMs } = await startDiary(stores, { scheduler });
    await clock.advance("1s");
    expect(looks.map(({ atMs }) => atMs - setMs)).toEqual([0, 0]);
    await world.stop(runtime);
    looks.length = 0;
    await clock.advance("5m");
    expect(looks).toEqual([]);
  });

  // The original has one poller in the whole cluster. Here there is one for each store: that of its owner.
  test("POLL-17 the scheduler of a store moves on with its ownership", async () => {
    const { world, clock, diary, runtime, script } = await startDiary(stores);
    await diary.plan("ring", "1m");
    await world.stop(runtime);
    await clock.advance("5m");
    expect(script.starts).toEqual([]);
    await world.start();
    await clock.advance("1s");
    expect(script.names).toEqual(["ring"]);
  });

  test("POLL-18 a handler starts at least once, and takes effect once, with one firing id", async () => {
    const { world, clock, diary, script } = await startDiary(stores);
    await diary.plan("ring", 1_000);
    const held = world.store.holdNextCommit("before");
    await clock.advance("2s");
    await held.reached;
    await world.kill();
    const runtime = await world.start();
    await clock.advance("10s");
    expect(script.starts).toHaveLength(2);
    expect(new Set(script.starts.map(({ firingId }) => firingId)).size).toBe(1);
    expect(await runtime.get(script.Diary, "a").entries()).toHaveLength(1);
  });
});

onEveryStore("weaknesses of the original's alarms", (stores) => {
  test("W-AL-1 it fires at its time to the millisecond, also right after a start", async () => {
    const { world, clock, script, runtime, Diary, setMs } = await startDiary(stores);
    const delays = [3, 999, 1_001, 29_999, 30_001];
    for (const delay of delays) await runtime.get(Diary, `d${delay}`).planOnly("ring", delay);
    await clock.advance("1m");
    expect(script.times(setMs)).toEqual(delays);
    await world.stop(runtime);
    await world.seed([overdue("late", clock.nowMs)]);
    const startMs = clock.nowMs;
    await world.start();
    await clock.advance("1s");
    expect(script.times(startMs).slice(delays.length)).toEqual([0]);
  });

  test("W-AL-2 many fire at a time, in few commits, and slow ones do not hold up the others", async () => {
    const world = await AlarmWorld.create(stores);
    const { clock, script } = world;
    await world.seed(Array.from({ length: 400 }, (_, index) => overdue(`a${index}`, clock.nowMs)));
    script.behave = async ({ id }) => {
      if (id === "a0") await clock.sleep("1h");
      return [];
    };
    await world.start({ scheduler: polling({ batch: 100 }) });
    await clock.advance("1s");
    expect(script.starts).toHaveLength(400);
    expect(script.running).toBe(1);
    expect(world.store.applied.flatMap(({ writes }) => writes)).toHaveLength(399);
    expect(world.store.applied.length).toBeLessThan(200);
  });

  test("W-AL-3 a handler that takes minutes completes, and runs once", async () => {
    const { clock, diary, script } = await startDiary(stores);
    script.behave = async () => {
      await clock.sleep("10m");
      return [];
    };
    await diary.plan("ring", 1_000);
    await clock.advance("1h");
    expect(script.names).toEqual(["ring"]);
    expect([(await diary.entries()).length, await diary.alarms.list()]).toEqual([1, []]);
  });

  test("W-AL-4 moved while it waits to be handled, it fires at its new time, and is not lost", async () => {
    const { clock, diary, script, setMs } = await startDiary(stores);
    const slow = gate();
    gates.set("W-AL-4", slow.passed);
    await diary.plan("ring", "5s");
    const moving = diary.planWhenOpen("ring", 3_600_000, "W-AL-4");
    await clock.advance("10s");
    slow.open();
    await moving;
    await clock.advance("59m");
    expect(script.starts).toEqual([]);
    await clock.advance("2m");
    expect(script.times(setMs)).toEqual([3_610_000]);
  });

  test("W-AL-5 a process that does not know a type leaves its alarms alone, whatever becomes of others", async () => {
    const { world, clock, diary, script, runtime } = await startDiary(stores);
    await diary.plan("ring", 1_000);
    await runtime.get(script.OtherDiary, "b").plan("ring", 1_000);
    await world.kill();
    await clock.oversleep("1m");
    const old = await world.start({ objects: [script.OtherDiary] });
    await clock.advance("1m");
    expect(script.starts.map(({ id }) => id)).toEqual(["b"]);
    await world.stop(old);
    await world.start();
    await clock.advance("1m");
    expect(script.starts.map(({ id }) => id)).toEqual(["b", "a"]);
  });

  test("W-AL-6 alarms set for any tenant fire, and the scheduler needs no store of its own", async () => {
    const { clock, script, runtime, Diary } = await startDiary(stores, { scheduler: polling() });
    for (const tenant of ["t1", "t2"]) await runtime.get(Diary, "a", { tenant }).alarms.schedule("ring", 1_000);
    await clock.advance("2s");
    expect(script.starts.map(({ tenant }) => tenant).toSorted()).toEqual(["t1", "t2"]);
    expect(await runtime.get(Diary, "a", { tenant: "t1" }).entries()).toHaveLength(1);
  });

  test("W-AL-7 a failing alarm is tried 12 times, each is told, then it is dead and can be redriven", async () => {
    const failed = listen<{ readonly attempt: number }>("tracing:durable-object:alarm:error");
    const { clock, diary, script, runtime, Diary } = await startDiary(stores);
    script.behave = () => "fail";
    await diary.plan("ring", 0);
    await clock.advance("3h");
    expect(failed.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(await runtime.alarms.dead(Diary)).toMatchObject([{ id: "a", name: "ring", attempts: 12 }]);
    script.behave = () => [];
    await runtime.alarms.redrive(Diary, "a", "ring");
    await clock.advance("1s");
    expect([(await diary.entries()).length, await runtime.alarms.dead(Diary)]).toEqual([1, []]);
  });

  test("W-AL-8 alarms that cannot be read are a warning; objects go on, and it is tried again", async () => {
    const warnings = listen<Warning>("durable-object:warning");
    const { scheduler, control } = watchedPolling({ pollingInterval: 100 });
    control.broken = true;
    const { clock, diary, script } = await startDiary(stores, { scheduler });
    await diary.plan("ring", 1_000);
    await clock.advance("20s");
    expect(warnings.filter(({ warning }) => warning === "alarms-not-read").length).toBeGreaterThan(4);
    expect([script.starts, await diary.touch()]).toEqual([[], 2]);
    control.broken = false;
    await clock.advance("1s");
    expect(script.names).toEqual(["ring"]);
  });

  test("W-AL-11 effect and end of an alarm are one commit: once it is there, no death fires it again", async () => {
    const { world, clock, diary, script } = await startDiary(stores);
    await diary.plan("ring", 1_000);
    const held = world.store.holdNextCommit("after");
    await clock.advance("2s");
    await held.reached;
    await world.kill();
    const runtime = await world.start();
    await clock.advance("5m");
    expect(script.names).toEqual(["ring"]);
    const next = runtime.get(script.Diary, "a");
    expect([(await next.entries()).length, await next.alarms.list()]).toEqual([1, []]);
  });
});
