/** Alarms that fail: tried again with growing waits, dead in the end, and brought back. What is not their fault does not count. */

import { describe, expect, test } from "vitest";
import { schedule } from "../../src/index.ts";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore } from "../support/stores.ts";

const broken = (): never => {
  throw new Error("the mail server is down");
};

onEveryStore("an alarm that fails is tried again", (stores) => {
  test("with waits that double, twelve times in all; then it is dead and stays", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const { Diary } = world.script;
    const diary = runtime.get(Diary, "a");
    const setMs = world.clock.nowMs;
    world.script.behave = broken;
    await diary.plan("ring", "1s", { payload: "p" });
    await world.clock.advance("2h");
    const waits = world.script.times(setMs).map((at, index, all) => at - (index === 0 ? 0 : (all[index - 1] ?? 0)));
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048].map((seconds) => seconds * 1_000));
    expect(world.script.starts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    // Every attempt is the same firing.
    expect(new Set(world.script.starts.map(({ firingId }) => firingId)).size).toBe(1);
    expect(new Set(world.script.starts.map(({ payload }) => payload))).toEqual(new Set(["p"]));
    expect(new Set(world.script.starts.map(({ dueMs }) => dueMs - setMs))).toEqual(new Set([1_000]));
    const dead = { name: "ring", status: "dead", attempts: 12, payload: "p" };
    const lastError = expect.stringContaining("the mail server is down") as unknown;
    expect(await diary.alarms.list()).toMatchObject([{ ...dead, lastError }]);
    expect(await runtime.alarms.dead(Diary)).toMatchObject([{ ...dead, lastError, id: "a", tenant: "" }]);
    expect(await diary.entries()).toEqual([]);
    await world.clock.oversleep("30d");
    await world.clock.advance("1m");
    expect(world.script.starts).toHaveLength(12);
    expect(await runtime.alarms.dead("diary")).toHaveLength(1);
  });

  test("the list shows the attempts and the next time while it is tried", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    const setMs = world.clock.nowMs;
    world.script.behave = () => "fail";
    await diary.plan("ring", "1s");
    await world.clock.advance("4s");
    const [alarm] = await diary.alarms.list();
    expect(alarm).toMatchObject({ status: "set", attempts: 2, generation: 1 });
    expect(alarm?.lastError).toContain("failed");
    expect((alarm?.at.getTime() ?? 0) - setMs).toBe(7_000);
    expect(await runtime.alarms.dead(world.script.Diary)).toEqual([]);
  });

  test("also when it fails with a text that not every database takes", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    world.script.behave = () => {
      throw new Error("\0 and \ud800");
    };
    await diary.plan("ring", "1s");
    await world.clock.advance("1s");
    const [alarm] = await diary.alarms.list();
    expect(alarm).toMatchObject({ status: "set", attempts: 1 });
    expect(alarm?.lastError).toContain("\ufffd and \ufffd");
    // Such a name is none that an alarm can have.
    expect(await codeOf(diary.alarms.cancel("ring\0" as "ring"))).toBe("INVALID_ARGUMENTS");
  });

  test("a wait has a quarter of jitter", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const setMs = world.clock.nowMs;
    world.script.behave = broken;
    world.clock.chance = 0;
    await runtime.get(world.script.Diary, "a").plan("ring", 0);
    await world.clock.advance("2s");
    expect(world.script.times(setMs)).toEqual([0, 1_500]);
    world.clock.chance = 0.9999;
    await world.clock.advance("20s");
    // After 3 s with a quarter less, then after 8 s with a quarter more.
    expect(world.script.times(setMs)).toEqual([0, 1_500, 4_500, 14_500]);
  });

  test("a wait begins when the handler has failed, however late that is", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const setMs = world.clock.nowMs;
    world.script.behave = async () => {
      await world.clock.sleep("30s");
      return broken();
    };
    await runtime.get(world.script.Diary, "a").plan("ring", "1s");
    await world.clock.oversleep("1m");
    await world.clock.advance("90s");
    // Started a minute late and failed after half a minute; then after 2 s, and after 4 s.
    expect(world.script.times(setMs)).toEqual([60_000, 92_000, 126_000]);
  });

  test("as the alarm says, or the runtime", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start({ alarmRetry: { attempts: 3, backoff: "10s" } });
    const { Diary } = world.script;
    const setMs = world.clock.nowMs;
    world.script.behave = broken;
    await runtime.get(Diary, "default").plan("ring", 0);
    await runtime.get(Diary, "own").plan("ring", 0, { retry: { attempts: 4, backoff: "1h", maxBackoff: "90m" } });
    await runtime.get(Diary, "once").plan("ring", 0, { retry: { attempts: 1 } });
    await world.clock.advance("10h");
    const minutes = (id: string): number[] =>
      world.script.starts.filter((start) => start.id === id).map(({ atMs }) => (atMs - setMs) / 60_000);
    expect(minutes("default")).toEqual([0, 1 / 6, 0.5]);
    expect(minutes("own")).toEqual([0, 60, 150, 240]);
    expect(minutes("once")).toEqual([0]);
    expect((await runtime.alarms.dead(Diary)).map(({ id, attempts }) => [id, attempts])).toEqual([
      ["default", 3],
      ["once", 1],
      ["own", 4],
    ]);
  });

  test("nothing of a failed attempt is kept, its effects included", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    world.script.behave = ({ attempt }, alarm) => {
      if (alarm !== "ring") return [];
      if (attempt === 1) return [schedule("chime", "1s"), schedule("nothing" as "tick", "1s")];
      return [schedule("tick", "1h")];
    };
    await diary.plan("ring", "1s");
    await world.clock.advance("10s");
    expect(world.script.names).toEqual(["ring", "ring"]);
    expect(await diary.entries()).toHaveLength(1);
    expect((await diary.alarms.list()).map(({ name }) => name)).toEqual(["tick"]);
  });

  test("a dead alarm is redriven, set anew, or called off", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start({ alarmRetry: { attempts: 2 } });
    const { Diary } = world.script;
    world.script.behave = broken;
    const ids = ["redriven", "renewed", "cancelled"];
    for (const id of ids) await runtime.get(Diary, id).plan("ring", 0, { payload: id });
    await world.clock.advance("1m");
    expect((await runtime.alarms.dead(Diary)).map(({ id }) => id)).toEqual(ids.toSorted());
    const page = await runtime.alarms.dead(Diary, { limit: 1, after: { id: "cancelled", name: "ring" } });
    expect(page.map(({ id }) => id)).toEqual(["redriven"]);
    expect(await runtime.alarms.dead(Diary, { tenant: "other" })).toEqual([]);

    world.script.behave = () => [];
    world.script.starts.length = 0;
    expect(await runtime.alarms.redrive(Diary, "redriven", "ring")).toBe(true);
    expect(await runtime.alarms.redrive(Diary, "redriven", "chime")).toBe(false);
    expect(await runtime.alarms.redrive(Diary, "nobody", "ring")).toBe(false);
    await runtime.get(Diary, "renewed").plan("ring", "1s");
    expect(await runtime.get(Diary, "cancelled").alarms.cancel("ring")).toBe(true);
    await world.clock.advance("1m");
    expect(world.script.starts.map(({ id, attempt, payload }) => [id, attempt, payload])).toEqual([
      ["redriven", 1, "redriven"],
      ["renewed", 1, undefined],
    ]);
    expect(await runtime.alarms.redrive(Diary, "redriven", "ring")).toBe(false);
    expect(await runtime.alarms.dead(Diary)).toEqual([]);
    expect(await codeOf(runtime.alarms.dead(Diary, { limit: 0 }))).toBe("INVALID_OPTION");
    expect((await errorOf(runtime.alarms.redrive("unheard-of", "a", "ring"))).code).toBe("UNKNOWN_TYPE");
  });

  test("a repeating alarm that died and is redriven goes on on its beat", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start({ alarmRetry: { attempts: 2 } });
    const { Diary } = world.script;
    const setMs = world.clock.nowMs;
    world.script.behave = broken;
    await runtime.get(Diary, "a").alarms.schedule("ring", { every: "1m" });
    await world.clock.advance("150s");
    expect(world.script.times(setMs)).toEqual([60_000, 62_000]);
    world.script.behave = () => [];
    await runtime.alarms.redrive(Diary, "a", "ring");
    await world.clock.advance("100s");
    expect(world.script.times(setMs).slice(2)).toEqual([150_000, 180_000, 240_000]);
  });

  test("a state that is too large is a failure of the handler: it counts", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start({ maxStateBytes: 60, alarmRetry: { attempts: 3 } });
    const { Diary } = world.script;
    await runtime.get(Diary, "a").plan("ring", 0);
    await world.clock.advance("5m");
    expect(world.script.starts.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    const [dead] = await runtime.alarms.dead(Diary);
    expect(dead?.lastError).toContain("60");
    expect(await runtime.get(Diary, "a").entries()).toEqual([]);
  });

  test("a commit that the store refuses is laid to it, and tried again like any failure", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const diary = runtime.get(world.script.Diary, "a");
    await diary.plan("ring", "1s");
    world.store.failNextCommit("refused");
    await world.clock.advance("5m");
    expect(world.script.starts.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(await diary.entries()).toHaveLength(1);
    expect(await diary.alarms.list()).toEqual([]);
  });

  describe("what is not its fault does not count", () => {
    test("a commit for which there is no room", async () => {
      const world = await AlarmWorld.create(stores);
      const runtime = await world.start();
      const diary = runtime.get(world.script.Diary, "a");
      await diary.plan("ring", "1s");
      for (let failure = 0; failure < 3; failure++) world.store.failNextCommit("full");
      await world.clock.advance("5m");
      expect(world.script.starts.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1]);
      expect(new Set(world.script.starts.map(({ firingId }) => firingId)).size).toBe(1);
      expect(await diary.entries()).toHaveLength(1);
      expect(await diary.alarms.list()).toEqual([]);
    });

    test("a store that refuses whatever is written of its object, until it does not", async () => {
      const world = await AlarmWorld.create(stores);
      const runtime = await world.start();
      const { Diary } = world.script;
      await runtime.get(Diary, "a").plan("ring", "1s");
      await runtime.get(Diary, "b").plan("ring", "1s");
      world.store.poison("a");
      await world.clock.advance("30m");
      expect(await runtime.get(Diary, "b").entries()).toHaveLength(1);
      world.store.heal("a");
      await world.clock.advance("2m");
      expect(await runtime.get(Diary, "a").entries()).toHaveLength(1);
      expect(await runtime.get(Diary, "a").alarms.list()).toEqual([]);
      expect(await runtime.alarms.dead(Diary)).toEqual([]);
    });

    test("a commit whose fate is unknown: it is resolved, and the handler does not start again", async () => {
      const world = await AlarmWorld.create(stores);
      const runtime = await world.start();
      const diary = runtime.get(world.script.Diary, "a");
      await diary.plan("ring", "1s");
      await diary.plan("chime", "10s");
      world.store.loseNextAnswer();
      await world.clock.advance("5s");
      world.store.loseNextRequest();
      world.store.loseNextRequest();
      await world.clock.advance("1m");
      expect(world.script.starts.map(({ alarm, attempt }) => [alarm, attempt])).toEqual([
        ["ring", 1],
        ["chime", 1],
      ]);
      expect(await diary.entries()).toHaveLength(2);
      expect(await diary.alarms.list()).toEqual([]);
    });

    test("an object that cannot be loaded", async () => {
      const world = await AlarmWorld.create(stores);
      const runtime = await world.start();
      const { Diary } = world.script;
      await runtime.get(Diary, "a").plan("ring", "1s");
      await runtime.deactivate(Diary, "a");
      world.store.failLoads("retry");
      await world.clock.advance("1m");
      expect(world.script.starts).toEqual([]);
      world.store.failLoads(null);
      await world.clock.advance("1m");
      expect(world.script.starts.map(({ attempt }) => attempt)).toEqual([1]);
    });

    test("a mailbox that is full", async () => {
      const world = await AlarmWorld.create(stores);
      const runtime = await world.start({ mailboxLimit: 1 });
      const diary = runtime.get(world.script.Diary, "a", { timeout: "never" });
      world.script.behave = async () => {
        await world.clock.sleep("10s");
        return [];
      };
      for (const name of ["ring", "chime", "tick"] as const) await diary.plan(name, "1s");
      await world.clock.advance("2m");
      expect(world.script.names.toSorted()).toEqual(["chime", "ring", "tick"]);
      expect(world.script.starts.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
    });

    test("a store that was lost: the next owner fires it", async () => {
      const world = await AlarmWorld.create(stores);
      const runtime = await world.start();
      await runtime.get(world.script.Diary, "a").plan("ring", "1s");
      world.store.failNextCommit("lost");
      await world.clock.advance("1m");
      expect(world.script.starts).toHaveLength(1);
      await runtime.stop();
      const next = await world.start();
      await world.clock.advance("1s");
      expect(world.script.starts).toHaveLength(2);
      expect(await next.get(world.script.Diary, "a").entries()).toHaveLength(1);
    });

    test("a store that was lost after the commit: it is not fired again", async () => {
      const world = await AlarmWorld.create(stores);
      const runtime = await world.start();
      await runtime.get(world.script.Diary, "a").plan("ring", "1s");
      world.store.loseOwnershipAfterNextCommit();
      await world.clock.advance("1m");
      await runtime.stop();
      const next = await world.start();
      await world.clock.advance("1m");
      expect(world.script.starts).toHaveLength(1);
      expect(await next.get(world.script.Diary, "a").entries()).toHaveLength(1);
    });
  });
});
