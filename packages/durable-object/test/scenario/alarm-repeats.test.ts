/** Alarms that repeat: by an interval or by a cron pattern, through daylight saving, downtime and failures. */

import { describe, expect, test } from "vitest";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { codeOf } from "../support/outcome-of.ts";
import { onEveryStore } from "../support/stores.ts";

const hour = 3_600_000;

onEveryStore("alarms repeat", (stores) => {
  test("every so often, each occurrence a firing of its own", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    const setMs = world.clock.nowMs;
    await diary.alarms.schedule("ring", { every: "90s", payload: "p" });
    await diary.alarms.schedule("chime", new Date(setMs + 1_000), { every: "2m" });
    await world.clock.advance("5m");
    const rings = world.script.starts.filter(({ alarm }) => alarm === "ring");
    expect(rings.map(({ atMs }) => atMs - setMs)).toEqual([90_000, 180_000, 270_000]);
    expect(rings.map(({ dueMs }) => dueMs - setMs)).toEqual([90_000, 180_000, 270_000]);
    expect(rings.map(({ payload, attempt }) => [payload, attempt])).toEqual([1, 2, 3].map(() => ["p", 1]));
    expect(new Set(rings.map(({ firingId }) => firingId)).size).toBe(3);
    const chimes = world.script.starts.filter(({ alarm }) => alarm === "chime");
    expect(chimes.map(({ atMs }) => atMs - setMs)).toEqual([1_000, 121_000, 241_000]);
    expect((await diary.alarms.list()).map(({ name, at, every }) => [name, at.getTime() - setMs, every])).toEqual([
      ["ring", 360_000, "90s"],
      ["chime", 361_000, "2m"],
    ]);
    expect(await diary.entries()).toHaveLength(6);
  });

  test("the next occurrence is set in the commit of the one before", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    await runtime.get(world.script.Diary, "a").alarms.schedule("ring", { every: "1s" });
    const before = world.store.applied.length;
    await world.clock.advance("3s");
    const writes = world.store.applied.slice(before).flatMap((batch) => batch.writes);
    expect(writes.map(({ alarms }) => alarms.map(({ change }) => change))).toEqual([["set"], ["set"], ["set"]]);
    expect(writes.every(({ state }) => state !== null)).toBe(true);
  });

  test("a handler slower than its interval never runs twice at once, and stays on the beat", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const setMs = world.clock.nowMs;
    world.script.behave = async () => {
      await world.clock.sleep("25s");
      return [];
    };
    await runtime.get(world.script.Diary, "a").alarms.schedule("ring", { every: "10s" });
    await world.clock.advance("110s");
    expect(world.script.overlaps).toBe(0);
    expect(world.script.times(setMs)).toEqual([10_000, 40_000, 70_000, 100_000]);
  });

  test("a retry does not move the beat", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const setMs = world.clock.nowMs;
    world.script.behave = ({ attempt }) => {
      if (attempt <= 2) throw new Error("not yet");
      return [];
    };
    await runtime.get(world.script.Diary, "a").alarms.schedule("ring", { every: "1m" });
    await world.clock.advance("130s");
    expect(world.script.times(setMs)).toEqual([60_000, 62_000, 66_000, 120_000, 122_000, 126_000]);
    // When it was due is when it was set for, not when it is tried again.
    expect(world.script.starts.map(({ dueMs }) => dueMs - setMs)).toEqual([
      60_000, 60_000, 60_000, 120_000, 120_000, 120_000,
    ]);
  });

  test("by a cron pattern in a time zone", async () => {
    const world = await AlarmWorld.create(stores, new Date("2030-06-07T06:59:50Z"));
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    await diary.alarms.schedule("ring", { cron: "0 9 * * 1-5", timeZone: "Europe/Berlin" });
    expect((await diary.alarms.list())[0]).toMatchObject({ cron: "0 9 * * 1-5", timeZone: "Europe/Berlin" });
    await world.clock.advance("20s");
    expect(world.script.starts.map(({ atMs }) => new Date(atMs).toISOString())).toEqual(["2030-06-07T07:00:00.000Z"]);
    // A Friday: the next one is on Monday.
    expect((await diary.alarms.list())[0]?.at.toISOString()).toBe("2030-06-10T07:00:00.000Z");
  });

  describe("through the night in which the clocks change", () => {
    test.each([
      // Berlin, 31 March 2030: 02:00 becomes 03:00, at 01:00 UTC.
      ["Europe/Berlin", "0 9 * * *", "2030-03-30T12:00:00Z", ["2030-03-31T07:00", "2030-04-01T07:00"]],
      ["Europe/Berlin", "30 * * * *", "2030-03-31T00:10:00Z", ["2030-03-31T00:30", "2030-03-31T01:30"]],
      // Berlin, 27 October 2030: 03:00 becomes 02:00, at 01:00 UTC.
      ["Europe/Berlin", "0 9 * * *", "2030-10-26T12:00:00Z", ["2030-10-27T08:00", "2030-10-28T08:00"]],
      // New York, 10 March 2030: 02:00 becomes 03:00, at 07:00 UTC; 3 November: 02:00 becomes 01:00, at 06:00 UTC.
      ["America/New_York", "0 9 * * *", "2030-03-09T15:00:00Z", ["2030-03-10T13:00", "2030-03-11T13:00"]],
      ["America/New_York", "0 9 * * *", "2030-11-02T15:00:00Z", ["2030-11-03T14:00", "2030-11-04T14:00"]],
    ])("%s, %s from %s", async (timeZone, cron, start, expected) => {
      const world = await AlarmWorld.create(stores, new Date(start));
      const runtime = await world.start();
      await runtime.get(world.script.Diary, "a").alarms.schedule("ring", { cron, timeZone });
      for (const at of expected) {
        // To ten seconds before, at once.
        await world.clock.oversleep(new Date(`${at}Z`).getTime() - 10_000 - world.clock.nowMs);
        await world.clock.advance("20s");
      }
      expect(world.script.starts.map(({ atMs }) => new Date(atMs).toISOString())).toEqual(
        expected.map((at) => `${at}:00.000Z`),
      );
    });
  });

  describe("after a downtime of three and a half hours", () => {
    const beats = {
      once: [3.5, 4],
      skip: [4],
      all: [3.5, 3.5, 3.5, 4],
    } as const;
    const dues = { once: [1, 4], skip: [4], all: [1, 2, 3, 4] } as const;

    test.each(["once", "skip", "all"] as const)("with misfire %s", async (misfire) => {
      const world = await AlarmWorld.create(stores);
      const first = await world.start();
      const setMs = world.clock.nowMs;
      await first.get(world.script.Diary, "a").alarms.schedule("ring", { every: "1h", misfire });
      await first.get(world.script.Diary, "b").alarms.schedule("ring", { cron: "0 * * * *", misfire });
      await world.stop(first);
      await world.clock.oversleep(setMs + 3.5 * hour - world.clock.nowMs);
      await world.start();
      await world.clock.advance("31m");
      for (const id of ["a", "b"]) {
        const starts = world.script.starts.filter((start) => start.id === id);
        expect(starts.map(({ atMs }) => Math.round(((atMs - setMs) / hour) * 10) / 10)).toEqual(beats[misfire]);
        expect(starts.map(({ dueMs }) => (dueMs - setMs) / hour)).toEqual(dues[misfire]);
      }
    });

    test.each(["once", "skip", "all"] as const)("of a machine that slept, with misfire %s", async (misfire) => {
      const world = await AlarmWorld.create(stores);
      const runtime = await world.start();
      const setMs = world.clock.nowMs;
      await runtime.get(world.script.Diary, "a").alarms.schedule("ring", { every: "1h", misfire });
      await world.clock.advance("5s");
      await world.clock.oversleep(3.5 * hour - 5_000);
      await world.clock.advance("31m");
      expect(world.script.starts.map(({ dueMs }) => (dueMs - setMs) / hour)).toEqual(dues[misfire]);
    });
  });

  test("an occurrence that is merely a little late is not missed", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    await runtime.get(world.script.Diary, "a").alarms.schedule("ring", { every: "1h", misfire: "skip" });
    await world.clock.oversleep(hour + 5);
    expect(world.script.starts).toHaveLength(1);
  });

  test("it survives restarts on the beat", async () => {
    const world = await AlarmWorld.create(stores);
    const setMs = world.clock.nowMs;
    await (await world.start()).get(world.script.Diary, "a").alarms.schedule("ring", { every: "10s" });
    for (let life = 0; life < 4; life++) {
      await world.clock.advance("7s");
      await world.kill();
      await world.start();
    }
    await world.clock.advance("12s");
    expect(world.script.times(setMs)).toEqual([10_000, 20_000, 30_000, 40_000]);
  });

  test("rules that make no sense are refused, and nothing is set", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const { alarms } = runtime.get(world.script.Diary, "a");
    const wrong = [
      { every: "0s" },
      { every: "1h", cron: "* * * * *" },
      { every: "1h", timeZone: "Europe/Berlin" },
      { cron: "61 * * * *" },
      { cron: "nonsense" },
      { cron: "0 9 * * *", timeZone: "Europe/Atlantis" },
      { cron: "0 9 * * *", misfire: "sometimes" },
      { every: "1h", retry: { attempts: 0 } },
      { every: "1h", retry: { backoff: "soon" } },
      // 30 February: there is no first occurrence.
      { cron: "0 0 30 2 *" },
    ];
    for (const rule of wrong) {
      expect(await codeOf(alarms.schedule("ring", rule as { every: "1h" })), JSON.stringify(rule)).toBe(
        "INVALID_ARGUMENTS",
      );
    }
    expect(await alarms.list()).toEqual([]);
  });
});
