/** Promise 4: what a turn does is in one commit, and a turn that fails leaves nothing behind. */

import { expect, test } from "vitest";
import { cancel, cancelAll, defineObject, destroy, fail, noreply, reply, schedule } from "../../src/index.ts";
import { settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

const initial: { count: number; tags: string[] } = { count: 0, tags: [] };
const Order = defineObject({
  type: "order",
  state: initial,
  handlers: {
    place: ({ state }, tag: string) =>
      reply(
        tag,
        { count: state.count + 1, tags: [...state.tags, tag] },
        schedule("remind", "1h", { payload: { tag } }),
        schedule("expire", new Date(4_000_000_000_000)),
        cancel("audit"),
      ),
    reschedule: ({ state }) =>
      noreply(state, schedule("remind", "1h"), cancelAll(), schedule("audit", "2h"), schedule("audit", "3h")),
    half: ({ state }, how: string) => {
      const next = { count: state.count + 100, tags: [...state.tags, how] };
      switch (how) {
        case "throw":
          throw new Error("half way");
        case "fail":
          return fail("half way");
        case "unknown alarm":
          return reply(1, next, schedule("remind", "1h"), schedule(how as string, "1h"));
        case "bad time":
          return reply(1, next, schedule("remind", "1h"), schedule("audit", "soon" as "1s"));
        case "bad state":
          return reply(1, { ...next, count: Number.NaN }, schedule("remind", "1h"));
        case "bad result":
          return reply(10n as unknown as number, next, schedule("remind", "1h"));
        case "bad payload":
          return reply(1, next, schedule("remind", "1h", { payload: Number.NaN }));
        case "bad effect":
          return reply(1, next, destroy(), {} as ReturnType<typeof destroy>);
        default:
          return noreply();
      }
    },
    get: ({ state }) => reply(state),
  },
  alarms: { remind: () => noreply(), expire: () => noreply(), audit: () => noreply() },
});

async function startOrders(stores: TestStores) {
  const disk = await stores.create();
  const store = new FaultyStore(disk.open());
  const runtime = await start({ objects: [Order], store });
  return { disk, store, runtime };
}

onEveryStore("all or nothing", (stores) => {
  test("state, alarms and the record of the idempotency key of a turn are in one commit", async () => {
    const { store, runtime } = await startOrders(stores);
    await runtime.get(Order, "a", { idempotencyKey: "k" }).place("first");
    expect(store.applied).toHaveLength(1);
    const [write] = store.applied[0]!.writes;
    expect(write).toMatchObject({
      baseRevision: 0,
      state: '{"count":1,"tags":["first"]}',
      deleted: false,
      cancelAllAlarms: false,
      replies: [{ key: "k", result: '"first"' }],
    });
    expect(write?.alarms.map(({ change, name }) => `${change} ${name}`)).toEqual([
      "set remind",
      "set expire",
      "cancel audit",
    ]);
    expect((await runtime.get(Order, "a").alarms.list()).map(({ name, payload }) => [name, payload])).toEqual([
      ["remind", { tag: "first" }],
      ["expire", undefined],
    ]);
  });

  test("effects apply in the order they are given; the last one for a name counts", async () => {
    const { runtime } = await startOrders(stores);
    const order = runtime.get(Order, "a");
    await order.place("first");
    const before = Date.now();
    await order.reschedule();
    const alarms = await order.alarms.list();
    expect(alarms.map(({ name }) => name)).toEqual(["audit"]);
    expect(alarms[0]!.at.getTime()).toBeGreaterThanOrEqual(before + 3 * 3_600_000);
  });

  test.each([
    ["throw", "HANDLER_CRASHED"],
    ["fail", "HANDLER_FAILED"],
    ["unknown alarm", "UNKNOWN_ALARM"],
    ["bad time", "INVALID_OUTCOME"],
    ["bad state", "INVALID_STATE"],
    ["bad result", "INVALID_RESULT"],
    ["bad payload", "INVALID_RESULT"],
    ["bad effect", "INVALID_OUTCOME"],
  ])("a turn that ends with %s leaves no state, no alarm and no record", async (how, code) => {
    const { disk, store, runtime } = await startOrders(stores);
    const order = runtime.get(Order, "a");
    await order.place("first");
    const alarms = await order.alarms.list();
    const commits = store.sent.length;
    expect(await codeOf(runtime.get(Order, "a", { idempotencyKey: "half" }).half(how))).toBe(code);
    expect(await order.get()).toEqual({ count: 1, tags: ["first"] });
    expect(await order.alarms.list()).toEqual(alarms);
    expect(store.sent).toHaveLength(commits);
    // The key was not used up: another call may have it.
    expect(await runtime.get(Order, "a", { idempotencyKey: "half" }).place("second")).toBe("second");
    await runtime.stop();
    const again = await start({ objects: [Order], store: disk.open() });
    expect(await again.get(Order, "a").get()).toEqual({ count: 2, tags: ["first", "second"] });
  });

  test("a commit that fails takes state, alarms and record with it", async () => {
    const { store, runtime } = await startOrders(stores);
    const order = runtime.get(Order, "a");
    store.failNextCommit("refused");
    expect(await codeOf(runtime.get(Order, "a", { idempotencyKey: "k" }).place("lost"))).toBe("COMMIT_FAILED");
    expect(await order.alarms.list()).toEqual([]);
    expect(await order.get()).toEqual({ count: 0, tags: [] });
    expect(await runtime.peek(Order, "a")).toBeNull();
    // The same key again is applied now, and once.
    expect(await runtime.get(Order, "a", { idempotencyKey: "k" }).place("lost")).toBe("lost");
    expect(await runtime.get(Order, "a", { idempotencyKey: "k" }).place("lost")).toBe("lost");
    expect(await order.get()).toEqual({ count: 1, tags: ["lost"] });
  });

  test("several turns of one object become one row, with all of their effects and records", async () => {
    const { store, runtime } = await startOrders(stores);
    await runtime.get(Order, "a").place("warm");
    const held = store.holdNextCommit("before");
    const other = runtime.get(Order, "b").place("other");
    await held.reached;
    const calls = ["1", "2", "3"].map((tag) => runtime.get(Order, "a", { idempotencyKey: tag }).place(tag));
    // The keys were looked up, and the turns have run.
    await settled();
    held.release();
    await Promise.all([other, ...calls]);
    expect(store.applied).toHaveLength(3);
    expect(store.applied[2]!.writes).toHaveLength(1);
    const [write] = store.applied[2]!.writes;
    expect(write?.state).toBe('{"count":4,"tags":["warm","1","2","3"]}');
    expect(write?.replies.map(({ key }) => key)).toEqual(["1", "2", "3"]);
    expect(write?.alarms.map(({ name }) => name)).toEqual(["remind", "expire", "audit"]);
  });

  test("a handler cannot change the state it is given", async () => {
    const Vandal = defineObject({
      type: "vandal",
      state: { list: [1, 2], nested: { deep: { value: 1 } } },
      handlers: {
        push: ({ state }) => {
          state.list.push(3);
          return reply(state.list.length);
        },
        set: ({ state }) => {
          state.nested.deep.value = 2;
          return noreply();
        },
        add: ({ state }, item: number[]) => noreply({ ...state, list: item }),
        get: ({ state }) => reply(state),
      },
    });
    const runtime = await start({ objects: [Vandal], store: (await stores.create()).open() });
    const vandal = runtime.get(Vandal, "a");
    const clean = { list: [1, 2], nested: { deep: { value: 1 } } };
    expect(await codeOf(vandal.push())).toBe("HANDLER_CRASHED");
    expect(await codeOf(vandal.set())).toBe("HANDLER_CRASHED");
    expect(await vandal.get()).toEqual(clean);
    // Neither can a caller, by way of what it passed or what it got.
    const mine = [7];
    await vandal.add(mine);
    mine.push(8);
    const got = await vandal.get();
    got.list.push(9);
    got.nested.deep.value = 9;
    expect(await vandal.get()).toEqual({ ...clean, list: [7] });
    expect(await codeOf(vandal.push())).toBe("HANDLER_CRASHED");
    expect(await runtime.get(Vandal, "fresh").get()).toEqual(clean);
  });
});
