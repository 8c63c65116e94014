/** Promise 7: nothing is written where nothing changed, and asking about an unknown id creates nothing. */

import { expect, test } from "vitest";
import { cancel, cancelAll, defineObject, destroy, noreply, read, reply } from "../../src/index.ts";
import { Counter } from "../support/counter.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf } from "../support/outcome-of.ts";
import { onEveryStore, start } from "../support/stores.ts";

const initial: { items: Record<string, number>; note: string | null; extra?: number | undefined } = {
  items: {},
  note: null,
  extra: undefined,
};
const Cart = defineObject({
  type: "cart",
  state: initial,
  handlers: {
    set: ({ state }, name: string, amount: number) => noreply({ ...state, items: { ...state.items, [name]: amount } }),
    copy: ({ state }) => noreply(structuredClone(state)),
    reorder: ({ state }) =>
      noreply({ note: state.note, items: Object.fromEntries(Object.entries(state.items).reverse()) }),
    sameReference: ({ state }) => noreply(state),
    clearExtra: ({ state }) => noreply({ ...state, extra: undefined }),
    cancelNothing: ({ state }) => noreply(state, cancel("ring"), cancelAll()),
    destroyNothing: ({ state }) => noreply(state, destroy()),
    get: ({ state }) => reply(state),
    look: read(({ state }) => reply(state)),
  },
  alarms: { ring: () => noreply() },
});

onEveryStore("no write without a change", (stores) => {
  test("asking about an unknown id creates nothing, in whatever way one asks", async () => {
    const disk = await stores.create();
    const store = new FaultyStore(disk.open());
    const runtime = await start({ objects: [Cart, Counter], store });
    const cart = runtime.get(Cart, "ghost");
    await cart.get();
    await cart.look();
    await cart.copy();
    await cart.sameReference();
    await cart.cancelNothing();
    await cart.destroyNothing();
    expect(await cart.alarms.list()).toEqual([]);
    expect(await cart.alarms.cancel("ring")).toBe(false);
    await cart.alarms.cancelAll();
    await runtime.activate(Cart, "ghost");
    await runtime.deactivate(Cart, "ghost");
    await runtime.delete(Cart, "ghost");
    expect(await runtime.peek(Cart, "ghost")).toBeNull();
    await codeOf(runtime.get(Counter, "ghost").refuse());
    await codeOf(runtime.get(Counter, "ghost").crash());
    await runtime.get(Counter, "ghost").reset();
    await runtime.get(Counter, "ghost").increment(0);
    expect(store.sent).toEqual([]);
    expect((await runtime.list(Cart)).objects).toEqual([]);
    expect((await runtime.list(Counter)).objects).toEqual([]);
  });

  test("a thousand guessed ids leave no trace in the store, and none in memory once they are idle", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store, maxActive: 100 });
    for (let batch = 0; batch < 10; batch++) {
      await Promise.all(Array.from({ length: 100 }, (_, id) => runtime.get(Counter, `guess-${batch}-${id}`).look()));
    }
    expect(store.sent).toEqual([]);
    expect((await runtime.list(Counter)).objects).toEqual([]);
    expect(runtime.activeCount).toBeLessThanOrEqual(200);
  });

  test("a next state that is equal is no change, whoever built it", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Cart], store });
    const cart = runtime.get(Cart, "a");
    await cart.set("apple", 1);
    await cart.set("pear", 2);
    expect(store.applied).toHaveLength(2);
    await cart.set("pear", 2);
    await cart.copy();
    await cart.sameReference();
    await cart.clearExtra();
    // The order of fields is not part of a state.
    await cart.reorder();
    expect(store.sent).toHaveLength(2);
    expect((await runtime.list(Cart)).objects[0]?.revision).toBe(2);
  });

  test.each([
    [1, 2],
    [1, 1.5],
    ["1", 1],
    [true, 1],
    [0, null],
    [[], {}],
    [[1], [1, 2]],
    [{ a: 1 }, { a: 1, b: null }],
    [{ a: 1, b: null }, { a: 1 }],
    [
      [[1, 2], [3]],
      [[1], [2, 3]],
    ],
    ["a", "A"],
  ])("%j and %j are different and are saved", async (from, to) => {
    const state: { value: unknown } = { value: null };
    const Box = defineObject({
      type: "box",
      state,
      handlers: { put: (_context, value: unknown) => noreply({ value }), get: (context) => reply(context.state.value) },
    });
    const disk = await stores.create();
    const store = new FaultyStore(disk.open());
    const runtime = await start({ objects: [Box], store });
    const box = runtime.get(Box, "a");
    await box.put(from);
    await box.put(to);
    expect(store.applied).toHaveLength(2);
    await runtime.stop();
    const again = await start({ objects: [Box], store: disk.open() });
    expect(await again.get(Box, "a").get()).toEqual(to);
  });

  test("a change and its opposite in one commit: the callers get their replies, the row is right", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store });
    const counter = runtime.get(Counter, "a");
    await counter.increment(5);
    expect(await Promise.all([counter.increment(1), counter.increment(-1)])).toEqual([6, 5]);
    expect(await runtime.peek(Counter, "a")).toEqual({ count: 5 });
  });
});
