/**
 * What the Elixir library `durable_object` does with alarms that are set, called off and handled, row by row
 * (area ALARM), and two weaknesses of setting and listing them (W-AL-9, W-AL-10): the same here, or what this library does instead;
 * docs/decisions/0003-conformance-differences.md lists the latter.
 */

import { expect, test } from "vitest";
import {
  cancel,
  createRuntime,
  defineObject,
  noreply,
  reply,
  schedule,
  type NoReply,
  type RuntimeOptions,
  type Stub,
} from "../../src/index.ts";
import { address, write } from "../../src/testing/object-store-case.ts";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { listen } from "../support/channels.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, type TestStores } from "../support/stores.ts";

const day = 86_400_000;

async function startDiary(stores: TestStores, options: Partial<RuntimeOptions> = {}) {
  const world = await AlarmWorld.create(stores);
  const { clock, script } = world;
  const runtime = await world.start(options);
  const diary = runtime.get(script.Diary, "a");
  const setMs = clock.nowMs;
  /** The names that are set, and when they are due, in ms after the start. */
  const list = async (stub: Stub<typeof script.Diary> = diary) =>
    (await stub.alarms.list()).map(({ name, at }) => [name, at.getTime() - setMs] as const);
  return { world, clock, script, runtime, diary, setMs, list };
}

/** The diary as a later version of the code has it: with one alarm only. */
const PoorerDiary = defineObject({
  type: "diary",
  state: { entries: [] as never[], calls: 0 },
  handlers: { touch: ({ state }) => noreply(state) },
  alarms: { chime: ({ state }) => noreply(state) },
});

