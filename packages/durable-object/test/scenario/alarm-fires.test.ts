/** Alarms are set from a handler, a stub or `afterLoad`, and fire when they are due, in one commit with their effect. */

import { expect, test } from "vitest";
import { destroy, schedule } from "../../src/index.ts";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { onEveryStore } from "../support/stores.ts";

const day = 86_400_000;

onEveryStore("alarms fire when they are due", (stores) => {
  test("set by a handler, it fires once at its time, and is gone", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    const setMs = world.clock.nowMs;
    await diary.plan("ring", "1h", { payload: { for: "tea" } });
    await world.clock.advance(3_599_999);
    expect(world.script.starts).toEqual([]);
    await world.clock.advance(1);
    expect(world.script.starts).toEqual([
      {
        id: "a",
        tenant: "",
        alarm: "ring",
        atMs: setMs + 3_600_000,
        dueMs: setMs + 3_600_000,
        attempt: 1,
        payload: { for: "tea" },
        firingId: expect.stringContaining("diary/a/ring/1") as unknown,
      },
    ]);
    expect(await diary.alarms.list()).toEqual([]);
    await world.clock.advance("2h");
    expect(await diary.entries()).toHaveLength(1);
  });

  test("set by a stub, by a date or by a delay, also where no object exists yet", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "new");
    const setMs = world.clock.nowMs;
    await diary.alarms.schedule("ring", new Date(setMs + 5_000));
    await diary.alarms.schedule("chime", 2_500, { payload: [1] });
    expect((await diary.alarms.list()).map(({ name, at, payload }) => [name, at.getTime() - setMs, payload])).toEqual([
      ["chime", 2_500, [1]],
      ["ring", 5_000, undefined],
    ]);
    await world.clock.advance("10s");
    expect(world.script.names).toEqual(["chime", "ring"]);
    expect(world.script.times(setMs)).toEqual([2_500, 5_000]);
  });

  test("set by afterLoad, once for each activation", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    world.script.onLoad = [schedule("ring", "10s")];
    await runtime.get(world.script.Diary, "a").touch();
    await world.clock.advance("5s");
    await runtime.deactivate(world.script.Diary, "a");
    // Comes to life again: the alarm is set anew, for later.
    await runtime.activate(world.script.Diary, "a");
    await world.clock.advance("9s");
    expect(world.script.starts).toEqual([]);
    await world.clock.advance("1s");
    expect(world.script.names).toEqual(["ring"]);
  });

  test("it brings an object to life that left memory, and wakes one that sleeps", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const { Diary } = world.script;
    await runtime.get(Diary, "gone").plan("ring", "1h");
    await runtime.deactivate(Diary, "gone");
    await runtime.get(Diary, "asleep").plan("ring", "1h");
    await world.clock.advance("20m");
    expect(runtime.locate(Diary, "gone")).toBe(null);
    expect(runtime.locate(Diary, "asleep")).toMatchObject({ phase: "hibernated" });
    await world.clock.advance("40m");
    expect(world.script.starts.map(({ id }) => id).sort()).toEqual(["asleep", "gone"]);
    expect(await runtime.peek(Diary, "gone")).toMatchObject({ calls: 1, entries: [{ alarm: "ring" }] });
  });

  test("state, effects and the acknowledgement are one commit", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    world.script.behave = (_context, alarm) => (alarm === "ring" ? [schedule("chime", "1s")] : []);
    await diary.plan("ring", "1s");
    const before = world.store.applied.length;
    await world.clock.advance(1_000);
    const commits = world.store.applied.slice(before).flatMap(({ writes }) => writes);
    expect(commits).toHaveLength(1);
    expect(commits[0]?.alarms).toEqual([
      { change: "acknowledge", name: "ring", generation: 1 },
      { change: "set", name: "chime", dueAt: world.clock.nowMs + 1_000, payload: null, rule: null },
    ]);
    expect(commits[0]?.state).toContain('"alarm":"ring"');
    // Nothing was written before the handler started either.
    expect(world.store.sent.length).toBe(world.store.applied.length);
  });

  test("an alarm sets the next one of a chain", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    const setMs = world.clock.nowMs;
    world.script.behave = (_context, alarm) =>
      alarm === "ring" ? [schedule("chime", 700)] : alarm === "chime" ? [schedule("tick", 20)] : [];
    await diary.plan("ring", 1_300);
    await world.clock.advance("5s");
    expect(world.script.names).toEqual(["ring", "chime", "tick"]);
    expect(world.script.times(setMs)).toEqual([1_300, 2_000, 2_020]);
    expect(await diary.alarms.list()).toEqual([]);
  });

  test("one that is due already fires at once, however long ago it was due", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    await diary.alarms.schedule("ring", new Date(0));
    await diary.alarms.schedule("chime", new Date(-5));
    await diary.plan("tick", 0);
    await world.clock.advance(5);
    expect(world.script.names.toSorted()).toEqual(["chime", "ring", "tick"]);
    expect(world.script.starts.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
    expect(world.script.starts.find(({ alarm }) => alarm === "ring")?.dueMs).toBe(0);
  });

  test("one that is a year ahead waits for a year", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    const setMs = world.clock.nowMs;
    await diary.plan("ring", "365d");
    await diary.plan("tick", "36500d");
    // More than 2^31 ms, which timers cannot wait.
    for (let month = 0; month < 12; month++) {
      await world.clock.oversleep("30d");
      await world.clock.advance("5s");
    }
    expect(world.script.starts).toEqual([]);
    await world.clock.oversleep(setMs + 365 * day - 1 - world.clock.nowMs);
    expect(world.script.starts).toEqual([]);
    await world.clock.advance("1s");
    expect(world.script.names).toEqual(["ring"]);
    expect((await diary.alarms.list()).map(({ name }) => name)).toEqual(["tick"]);
  });

  test("it fires to the millisecond, however far the next look is", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const setMs = world.clock.nowMs;
    const delays = [3, 17, 999, 1_000, 1_001, 29_999, 30_001, 61_234];
    for (const delay of delays) await runtime.get(world.script.Diary, `d${delay}`).planOnly("ring", delay);
    await world.clock.advance("2m");
    expect(world.script.times(setMs)).toEqual(delays);
  });

  test("an alarm goes with its object, and does not bring it back", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const { Diary } = world.script;
    await runtime.get(Diary, "deleted").plan("ring", "10s");
    await runtime.get(Diary, "destroyed").plan("ring", "10s");
    await runtime.delete(Diary, "deleted");
    await runtime.get(Diary, "destroyed").vanish();
    await world.clock.advance("1m");
    expect(world.script.starts).toEqual([]);
    expect(await runtime.peek(Diary, "deleted")).toBe(null);
    expect((await runtime.list(Diary)).objects).toEqual([]);
  });

  test("an alarm that was under way when its object was deleted does not bring it back", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const { Diary } = world.script;
    const diary = runtime.get(Diary, "a");
    await diary.plan("ring", "1s");
    await runtime.deactivate(Diary, "a");
    // The alarm is read and waits for its object to be loaded, in front of it is the deletion.
    const load = world.store.holdLoads();
    const deleted = runtime.delete(Diary, "a");
    await world.clock.advance("2s");
    load();
    await deleted;
    await world.clock.advance("1m");
    expect(world.script.starts).toEqual([]);
    expect(await runtime.peek(Diary, "a")).toBe(null);
    expect((await runtime.list(Diary)).objects).toEqual([]);
  });

  test("an alarm of an object that was deleted does not fire at the one that follows it", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const { Diary } = world.script;
    await runtime.get(Diary, "a").plan("ring", "10s");
    await runtime.delete(Diary, "a");
    await runtime.get(Diary, "a").touch();
    await world.clock.advance("1m");
    expect(world.script.starts).toEqual([]);
    expect(await runtime.get(Diary, "a").entries()).toEqual([]);
  });

  test("a handler that destroys its object ends everything, its own repetition included", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const { Diary } = world.script;
    world.script.behave = () => [schedule("chime", "1s"), destroy()];
    await runtime.get(Diary, "a").alarms.schedule("ring", { every: "1s" });
    await world.clock.advance("1m");
    expect(world.script.names).toEqual(["ring"]);
    expect((await runtime.list(Diary)).objects).toEqual([]);
  });
});
