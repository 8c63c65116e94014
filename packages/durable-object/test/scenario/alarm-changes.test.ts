/** An alarm that was changed fires as it is now: never as it was, and never twice. */

import { expect, test } from "vitest";
import { cancel, cancelAll, schedule } from "../../src/index.ts";
import { gates } from "../fixtures/alarm-diary.ts";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { gate } from "../support/gate.ts";
import { codeOf } from "../support/outcome-of.ts";
import { onEveryStore } from "../support/stores.ts";

onEveryStore("an alarm that was changed fires as it is now", (stores) => {
  test("moved into the future while it waits for its object, it does not fire early, and is not lost", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a", { timeout: "never" });
    const slow = gate();
    gates.set("moved", slow.passed);
    const setMs = world.clock.nowMs;
    await diary.plan("ring", "5s");
    // A slow call is in the way when the alarm is due, and moves it.
    const moving = diary.planWhenOpen("ring", 3_600_000, "moved");
    await world.clock.advance("10s");
    slow.open();
    await moving;
    await world.clock.advance("59m");
    expect(world.script.starts).toEqual([]);
    await world.clock.advance("5m");
    expect(world.script.times(setMs)).toEqual([3_610_000]);
    expect(await diary.entries()).toHaveLength(1);
    expect(await diary.alarms.list()).toEqual([]);
  });

  test("moved by a slow call while the runtime stops, it does not fire early either", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a", { timeout: "never" });
    const slow = gate();
    gates.set("stopping", slow.passed);
    await diary.alarms.schedule("ring", { every: "5s" });
    const moving = diary.planWhenOpen("ring", 3_600_000, "stopping");
    await world.clock.advance("6s");
    const stopping = runtime.stop();
    await world.clock.settle();
    slow.open();
    await moving;
    await world.clock.advance("1s");
    await stopping;
    expect(world.script.starts).toEqual([]);
    const next = await world.start();
    const [alarm] = await next.get(world.script.Diary, "a").alarms.list();
    expect(alarm).toMatchObject({ name: "ring", generation: 2 });
    expect(alarm?.every).toBe(undefined);
    await world.clock.advance("1h");
    expect(world.script.names).toEqual(["ring"]);
  });

  test("called off while it waits for its object, it does not fire", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a", { timeout: "never" });
    const slow = gate();
    gates.set("called off", slow.passed);
    await diary.plan("ring", "5s");
    await diary.plan("chime", "5s");
    await diary.plan("tick", "6s");
    const inTheWay = diary.planWhenOpen("tick", 60_000, "called off");
    const calledOff = diary.callOff("ring");
    await world.clock.advance("10s");
    slow.open();
    await Promise.all([inTheWay, calledOff]);
    await world.clock.advance("20s");
    expect(world.script.names).toEqual(["chime"]);
    await world.clock.advance("1h");
    expect(world.script.names).toEqual(["chime", "tick"]);
  });

  test("all called off while they wait, none fires", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a", { timeout: "never" });
    const slow = gate();
    gates.set("all", slow.passed);
    await diary.plan("ring", "5s");
    await diary.plan("chime", "5s");
    const inTheWay = diary.planWhenOpen("tick", 60_000, "all");
    const calledOff = diary.callOffAll();
    await world.clock.advance("10s");
    slow.open();
    await Promise.all([inTheWay, calledOff]);
    await world.clock.advance("1h");
    expect(world.script.names).toEqual([]);
  });

  test("it starts only when everything before it is durable", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a", { timeout: "never" });
    await diary.touch();
    await diary.plan("ring", "5s");
    await world.clock.advance("4s");
    const held = world.store.holdNextCommit();
    const touched = diary.touch();
    await held.reached;
    await world.clock.advance("5s");
    expect(world.script.starts).toEqual([]);
    held.release();
    await touched;
    await world.clock.advance("1s");
    expect(world.script.names).toEqual(["ring"]);
  });

  test("while the commit that moves it is in flight, it waits for the end of it", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const { Diary } = world.script;
    for (const [id, end] of [["moved"], ["stays", "refused"]] as const) {
      const diary = runtime.get(Diary, id, { timeout: "never" });
      await diary.plan("ring", "5s");
      await diary.touch();
      await world.clock.advance("4s");
      const held = world.store.holdNextCommit("before", end);
      const moving = codeOf(diary.plan("ring", "1h"));
      await held.reached;
      await world.clock.advance("5s");
      expect(world.script.starts).toEqual([]);
      held.release();
      expect(await moving).toBe(end === undefined ? "ok" : "COMMIT_FAILED");
      await world.clock.advance("5s");
      expect(world.script.starts.map((start) => start.id)).toEqual(end === undefined ? [] : ["stays"]);
    }
    await world.clock.advance("1h");
    expect(world.script.starts.map((start) => start.id)).toEqual(["stays", "moved"]);
  });

  test("while the commit that moves it is in doubt, it waits until that is known", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a", { timeout: "never" });
    await diary.plan("ring", "5s");
    await world.clock.advance("4999ms");
    world.store.loseNextAnswer();
    const moving = diary.plan("ring", "1h");
    await world.clock.advance("10s");
    await moving;
    expect(world.script.starts).toEqual([]);
    await world.clock.advance("1h");
    expect(world.script.names).toEqual(["ring"]);
  });

  test("set anew for an earlier time, it fires then, once", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    const setMs = world.clock.nowMs;
    await diary.plan("ring", "1h");
    await diary.plan("ring", "10s");
    await world.clock.advance("2h");
    expect(world.script.times(setMs)).toEqual([10_000]);
  });

  test("a handler that schedules its own name keeps the new setting", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    const setMs = world.clock.nowMs;
    world.script.behave = ({ state }) =>
      state.entries.length < 2 ? [schedule("ring", 1_500, { payload: state.entries.length })] : [];
    await diary.alarms.schedule("ring", { every: "1s" });
    await world.clock.advance("1m");
    // It repeated until its handler set it for once.
    expect(world.script.times(setMs)).toEqual([1_000, 2_500, 4_000]);
    expect(world.script.starts.map(({ payload }) => payload)).toEqual([undefined, 0, 1]);
    expect(await diary.alarms.list()).toEqual([]);
  });

  test("a handler that calls off its own name, or all, has called it off", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const { Diary } = world.script;
    world.script.behave = ({ id }) => (id === "own" ? [cancel("ring")] : [cancelAll()]);
    for (const id of ["own", "all"]) {
      await runtime.get(Diary, id).alarms.schedule("ring", { every: "1s" });
      await runtime.get(Diary, id).plan("chime", "10d");
    }
    await world.clock.advance("10s");
    expect(world.script.names).toEqual(["ring", "ring"]);
    expect((await runtime.get(Diary, "own").alarms.list()).map(({ name }) => name)).toEqual(["chime"]);
    expect(await runtime.get(Diary, "all").alarms.list()).toEqual([]);
    expect(await runtime.get(Diary, "all").entries()).toHaveLength(1);
  });

  test("calls that come while the handler runs have the last word", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const { Diary } = world.script;
    const setMs = world.clock.nowMs;
    world.script.behave = async () => {
      await world.clock.sleep("10s");
      return [];
    };
    for (const id of ["moved", "cancelled"]) await runtime.get(Diary, id).alarms.schedule("ring", { every: "1m" });
    await world.clock.advance("65s");
    expect(world.script.starts).toHaveLength(2);
    const moving = runtime.get(Diary, "moved", { timeout: "1m" }).alarms.schedule("ring", "1h");
    const cancelling = runtime.get(Diary, "cancelled", { timeout: "1m" }).alarms.cancel("ring");
    await world.clock.advance("10s");
    await moving;
    expect(await cancelling).toBe(true);
    await world.clock.advance("2h");
    expect(world.script.starts.map(({ id, atMs }) => [id, Math.round((atMs - setMs) / 60_000)])).toEqual([
      ["moved", 1],
      ["cancelled", 1],
      ["moved", 61],
    ]);
    expect(world.script.overlaps).toBe(0);
  });

  test("every setting has a generation of its own, and a firing id", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    const generations: number[] = [];
    for (const delay of [5_000, 5_000, 7_000]) {
      await diary.plan("ring", delay);
      await diary.touch();
      const [alarm] = await diary.alarms.list();
      generations.push(alarm?.generation ?? 0);
    }
    expect(generations).toEqual(generations.toSorted((a, b) => a - b));
    expect(new Set(generations).size).toBe(3);
    await world.clock.advance("10s");
    await diary.plan("ring", "1s");
    await world.clock.advance("10s");
    const ids = world.script.starts.map(({ firingId }) => firingId);
    expect(new Set(ids).size).toBe(2);
  });

  test("cancel says whether it was set; the list is in order", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const { alarms } = runtime.get(world.script.Diary, "a");
    await alarms.schedule("ring", "2s");
    await alarms.schedule("chime", "1s");
    await alarms.schedule("tick", "3s");
    expect((await alarms.list()).map(({ name }) => name)).toEqual(["chime", "ring", "tick"]);
    expect(await alarms.cancel("ring")).toBe(true);
    expect(await alarms.cancel("ring")).toBe(false);
    await alarms.cancelAll();
    await alarms.cancelAll();
    expect(await alarms.list()).toEqual([]);
    await world.clock.advance("1m");
    expect(world.script.starts).toEqual([]);
  });
});
