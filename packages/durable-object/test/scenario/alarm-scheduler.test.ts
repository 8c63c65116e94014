/** The scheduler at work: one at a time for each object, in order, on a wall clock that jumps, until it is stopped. */

import { describe, expect, test } from "vitest";
import { createRuntime, defineObject, noreply, polling } from "../../src/index.ts";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { listen } from "../support/channels.ts";
import { onEveryStore } from "../support/stores.ts";

interface Warning {
  readonly warning: string;
  readonly message: string;
}

interface Event {
  readonly tenant: string;
  readonly type: string;
  readonly id: string;
  readonly alarm: string;
  readonly attempt: number;
  readonly lagMs: number;
  readonly durationMs?: number;
  readonly error?: { readonly code: string };
}

onEveryStore("the polling scheduler", (stores) => {
  test("alarms of one object run one at a time, in the order in which they are due", async () => {
    const world = await AlarmWorld.create(stores);
    const first = await world.start();
    world.script.behave = async () => {
      await world.clock.sleep("7s");
      return [];
    };
    const diary = first.get(world.script.Diary, "a");
    await diary.plan("tick", "1s");
    await diary.plan("ring", "3s");
    await diary.plan("chime", "2s");
    await world.clock.advance("30s");
    expect(world.script.names).toEqual(["tick", "chime", "ring"]);
    expect(world.script.overlaps).toBe(0);
    // After a downtime, when all are due at once, as well.
    await diary.plan("chime", "3s");
    await diary.plan("ring", "2s");
    await diary.plan("tick", "4s");
    await world.stop(first);
    await world.clock.oversleep("1h");
    await world.start();
    await world.clock.advance("1m");
    expect(world.script.names.slice(3)).toEqual(["ring", "chime", "tick"]);
    expect(world.script.overlaps).toBe(0);
  });

  test("alarms and calls of one object take turns", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    world.script.behave = async () => {
      await world.clock.sleep("2s");
      return [];
    };
    const diary = runtime.get(world.script.Diary, "a");
    await diary.plan("ring", "1s");
    await world.clock.advance("1500ms");
    const touched = diary.touch();
    await world.clock.advance("3s");
    expect(await touched).toBe(2);
    expect(await runtime.peek(world.script.Diary, "a")).toMatchObject({ calls: 2, entries: [{ alarm: "ring" }] });
  });

  test("a handler that runs for minutes runs once", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start({ callTimeout: "5s" });
    world.script.behave = async ({ signal }) => {
      await world.clock.sleep("10m");
      signal.throwIfAborted();
      return [];
    };
    await runtime.get(world.script.Diary, "a").plan("ring", "1s");
    await world.clock.advance("30m");
    expect(world.script.starts).toHaveLength(1);
    expect(await runtime.get(world.script.Diary, "a").entries()).toHaveLength(1);
  });

  test("a clock that is set forward makes alarms due within a second", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    await runtime.get(world.script.Diary, "a").plan("ring", "1h");
    await world.clock.advance("10s");
    world.clock.jump(3_600_000);
    await world.clock.advance("1s");
    expect(world.script.names).toEqual(["ring"]);
  });

  test("a clock that is set back makes them wait: none fires before its time", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const dueMs = world.clock.nowMs + 60_000;
    await runtime.get(world.script.Diary, "a").plan("ring", "1m");
    await world.clock.advance("50s");
    world.clock.jump(-600_000);
    await world.clock.advance("10m");
    expect(world.script.starts).toEqual([]);
    await runtime.get(world.script.Diary, "b").plan("chime", "2s");
    await world.clock.advance("1m");
    expect(world.script.starts.map(({ alarm, atMs }) => [alarm, atMs - dueMs])).toEqual([
      ["chime", -8_000],
      ["ring", 0],
    ]);
  });

  test("set back while a handler runs, a repeating alarm neither fires twice nor loses its beat", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start();
    const setMs = world.clock.nowMs;
    world.script.behave = async () => {
      await world.clock.sleep("5s");
      return [];
    };
    await runtime.get(world.script.Diary, "a").alarms.schedule("ring", { every: "1m" });
    await world.clock.advance("62s");
    world.clock.jump(-30_000);
    await world.clock.advance("3m");
    const times = world.script.times(setMs);
    expect(times.slice(0, 3)).toEqual([60_000, 120_000, 180_000]);
  });

  test("alarms of a type that is unknown here wait, and are reported once", async () => {
    const warnings = listen<Warning>("durable-object:warning");
    const world = await AlarmWorld.create(stores);
    const { Diary, OtherDiary } = world.script;
    const first = await world.start();
    await first.get(Diary, "a").plan("ring", "1s");
    await world.stop(first);
    const starts = world.script.starts.length;
    expect(starts).toBeLessThanOrEqual(1);
    await (await world.start()).get(Diary, "b").plan("ring", "1h");
    await world.kill();
    const other = await world.start({ objects: [OtherDiary] });
    await world.clock.advance("3h");
    expect(world.script.starts).toHaveLength(starts);
    const reports = warnings.filter(({ warning }) => warning === "alarms-of-unknown-type");
    expect(reports).toHaveLength(1);
    expect(reports[0]?.message).toContain('"diary"');
    await world.stop(other);
    const last = await world.start();
    await world.clock.advance("1s");
    expect(await last.get(Diary, "b").entries()).toHaveLength(1);
    expect(world.script.starts.filter(({ id }) => id === "a")).toHaveLength(1);
  });

  test("an alarm without a handler is acknowledged with a warning, and changes nothing else", async () => {
    const warnings = listen<Warning>("durable-object:warning");
    const world = await AlarmWorld.create(stores);
    const first = await world.start();
    await first.get(world.script.Diary, "a").plan("ring", "1h");
    await world.kill();
    const Poorer = defineObject({
      type: "diary",
      state: { entries: [] as never[], calls: 0 },
      handlers: { touch: ({ state }) => noreply(state) },
      alarms: { chime: ({ state }) => noreply(state) },
    });
    const second = await world.start({ objects: [Poorer] });
    await world.clock.advance("2h");
    const reports = warnings.filter(({ warning }) => warning === "alarm-without-handler");
    expect(reports).toHaveLength(1);
    expect(reports[0]?.message).toContain('"ring"');
    expect(await second.get(Poorer, "a").alarms.list()).toEqual([]);
    expect(await second.peek(Poorer, "a")).toEqual({ entries: [], calls: 1 });
  });

  test("stop lets running handlers end, starts none, and leaves the rest to the next runtime", async () => {
    const world = await AlarmWorld.create(stores);
    const first = await world.start({ scheduler: polling({ concurrency: 2 }) });
    const { Diary } = world.script;
    world.script.behave = async () => {
      await world.clock.sleep("10s");
      return [];
    };
    const ids = ["a", "b", "c", "d", "e"];
    for (const id of ids) await first.get(Diary, id).plan("ring", "1s");
    await world.clock.advance("2s");
    expect(world.script.running).toBe(2);
    let stopped = false;
    const stopping = first.stop().then(() => (stopped = true));
    await world.clock.advance("5s");
    expect(stopped).toBe(false);
    await world.clock.advance("10s");
    await stopping;
    expect(world.script.starts).toHaveLength(2);
    await world.clock.advance("1m");
    expect(world.script.starts).toHaveLength(2);
    const second = await world.start();
    await world.clock.advance("1m");
    expect(world.script.starts.map(({ id }) => id).toSorted()).toEqual(ids);
    expect(world.script.starts.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1, 1]);
    for (const id of ids) expect(await second.get(Diary, id).entries()).toHaveLength(1);
  });

  test("a handler that does not end is abandoned by stop, and runs again at the next runtime", async () => {
    const world = await AlarmWorld.create(stores);
    const first = await world.start({ stopTimeout: "5s" });
    let hangs = true;
    world.script.behave = async () => {
      if (hangs) await world.clock.sleep("1d");
      return [];
    };
    await first.get(world.script.Diary, "a").plan("ring", "1s");
    await world.clock.advance("2s");
    await world.stop(first);
    hangs = false;
    const second = await world.start();
    await world.clock.advance("10m");
    expect(world.script.starts).toHaveLength(2);
    expect(await second.get(world.script.Diary, "a").entries()).toHaveLength(1);
  });

  test("a runtime that has nothing to do asks the store little", async () => {
    const world = await AlarmWorld.create(stores);
    const runtime = await world.start({ scheduler: polling({ pollingInterval: "30s" }) });
    await runtime.get(world.script.Diary, "a").plan("ring", "2h");
    const before = world.store.sent.length;
    await world.clock.advance("1h");
    expect(world.store.sent.length).toBe(before);
  });

  describe("tells what it does", () => {
    test("on durable-object:alarm", async () => {
      const started = listen<Event>("tracing:durable-object:alarm:start");
      const ended = listen<Event>("tracing:durable-object:alarm:asyncEnd");
      const failed = listen<Event>("tracing:durable-object:alarm:error");
      const world = await AlarmWorld.create(stores);
      const runtime = await world.start();
      world.script.behave = async ({ attempt }) => {
        await world.clock.sleep("3s");
        if (attempt === 1) throw new Error("no");
        return [];
      };
      await runtime.get(world.script.Diary, "a", { tenant: "t" }).plan("ring", "1s");
      await world.clock.oversleep("6s");
      await world.clock.advance("10s");
      const about = { tenant: "t", type: "diary", id: "a", alarm: "ring" };
      expect(started).toMatchObject([
        { ...about, attempt: 1, lagMs: 5_000 },
        { ...about, attempt: 2 },
      ]);
      expect(failed).toMatchObject([{ ...about, attempt: 1, error: { code: "HANDLER_CRASHED" } }]);
      expect(ended).toMatchObject([
        { ...about, attempt: 1, durationMs: 3_000 },
        { ...about, attempt: 2, durationMs: 3_000 },
      ]);
      expect(ended[1]?.error).toBe(undefined);
    });
  });

  test("options that make no sense are refused", async () => {
    for (const wrong of [{ pollingInterval: "0s" }, { batch: 0 }, { concurrency: 1.5 }, { pollingInterval: "often" }]) {
      expect(() => polling(wrong as never), JSON.stringify(wrong)).toThrow(/INVALID_OPTION|polling:/);
    }
    const { store } = { store: (await stores.create()).open() };
    const starting = createRuntime({ objects: [], store, alarmRetry: { attempts: 0 } });
    await expect(starting).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });
});
