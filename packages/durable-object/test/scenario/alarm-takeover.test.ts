/** A process dies while its alarms fire: the next one fires them again, and their effect is there once. */

import { expect, test } from "vitest";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { onEveryStore, stores, type TestStores } from "../support/stores.ts";

const hour = 3_600_000;

onEveryStore("alarms go on when their process dies", (each) => {
  test("one that is running is fired again by the next owner, and its effect is there once", async () => {
    const world = await AlarmWorld.create(each);
    const first = await world.start();
    let slow = true;
    world.script.behave = async () => {
      if (slow) await world.clock.sleep("5m");
      return [];
    };
    await first.get(world.script.Diary, "a").plan("ring", "1s");
    await world.clock.advance("1m");
    expect(world.script.starts).toHaveLength(1);
    await world.kill();
    slow = false;
    const second = await world.start();
    await world.clock.advance("10m");
    expect(world.script.starts).toHaveLength(2);
    expect(new Set(world.script.starts.map(({ firingId }) => firingId)).size).toBe(1);
    expect(await second.get(world.script.Diary, "a").entries()).toHaveLength(1);
  });

  test("one whose commit was on its way is fired again only if the commit did not land", async () => {
    for (const where of ["before", "after"] as const) {
      const world = await AlarmWorld.create(each);
      const first = await world.start();
      await first.get(world.script.Diary, "a").plan("ring", "1s");
      const held = world.store.holdNextCommit(where);
      await world.clock.advance("2s");
      await held.reached;
      await world.kill();
      const second = await world.start();
      await world.clock.advance("10s");
      expect(world.script.starts).toHaveLength(where === "before" ? 2 : 1);
      expect(await second.get(world.script.Diary, "a").entries()).toHaveLength(1);
      expect(await second.get(world.script.Diary, "a").alarms.list()).toEqual([]);
    }
  });

  test("one that was set and acknowledged to its caller is not lost", async () => {
    const world = await AlarmWorld.create(each);
    const first = await world.start();
    await first.get(world.script.Diary, "a").alarms.schedule("ring", "1h");
    await world.kill();
    await world.clock.oversleep("2h");
    await world.start();
    await world.clock.advance("1s");
    expect(world.script.names).toEqual(["ring"]);
  });

  test("a retry goes on where it was", async () => {
    const world = await AlarmWorld.create(each);
    const first = await world.start();
    const setMs = world.clock.nowMs;
    world.script.behave = () => "fail";
    await first.get(world.script.Diary, "a").plan("ring", 0);
    await world.clock.advance("4s");
    await world.kill();
    await world.start();
    await world.clock.advance("30s");
    expect(world.script.times(setMs)).toEqual([0, 2_000, 6_000, 14_000, 30_000]);
    expect(world.script.starts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5]);
  });

  test("occurrences that were missed are treated as the alarm says", async () => {
    const world = await AlarmWorld.create(each);
    const first = await world.start();
    const setMs = world.clock.nowMs;
    await first.get(world.script.Diary, "once").alarms.schedule("ring", { every: "1h" });
    await first.get(world.script.Diary, "all").alarms.schedule("ring", { every: "1h", misfire: "all" });
    await first.get(world.script.Diary, "skip").alarms.schedule("ring", { every: "1h", misfire: "skip" });
    await world.kill();
    await world.clock.oversleep(3.5 * hour);
    await world.start();
    await world.clock.advance("31m");
    const dues = (id: string): number[] =>
      world.script.starts.filter((start) => start.id === id).map(({ dueMs }) => (dueMs - setMs) / hour);
    expect(dues("once")).toEqual([1, 4]);
    expect(dues("all")).toEqual([1, 2, 3, 4]);
    expect(dues("skip")).toEqual([4]);
  });
});

// What is in memory dies with its process, and nothing there can know how it ended.
const durable = stores.find(({ name }) => name === "sqlite") as TestStores;

