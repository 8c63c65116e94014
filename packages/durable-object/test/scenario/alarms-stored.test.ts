/** Alarms as they are stored: set in the commit of a turn or from a stub, replaced, called off, listed, deleted. */

import { expect, test } from "vitest";
import {
  cancel,
  cancelAll,
  defineObject,
  destroy,
  noreply,
  reply,
  schedule,
  type Stub,
  type When,
} from "../../src/index.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

const Task = defineObject({
  type: "task",
  state: { count: 0 },
  handlers: {
    set: ({ state }, name: string, when: number | string, payload?: string) =>
      noreply(state, schedule(name, when as When, payload === undefined ? {} : { payload })),
    setAt: ({ state }, name: string, atMs: number) => noreply(state, schedule(name, new Date(atMs))),
    setMany: ({ state }) => reply(3, state, schedule("a", 3_000), schedule("b", 1_000), schedule("c", "2s")),
    cancel: ({ state }, name: string) => noreply(state, cancel(name)),
    cancelAllButC: ({ state }) => noreply(state, cancelAll(), schedule("c", "1h")),
    vanish: ({ state }) => noreply(state, destroy()),
    get: ({ state }) => reply(state.count),
  },
  alarms: { a: () => noreply(), b: () => noreply(), c: () => noreply(), Camel_Case_9: () => noreply() },
});

async function startTasks(stores: TestStores) {
  const clock = new FakeClock();
  const disk = await stores.create();
  const store = new FaultyStore(disk.open());
  const options = { objects: [Task], environment: clock.environment };
  const runtime = await start({ ...options, store });
  const task = runtime.get(Task, "t");
  const list = async (stub = task) =>
    (await stub.alarms.list()).map(({ name, at }) => [name, at.getTime() - clock.nowMs] as const);
  return { clock, disk, store, options, runtime, task, list };
}

