/** A state that is declared by defaults: what is stored, what comes back, and what is refused. */

import { expect, test } from "vitest";
import { defineObject, noreply, reply, type JsonValue } from "../../src/index.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { onEveryStore, start } from "../support/stores.ts";

const open: { value: unknown } = { value: null };
const Box = defineObject({
  type: "box",
  state: open,
  handlers: {
    put: (_context, value: unknown) => noreply({ value }),
    /** What a caller cannot send, but a handler can make. */
    make: (_context, what: string) => noreply({ value: makers[what]!() }),
    get: ({ state }) => reply(state),
  },
});

class Money {
  readonly amount = 5;
}
const cyclic = (): object => {
  const self: Record<string, unknown> = {};
  self["again"] = { self, also: self };
  return self;
};
const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

const makers: Record<string, () => unknown> = {
  NaN: () => ({ deep: [1, Number.NaN] }),
  Infinity: () => Number.POSITIVE_INFINITY,
  bigint: () => 5n,
  function: () => () => 1,
  symbol: () => Symbol("s"),
  Date: () => new Date(0),
  Map: () => new Map(),
  Set: () => new Set([1]),
  class: () => new Money(),
  Buffer: () => Buffer.from("x"),
  cycle: cyclic,
  hole: () => [1, undefined, 2],
  sparse: () => [1, , 2], // oxlint-disable-line no-sparse-arrays -- that is what is tested
  "U+0000": () => "a\u0000b",
  surrogate: () => "\ud800",
  __proto__: () => JSON.parse('{"__proto__": {"polluted": true}}') as unknown,
  "bad key": () => ({ "a\u0000": 1 }),
  "too deep": () => deep(70),
};
const paths: Record<string, string> = {
  NaN: "state.value.deep[1]",
  hole: "state.value[1]",
  sparse: "state.value[1]",
};