test("an alarm that kills its process is dead after its last attempt", async () => {
  const world = await AlarmWorld.create(durable);
  let runtime = await world.start({ alarmRetry: { attempts: 3 } });
  let deadly = true;
  world.script.behave = async ({ id }) => {
    if (deadly && id === "deadly") {
      await world.kill();
      await world.clock.sleep("1s");
    }
    return [];
  };
  await runtime.get(world.script.Diary, "deadly").plan("ring", "1s");
  await runtime.get(world.script.Diary, "innocent").plan("ring", "15s");
  for (let life = 0; life < 6; life++) {
    await world.clock.advance("2s");
    // Where the alarm has not done it.
    await world.kill();
    runtime = await world.start({ alarmRetry: { attempts: 3 } });
  }
  await world.clock.advance("10s");
  deadly = false;
  const starts = world.script.starts.filter(({ id }) => id === "deadly");
  expect(starts.length).toBeLessThanOrEqual(3);
  expect(starts.map(({ attempt }) => attempt)).toEqual([1, 2, 3].slice(0, starts.length));
  expect(await runtime.alarms.dead(world.script.Diary)).toMatchObject([{ id: "deadly", status: "dead" }]);
  expect(await runtime.get(world.script.Diary, "innocent").entries()).toHaveLength(1);
  expect(await runtime.alarms.redrive(world.script.Diary, "deadly", "ring")).toBe(true);
  await world.clock.advance("1s");
  expect(await runtime.get(world.script.Diary, "deadly").entries()).toHaveLength(1);
});

test("a process that dies again and again before anything starts makes nothing dead", async () => {
  const world = await AlarmWorld.create(durable);
  const first = await world.start();
  for (const id of ["a", "b"]) await first.get(world.script.Diary, id).plan("ring", "1s");
  for (let life = 0; life < 15; life++) {
    await world.kill();
    await world.clock.oversleep("5s");
    await world.start();
  }
  await world.clock.advance("1m");
  expect(await world.runtime.alarms.dead(world.script.Diary)).toEqual([]);
  expect(world.script.starts.map(({ id }) => id).toSorted()).toEqual(["a", "b"]);
});

test("an unclean end counts one attempt for what was due, before it starts again, and once", async () => {
  const world = await AlarmWorld.create(durable);
  const first = await world.start();
  await first.get(world.script.Diary, "due").plan("ring", "1s");
  await first.get(world.script.Diary, "later").plan("ring", "1h");
  await world.kill();
  await world.clock.oversleep("5s");
  const second = await world.start();
  await world.clock.advance("1s");
  expect(world.script.starts.map(({ id, attempt }) => [id, attempt])).toEqual([["due", 2]]);
  // What this owner sets for a time that is past was not running when the other one died.
  await second.get(world.script.Diary, "new").alarms.schedule("ring", new Date(0));
  await second.get(world.script.Diary, "once").plan("ring", 0, { retry: { attempts: 1 } });
  await world.clock.advance("1h");
  expect(world.script.starts.slice(1).map(({ id, attempt }) => [id, attempt])).toEqual([
    ["new", 1],
    ["once", 1],
    ["later", 1],
  ]);
});

test("a clean end counts nothing", async () => {
  const world = await AlarmWorld.create(durable);
  const first = await world.start();
  await first.get(world.script.Diary, "a").plan("ring", "10s");
  await world.stop(first);
  await world.clock.oversleep("1h");
  await world.start();
  await world.clock.advance("1s");
  expect(world.script.starts.map(({ attempt }) => attempt)).toEqual([1]);
});

test("an alarm that may be tried once runs at least once, although its process died before", async () => {
  const world = await AlarmWorld.create(durable);
  const first = await world.start();
  await first.get(world.script.Diary, "a").plan("ring", "10s", { retry: { attempts: 1 } });
  await world.kill();
  await world.clock.oversleep("1h");
  const second = await world.start();
  await world.clock.advance("1s");
  expect(world.script.starts).toHaveLength(1);
  expect(await second.get(world.script.Diary, "a").entries()).toHaveLength(1);
});

test("occurrences that this owner catches up with count nothing either", async () => {
  const world = await AlarmWorld.create(durable);
  const first = await world.start();
  const rule = { every: "1h", misfire: "all", retry: { attempts: 1 } } as const;
  await first.get(world.script.Diary, "a").alarms.schedule("ring", rule);
  await world.kill();
  await world.clock.oversleep(5.5 * hour);
  const second = await world.start();
  await world.clock.advance("1s");
  expect(world.script.starts.map(({ attempt }) => attempt)).toEqual([2, 1, 1, 1, 1]);
  expect(await second.alarms.dead(world.script.Diary)).toEqual([]);
});