onEveryStore("alarms, set and handled", (stores) => {
  // Setting an alarm is a turn of its object, so the object comes to memory; the original leaves it alone.
  test("ALARM-1 set for an object that is not running: there, and committed, when it resolves", async () => {
    const { world, diary, list, runtime, script } = await startDiary(stores);
    await diary.alarms.schedule("ring", 1_000);
    expect(world.store.applied).toHaveLength(1);
    expect(await list()).toEqual([["ring", 1_000]]);
    expect(runtime.locate(script.Diary, "a")).not.toBeNull();
  });

  test("ALARM-2 the same name again replaces: one alarm, the later call wins", async () => {
    const { clock, diary, list, script, setMs } = await startDiary(stores);
    await diary.alarms.schedule("ring", 5_000);
    await diary.alarms.schedule("ring", 1_000);
    expect(await list()).toEqual([["ring", 1_000]]);
    await clock.advance("10s");
    expect(script.times(setMs)).toEqual([1_000]);
  });

  test("ALARM-3 two names are two alarms", async () => {
    const { diary, list } = await startDiary(stores);
    await diary.alarms.schedule("ring", 2_000);
    await diary.alarms.schedule("chime", 1_000);
    expect((await list()).map(([name]) => name).toSorted()).toEqual(["chime", "ring"]);
  });

  test("ALARM-4 0 is due now, 1 ms in 1 ms, a year in a year", async () => {
    const { clock, diary, list, script } = await startDiary(stores);
    await diary.alarms.schedule("ring", 0);
    await diary.alarms.schedule("chime", 1);
    await diary.alarms.schedule("tick", "365d");
    expect(await list()).toEqual([
      ["ring", 0],
      ["chime", 1],
      ["tick", 365 * day],
    ]);
    await clock.advance(1);
    expect(script.names).toEqual(["ring", "chime"]);
  });

  test("ALARM-5 a negative delay is an error; an instant in the past is due at once", async () => {
    const { clock, diary, list, script, setMs } = await startDiary(stores);
    expect(await codeOf(diary.alarms.schedule("ring", -1))).toBe("INVALID_ARGUMENTS");
    expect(await codeOf(diary.plan("ring", -1))).toBe("INVALID_OUTCOME");
    expect(await list()).toEqual([]);
    await diary.alarms.schedule("ring", new Date(setMs - 5_000));
    await clock.advance(0);
    expect(script.names).toEqual(["ring"]);
  });

  test("ALARM-6 cancel takes the named alarm only, and says whether it was set", async () => {
    const { clock, diary, list, script } = await startDiary(stores);
    await diary.alarms.schedule("ring", 1_000);
    await diary.alarms.schedule("chime", 2_000);
    expect(await diary.alarms.cancel("ring")).toBe(true);
    expect(await diary.alarms.cancel("ring")).toBe(false);
    expect(await list()).toEqual([["chime", 2_000]]);
    await clock.advance("5s");
    expect(script.names).toEqual(["chime"]);
  });

  test("ALARM-7 cancelAll takes all of this object, of no other, and nothing is fine as well", async () => {
    const { diary, list, runtime, script } = await startDiary(stores);
    const other = runtime.get(script.Diary, "b");
    await diary.alarms.schedule("ring", 1_000);
    await diary.alarms.schedule("chime", 2_000);
    await other.alarms.schedule("ring", 3_000);
    await diary.alarms.cancelAll();
    await diary.alarms.cancelAll();
    expect([await list(), await list(other)]).toEqual([[], [["ring", 3_000]]]);
  });

  test("ALARM-8 listed by time, with names and dates; an empty list if none is set", async () => {
    const { diary, list } = await startDiary(stores);
    expect(await list()).toEqual([]);
    await diary.alarms.schedule("ring", 2_000);
    await diary.alarms.schedule("chime", 1_000);
    await diary.alarms.schedule("tick", 3_000);
    expect(await list()).toEqual([
      ["chime", 1_000],
      ["ring", 2_000],
      ["tick", 3_000],
    ]);
    expect((await diary.alarms.list())[0]?.at).toBeInstanceOf(Date);
  });

  test("ALARM-9 the four operations are on the stub, and every stub of the object is the same", async () => {
    const { diary, list, runtime, script } = await startDiary(stores);
    const same = runtime.get(script.Diary, "a");
    await diary.alarms.schedule("ring", 1_000);
    expect(await list(same)).toEqual([["ring", 1_000]]);
    expect(await same.alarms.cancel("ring")).toBe(true);
    await same.alarms.schedule("chime", 1_000);
    await diary.alarms.cancelAll();
    expect(await list(same)).toEqual([]);
  });

  test("ALARM-10 an alarm is in the store of its runtime, with no option that says so", async () => {
    const { world, diary, clock, script } = await startDiary(stores);
    await diary.alarms.schedule("ring", "1h");
    expect(world.store.applied[0]?.writes[0]).toMatchObject({ alarms: [{ change: "set", name: "ring" }] });
    await world.kill();
    await world.start();
    await clock.advance("1h");
    expect(script.names).toEqual(["ring"]);
  });

  // The original drops it silently. Here there is no runtime without a store.
  test("ALARM-12 an alarm that a handler sets is set, or the call fails: it is never ignored", async () => {
    const { world, diary, list } = await startDiary(stores);
    world.store.failNextCommit("refused");
    expect(await codeOf(diary.planOnly("ring", 1_000))).toBe("COMMIT_FAILED");
    expect(await list()).toEqual([]);
    await diary.planOnly("ring", 1_000);
    expect(await list()).toEqual([["ring", 1_000]]);
  });

  test("ALARM-13 names with underscores and capitals, ids with colons and dashes", async () => {
    const world = await AlarmWorld.create(stores);
    const Named = defineObject({
      type: "named",
      state: { fired: 0 },
      handlers: { get: ({ state }) => reply(state.fired) },
      alarms: { my_Alarm_Name9: ({ state }) => noreply({ fired: state.fired + 1 }) },
    });
    const runtime = await world.start({ objects: [Named] });
    const named = runtime.get(Named, "user:123:session:abc-def");
    await named.alarms.schedule("my_Alarm_Name9", 1_000);
    await world.clock.advance("2s");
    expect(await named.get()).toBe(1);
    expect(await runtime.get(Named, "user:123:session:abc").get()).toBe(0);
  });

  // The original refuses a reply; here it does not compile, and nobody would get it.
  test("ALARM-14 a handler returns nothing new, a state, a state with alarms, or fail", async () => {
    const world = await AlarmWorld.create(stores);
    const Outcomes = defineObject({
      type: "outcomes",
      state: { fired: [] as readonly string[] },
      handlers: { get: ({ state }) => reply(state.fired) },
      alarms: {
        nothing: () => noreply(),
        state: ({ state }) => noreply({ fired: [...state.fired, "state"] }),
        effects: ({ state }) => noreply({ fired: [...state.fired, "effects"] }, schedule("state", 1), cancel("never")),
        never: ({ state }) => noreply({ fired: [...state.fired, "never"] }),
        reply: ({ state }) =>
          reply("to whom?", { fired: [...state.fired, "reply"] }) as unknown as NoReply<{
            readonly fired: readonly string[];
          }>,
      },
    });
    const runtime = await world.start({ objects: [Outcomes] });
    const outcomes = runtime.get(Outcomes, "o");
    await outcomes.alarms.schedule("nothing", 1_000);
    await outcomes.alarms.schedule("effects", 2_000);
    await outcomes.alarms.schedule("never", 3_000);
    await outcomes.alarms.schedule("reply", 4_000);
    await world.clock.advance("10s");
    expect(await outcomes.get()).toEqual(["effects", "state", "reply"]);
    expect(await outcomes.alarms.list()).toEqual([]);

    const { clock, diary, script, list } = await startDiary(stores);
    script.behave = () => "fail";
    await diary.alarms.schedule("ring", 1_000);
    await clock.advance("1s");
    expect([await diary.entries(), await list()]).toEqual([[], [["ring", 3_000]]]);
  });

  test("ALARM-15 one that the definition has no handler for is acknowledged, with a warning", async () => {
    const warnings = listen<{ readonly warning: string; readonly message: string }>("durable-object:warning");
    const { world, clock, diary } = await startDiary(stores);
    await diary.plan("ring", "1h");
    await world.kill();
    const runtime = await world.start({ objects: [PoorerDiary] });
    await clock.advance("2h");
    expect(warnings.filter(({ warning }) => warning === "alarm-without-handler")).toMatchObject([
      { message: expect.stringContaining('"ring"') as unknown },
    ]);
    expect(await runtime.get(PoorerDiary, "a").alarms.list()).toEqual([]);
    expect(await runtime.peek(PoorerDiary, "a")).toEqual({ entries: [], calls: 1 });
  });

  // The original sets it, and fails to handle it for ever.
  test("ALARM-16 a name that does not exist cannot be set: UNKNOWN_ALARM", async () => {
    const { diary, list, world } = await startDiary(stores);
    expect(await errorOf(diary.alarms.schedule("rang" as "ring", 1))).toMatchObject({
      code: "UNKNOWN_ALARM",
      message: expect.stringContaining("ring, chime, tick") as unknown,
    });
    expect(await codeOf(diary.plan("rang" as "ring", 1))).toBe("UNKNOWN_ALARM");
    expect([await list(), world.store.sent]).toEqual([[], []]);
  });

  test("ALARM-17 a handler that sets its own name again: the new setting stays, and fires", async () => {
    const { clock, diary, script, setMs, list } = await startDiary(stores);
    script.behave = () => [schedule("ring", 1_000)];
    await diary.plan("ring", 1_000);
    await clock.advance(1_000);
    expect([await list(), (await diary.entries()).length]).toEqual([[["ring", 2_000]], 1]);
    expect(await diary.alarms.list()).toMatchObject([{ status: "set", attempts: 0 }]);
    await clock.advance(1_000);
    expect(script.times(setMs)).toEqual([1_000, 2_000]);
    expect(await diary.entries()).toHaveLength(2);
  });

  test("ALARM-18 a handler that sets another name: a chain, and nothing is left of it", async () => {
    const { clock, diary, script, list } = await startDiary(stores);
    script.behave = (_context, alarm) => (alarm === "ring" ? [schedule("chime", 1_000)] : []);
    await diary.plan("ring", 1_000);
    await clock.advance(1_000);
    expect(await list()).toEqual([["chime", 2_000]]);
    await clock.advance(1_000);
    expect([script.names, await list()]).toEqual([["ring", "chime"], []]);
  });

  test("ALARM-19 its commit fails: the state is what it was, and it is tried again after 2 s", async () => {
    const { world, clock, diary, script, setMs, list } = await startDiary(stores);
    await diary.plan("ring", 1_000);
    world.store.failNextCommit("refused");
    await clock.advance(1_000);
    expect([await diary.entries(), await list()]).toEqual([[], [["ring", 3_000]]]);
    expect((await diary.alarms.list())[0]?.lastError).toContain("made to fail");
    await clock.advance("5s");
    expect(script.times(setMs)).toEqual([1_000, 3_000]);
    expect([(await diary.entries()).length, await list()]).toEqual([1, []]);
  });

  test("ALARM-20 one outcome sets and calls off as many as it likes, at instants, with payloads", async () => {
    const { clock, diary, script, setMs, list } = await startDiary(stores);
    script.behave = (_context, alarm) =>
      alarm === "ring"
        ? [
            cancel("tick"),
            schedule("chime", new Date(setMs + 9_000), { payload: { note: [1] } }),
            schedule("ring", { cron: "0 * * * *", timeZone: "Europe/Berlin" }),
          ]
        : [];
    await diary.plan("tick", 2_000);
    await diary.plan("ring", 1_000);
    await clock.advance("1s");
    expect(await list()).toEqual([
      ["chime", 9_000],
      ["ring", 3_600_000],
    ]);
    await clock.advance("10s");
    expect(script.starts.map(({ alarm, payload }) => [alarm, payload])).toEqual([
      ["ring", undefined],
      ["chime", { note: [1] }],
    ]);
  });

  test("W-AL-9 stored names are text, those the code does not know included; a list says how each is", async () => {
    const world = await AlarmWorld.create(stores);
    const { clock, script } = world;
    const state = JSON.stringify({ entries: [], calls: 0 });
    const known = { change: "set", name: "ring", dueAt: clock.nowMs - 1_000, payload: null, rule: null } as const;
    const unknown = { ...known, name: "no_such_51d0", dueAt: clock.nowMs + 60_000 };
    await world.seed([write(address("a", "diary"), { state, alarms: [known, unknown] })]);
    const runtime = await world.start({ alarmRetry: { attempts: 1 } });
    script.behave = () => "fail";
    await clock.advance("1s");
    expect(await runtime.get(script.Diary, "a").alarms.list()).toMatchObject([
      { name: "ring", status: "dead", attempts: 1 },
      { name: "no_such_51d0", status: "set", attempts: 0 },
    ]);
  });

  test("W-AL-10 instants, payloads, intervals, cron, and calling off, several in one outcome", async () => {
    const { clock, diary, script, setMs } = await startDiary(stores);
    script.behave = (_context, alarm) => (alarm === "ring" ? [cancel("tick"), schedule("chime", 500)] : []);
    await diary.alarms.schedule("tick", { cron: "*/10 * * * * *" });
    await diary.alarms.schedule("ring", new Date(setMs + 25_000), { payload: "p" });
    await clock.advance("1m");
    expect(script.starts.map(({ alarm, payload, atMs }) => [alarm, payload, atMs - setMs])).toEqual([
      ["tick", undefined, 10_000],
      ["tick", undefined, 20_000],
      ["ring", "p", 25_000],
      ["chime", undefined, 25_500],
    ]);
    await diary.alarms.schedule("ring", { every: "1h" });
    expect(await diary.alarms.list()).toMatchObject([{ name: "ring", every: "1h" }]);
  });
});

test("ALARM-11 without a store there is no runtime, so nothing can be set into nowhere", async () => {
  const options = { objects: [PoorerDiary] } as unknown as RuntimeOptions;
  expect(await codeOf(createRuntime(options))).toBe("INVALID_OPTION");
});