onEveryStore("alarms, stored", (stores) => {
  test("set in the commit of a turn, listed with the next one first, and there after a restart", async () => {
    const { disk, store, options, runtime, task, list } = await startTasks(stores);
    expect(await task.setMany()).toBe(3);
    expect(store.applied).toHaveLength(1);
    const expected = [
      ["b", 1_000],
      ["c", 2_000],
      ["a", 3_000],
    ];
    expect(await list()).toEqual(expected);
    await runtime.deactivate(Task, "t");
    expect(await list()).toEqual(expected);
    await runtime.stop();
    const again = await start({ ...options, store: disk.open() });
    expect(await list(again.get(Task, "t"))).toEqual(expected);
  });

  test("the same name again replaces: time and payload", async () => {
    const { task, list } = await startTasks(stores);
    await task.set("a", 5_000, "first");
    await task.set("b", 1);
    await task.set("a", "1s", "second");
    expect(await list()).toEqual([
      ["b", 1],
      ["a", 1_000],
    ]);
    expect((await task.alarms.list()).map(({ payload }) => payload)).toEqual([undefined, "second"]);
    await task.set("a", 9_000);
    expect(await task.alarms.list()).toEqual([
      expect.objectContaining({ name: "b", at: expect.any(Date), payload: undefined }),
      expect.objectContaining({ name: "a", at: expect.any(Date), payload: undefined }),
    ]);
  });

  test("from a stub: schedule, cancel says whether it was set, cancelAll", async () => {
    const { task, list, runtime } = await startTasks(stores);
    await task.alarms.schedule("a", "1h", { payload: { deep: [1, null, "x"] } });
    await task.alarms.schedule("b", 250);
    await task.alarms.schedule("Camel_Case_9", "7d");
    expect((await list()).map(([name]) => name)).toEqual(["b", "a", "Camel_Case_9"]);
    expect((await task.alarms.list())[1]?.payload).toEqual({ deep: [1, null, "x"] });
    expect(await task.alarms.cancel("b")).toBe(true);
    expect(await task.alarms.cancel("b")).toBe(false);
    expect(await task.alarms.cancel("c")).toBe(false);
    expect((await list()).map(([name]) => name)).toEqual(["a", "Camel_Case_9"]);
    await runtime.get(Task, "other").alarms.schedule("a", 1);
    await task.alarms.cancelAll();
    await task.alarms.cancelAll();
    expect(await list()).toEqual([]);
    expect((await list(runtime.get(Task, "other"))).map(([name]) => name)).toEqual(["a"]);
  });

  test("setting an alarm of an unknown id creates the object, with its initial state", async () => {
    const { task, runtime } = await startTasks(stores);
    await task.alarms.schedule("a", "1h");
    expect(await runtime.peek(Task, "t")).toEqual({ count: 0 });
    await runtime.deactivate(Task, "t");
    expect(await runtime.peek(Task, "t")).toEqual({ count: 0 });
    expect((await runtime.list(Task)).objects.map(({ id }) => id)).toEqual(["t"]);
  });

  test("times: delays from now, dates as they are, 0 and the past are due at once, a year is a year", async () => {
    const { clock, task, list } = await startTasks(stores);
    await task.alarms.schedule("a", 0);
    await task.alarms.schedule("b", new Date(clock.nowMs - 5_000));
    await task.alarms.schedule("c", "365d");
    await task.setAt("Camel_Case_9", clock.nowMs + 1_234);
    expect(await list()).toEqual([
      ["b", -5_000],
      ["a", 0],
      ["Camel_Case_9", 1_234],
      ["c", 365 * 86_400_000],
    ]);
    await task.alarms.schedule("a", 1.2);
    expect((await list())[1]).toEqual(["a", 2]);
  });

  test("called off and set again in one turn: the order of the effects counts", async () => {
    const { task, list } = await startTasks(stores);
    await task.setMany();
    await task.cancel("b");
    expect((await list()).map(([name]) => name)).toEqual(["c", "a"]);
    await task.cancelAllButC();
    expect(await list()).toEqual([["c", 3_600_000]]);
  });

  test("in one commit: set and called off leaves nothing, called off and set leaves the new one", async () => {
    const { store, task, list } = await startTasks(stores);
    // Functions prove by their first call that they are synchronous.
    for (const call of [task.set("a", 1), task.cancel("a"), task.get(), task.setMany()]) await call;
    await task.alarms.cancelAll();
    const commits = store.applied.length;
    await Promise.all([task.set("a", 1), task.cancel("a"), task.get()]);
    await Promise.all([task.set("a", 5_000), task.cancel("a")]);
    expect(await list()).toEqual([]);
    await task.set("b", 7_000);
    await Promise.all([task.cancel("b"), task.set("b", 9_000)]);
    expect(await list()).toEqual([["b", 9_000]]);
    await Promise.all([task.setMany(), task.alarms.cancelAll(), task.set("a", 4_000)]);
    expect(await list()).toEqual([["a", 4_000]]);
    expect(store.applied.length - commits).toBe(5);
  });

  test.each<[string, (task: Stub<typeof Task>) => Promise<unknown>, string]>([
    ["a name that does not exist", (task) => task.alarms.schedule("nothing" as "a", 1), "UNKNOWN_ALARM"],
    ["a negative delay", (task) => task.alarms.schedule("a", -1), "INVALID_ARGUMENTS"],
    ["a text that is no duration", (task) => task.alarms.schedule("a", "soon" as "1s"), "INVALID_ARGUMENTS"],
    ["a date that is none", (task) => task.alarms.schedule("a", new Date(Number.NaN)), "INVALID_ARGUMENTS"],
    ["nothing", (task) => task.alarms.schedule("a", undefined as unknown as number), "INVALID_ARGUMENTS"],
    [
      "a payload that is no JSON",
      (task) => task.alarms.schedule("a", 1, { payload: new Map() as unknown as string }),
      "INVALID_ARGUMENTS",
    ],
    ["cancelling a name that does not exist", (task) => task.alarms.cancel("nothing" as "a"), "UNKNOWN_ALARM|ok"],
    ["a handler that names an unknown one", (task) => task.set("nothing", 1), "UNKNOWN_ALARM"],
    ["a handler with a negative delay", (task) => task.set("a", -1), "INVALID_OUTCOME"],
  ])("from a stub or a handler, %s is an error, and nothing is set", async (_what, call, code) => {
    const { store, task } = await startTasks(stores);
    expect(await codeOf(call(task))).toMatch(new RegExp(`^(${code})$`));
    expect(await task.alarms.list()).toEqual([]);
    expect(store.sent).toEqual([]);
  });

  test("the error of an unknown alarm names those that exist", async () => {
    const { task } = await startTasks(stores);
    const error = await errorOf(task.alarms.schedule("bb" as "b", 1));
    expect(error.message).toContain("task/t");
    expect(error.message).toContain("a, b, c, Camel_Case_9");
  });

  test("alarms go with their object, destroyed or deleted; those of a fresh object are its own", async () => {
    const { runtime, task, list } = await startTasks(stores);
    await task.setMany();
    await task.vanish();
    expect(await list()).toEqual([]);
    await task.set("a", 5);
    expect((await list()).map(([name]) => name)).toEqual(["a"]);
    await runtime.delete(Task, "t");
    expect(await list()).toEqual([]);
    expect(await runtime.peek(Task, "t")).toBeNull();
  });

  test("setting an alarm has its place in the order of calls, and is durable when it resolves", async () => {
    const { store, task, list } = await startTasks(stores);
    await task.get();
    const held = store.holdNextCommit();
    const order: string[] = [];
    const calls = [
      task.set("a", 1_000).then(() => order.push("handler")),
      task.alarms.schedule("a", 2_000).then(() => order.push("stub")),
      task.alarms.cancel("a").then((was) => order.push(`cancelled ${was}`)),
      task.alarms.schedule("b", 3_000).then(() => order.push("b")),
    ];
    await held.reached;
    await settled();
    expect(order).toEqual([]);
    held.release();
    await Promise.all(calls);
    expect(order).toEqual(["handler", "stub", "cancelled true", "b"]);
    expect(await list()).toEqual([["b", 3_000]]);
  });
});