onEveryStore("state by defaults", (stores) => {
  test.each(Object.keys(makers))(
    "%s does not survive JSON: INVALID_STATE names the path, nothing is saved",
    async (what) => {
      const store = new FaultyStore((await stores.create()).open());
      const runtime = await start({ objects: [Box], store });
      const box = runtime.get(Box, "a");
      await box.put(1);
      const error = await errorOf(box.make(what));
      expect(error).toMatchObject({ code: "INVALID_STATE", outcome: "not-applied", retryable: false });
      expect(error.message).toContain(paths[what] ?? "state.value");
      expect(await box.get()).toEqual({ value: 1 });
      expect(store.sent).toHaveLength(1);
      expect(await codeOf(box.put(2))).toBe("ok");
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    },
  );

  test.each<[string, JsonValue]>([
    ["null", null],
    ["numbers", [0, -1, 1.5, 1e300, 5e-324, Number.MAX_SAFE_INTEGER, -0.1]],
    ["texts", ["", " ", "\n\t\u0001\u001f", "\u2028\u2029", "😀", "é", "ﬀ", "\uffff", '"\\/', "</script>", "'; --"]],
    ["booleans", [true, false]],
    ["empty containers", { a: {}, b: [], c: [[]], d: [{}] }],
    ["nesting", { a: { b: { c: { d: [[["x"]]] } } } }],
    ["keys like those of prototypes", { constructor: 1, toString: 2, hasOwnProperty: 3, prototype: { a: 1 }, "": 4 }],
    ["keys that look like indexes, which JavaScript orders first", { b: 1, "10": 2, "9": 3, a: 4 }],
    ["60 levels", deep(60) as JsonValue],
    ["100 KB of text", "x".repeat(100_000)],
  ])("%s: the same before and after a restart", async (_name, value) => {
    const disk = await stores.create();
    const runtime = await start({ objects: [Box], store: disk.open() });
    await runtime.get(Box, "a").put("another");
    await runtime.get(Box, "a").put(value);
    const before = await runtime.get(Box, "a").get();
    expect(before).toEqual({ value });
    expect(await runtime.peek(Box, "a")).toEqual({ value });
    await runtime.deactivate(Box, "a");
    expect(await runtime.get(Box, "a").get()).toEqual({ value });
    await runtime.stop();
    const again = await start({ objects: [Box], store: disk.open() });
    const after = await again.get(Box, "a").get();
    // Not as texts: `jsonb` keeps the fields in an order of its own.
    expect(after).toStrictEqual(before);
  });

  test("null is kept, undefined is absent; a missing top-level field is at its default at once", async () => {
    const declared: { name: string | null; limit: number; note: string | undefined } = {
      name: "anonymous",
      limit: 10,
      note: "-",
    };
    const Form = defineObject({
      type: "form",
      state: declared,
      handlers: {
        name: ({ state }, name: string | null) => noreply({ ...state, name }),
        drop: ({ state }) => noreply({ ...state, note: undefined }),
        keepOnlyName: ({ state }) => noreply({ name: state.name } as typeof state),
        get: ({ state }) => reply(state),
      },
    });
    const disk = await stores.create();
    const runtime = await start({ objects: [Form], store: disk.open() });
    const form = runtime.get(Form, "a");
    await form.name(null);
    expect(await form.get()).toEqual({ name: null, limit: 10, note: "-" });
    await form.drop();
    expect(await form.get()).toEqual({ name: null, limit: 10, note: "-" });
    await form.keepOnlyName();
    expect(await form.get()).toEqual({ name: null, limit: 10, note: "-" });
    await runtime.stop();
    const again = await start({ objects: [Form], store: disk.open() });
    expect(await again.get(Form, "a").get()).toEqual({ name: null, limit: 10, note: "-" });
  });

  test("a field that is new in the code gets its default, one that is gone is dropped, at the next save for good", async () => {
    const disk = await stores.create();
    const Old = defineObject({
      type: "evolving",
      state: { count: 0, legacy: "x" },
      handlers: { set: ({ state }, count: number) => noreply({ ...state, count }) },
    });
    const New = defineObject({
      type: "evolving",
      state: { count: 0, added: { list: [1] } },
      handlers: {
        touch: ({ state }) => noreply({ ...state, count: state.count + 1 }),
        get: ({ state }) => reply(state),
      },
    });
    const before = await start({ objects: [Old], store: disk.open() });
    await before.get(Old, "a").set(5);
    await before.stop();
    const store = new FaultyStore(disk.open());
    const after = await start({ objects: [New], store });
    expect(await after.get(New, "a").get()).toEqual({ count: 5, added: { list: [1] } });
    expect(store.sent).toEqual([]);
    await after.get(New, "a").touch();
    expect(store.applied[0]?.writes[0]?.state).toBe('{"count":6,"added":{"list":[1]}}');
    await after.stop();
    // And back again: a rollback of the code loses nothing that the old code knows, beside what it had dropped.
    const back = await start({ objects: [Old], store: disk.open() });
    expect(await back.peek(Old, "a")).toEqual({ count: 6, legacy: "x" });
  });

  test("a next state with a field that the defaults do not have is refused: it would be lost at the next load", async () => {
    const Strict = defineObject({
      type: "strict",
      state: { count: 0 },
      handlers: {
        typo: ({ state }) => noreply({ ...state, cuont: 1 }),
        list: () => noreply([] as unknown as { count: number }),
        scalar: () => noreply(5 as unknown as { count: number }),
        nothing: () => noreply(null as unknown as { count: number }),
        get: ({ state }) => reply(state),
      },
    });
    const runtime = await start({ objects: [Strict], store: (await stores.create()).open() });
    const strict = runtime.get(Strict, "a");
    const error = await errorOf(strict.typo());
    expect(error.code).toBe("INVALID_STATE");
    expect(error.message).toContain("state.cuont");
    expect(await codeOf(strict.list())).toBe("INVALID_STATE");
    expect(await codeOf(strict.scalar())).toBe("INVALID_STATE");
    expect(await codeOf(strict.nothing())).toBe("INVALID_STATE");
    expect(await strict.get()).toEqual({ count: 0 });
  });

  test("objects share nothing: neither the defaults nor each other's state", async () => {
    const shared = { list: [1], nested: { n: 1 } };
    const Sharing = defineObject({
      type: "sharing",
      state: shared,
      handlers: {
        push: ({ state }, item: number) => noreply({ ...state, list: [...state.list, item] }),
        get: ({ state }) => reply(state),
      },
    });
    const runtime = await start({ objects: [Sharing], store: (await stores.create()).open(), freezeState: false });
    shared.list.push(99);
    await runtime.get(Sharing, "a").push(2);
    const got = await runtime.get(Sharing, "b").get();
    got.nested.n = 5;
    expect(await runtime.get(Sharing, "b").get()).toEqual({ list: [1], nested: { n: 1 } });
    expect(await runtime.get(Sharing, "a").get()).toEqual({ list: [1, 2], nested: { n: 1 } });
  });
});
