/**
 * What the Elixir library `durable_object` does when it loads a state, row by row (areas LOAD, KEYS and ID):
 * the same here, or what this library does instead; docs/decisions/0003-conformance-differences.md lists
 * the latter.
 */

import { expect, test } from "vitest";
import { z } from "zod";
import { defineObject, noreply, read, reply, type JsonValue } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

const address = { tenant: "", type: "doc", id: "d" };
const initial: { count: number; metadata: JsonValue; items: JsonValue } = { count: 7, metadata: {}, items: [] };
const seen: string[] = [];
const Doc = defineObject({
  type: "doc",
  state: initial,
  afterLoad: ({ id }) => {
    seen.push(`afterLoad ${id}`);
    return noreply();
  },
  handlers: {
    get: ({ state }) => reply(state),
    touch: ({ state }) => noreply({ ...state, count: state.count + 1 }),
    set: ({ state }, metadata: JsonValue, items: JsonValue) => noreply({ ...state, metadata, items }),
    who: ({ id }) => reply(id),
    look: read(({ id }) => reply(id)),
  },
});

/** A runtime that finds this row. */
async function startWith(stores: TestStores, row: unknown) {
  const disk = await stores.create();
  const store = new FaultyStore(disk.open());
  const runtime = await start({ objects: [Doc], store });
  await store.changeByStranger(address, row);
  return { disk, store, runtime, doc: runtime.get(Doc, "d") };
}

const deep: JsonValue = {
  foo: "bar",
  nested: { baz: 123, list: [{ name: "item1" }, { name: "item2" }, [[1, [2]], []]] },
};

onEveryStore("load", (stores) => {
  test("LOAD-1 a field that the row lacks gets its default, at the top level", async () => {
    const { doc } = await startWith(stores, { metadata: { a: 1 } });
    expect(await doc.get()).toEqual({ count: 7, metadata: { a: 1 }, items: [] });
  });

  test("LOAD-2 a key that is no field is dropped, and is gone from the row at the next save", async () => {
    const { doc, store } = await startWith(stores, { count: 1, node: "x" });
    expect(await doc.get()).toEqual({ count: 1, metadata: {}, items: [] });
    await doc.touch();
    expect(JSON.parse(store.applied.at(-1)!.writes[0]!.state!)).toEqual({ count: 2, metadata: {}, items: [] });
  });

  test("LOAD-3 a key that nobody has ever heard of is dropped just the same", async () => {
    const { doc } = await startWith(stores, { count: 1, never_heard_of_9f2c: { deep: true } });
    expect((await doc.get()).count).toBe(1);
  });

  test("LOAD-4 null wins over the default", async () => {
    const { doc } = await startWith(stores, { count: 1, metadata: null });
    expect((await doc.get()).metadata).toBeNull();
  });

  test("LOAD-5 a key id in the row changes nobody's id", async () => {
    const { doc } = await startWith(stores, { count: 1, id: "somebody else" });
    expect(await doc.who()).toBe("d");
    expect(await doc.get()).not.toHaveProperty("id");
  });

  test("LOAD-6 fields have the names they have in the definition", async () => {
    const { doc } = await startWith(stores, { count: 1 });
    expect(Object.keys(await doc.get())).toEqual(["count", "metadata", "items"]);
  });

  test("LOAD-7 every object has defaults of its own; a schema can make them anew for each", async () => {
    let made = 0;
    const Numbered = defineObject({
      type: "numbered",
      state: z.object({ number: z.number().default(() => ++made) }),
      handlers: { get: ({ state }) => reply(state.number) },
    });
    const runtime = await start({ objects: [Numbered], store: (await stores.create()).open() });
    const first = await runtime.get(Numbered, "a").get();
    expect(await runtime.get(Numbered, "b").get()).toBeGreaterThan(first);
    expect(await runtime.get(Numbered, "a").get()).toBe(first);
  });

  test("LOAD-8 an added field: old rows have it on load, and in the row with the next save", async () => {
    const { doc, store } = await startWith(stores, { count: 1 });
    await doc.get();
    expect(store.sent).toEqual([]);
    await doc.touch();
    expect(JSON.parse(store.applied.at(-1)!.writes[0]!.state!)).toHaveProperty("items");
  });

  test("KEYS-1 values inside fields are untouched", async () => {
    const { doc } = await startWith(stores, { metadata: deep, items: [{ name: "item1" }, { name: "item2" }] });
    expect(await doc.get()).toEqual({ count: 7, metadata: deep, items: [{ name: "item1" }, { name: "item2" }] });
  });

  test("KEYS-2 keys are property names before and after a reload: there is nothing to convert", async () => {
    const { doc, runtime } = await startWith(stores, {});
    await doc.set(deep, [1]);
    const before = await doc.get();
    await runtime.deactivate(Doc, "d");
    expect(await doc.get()).toEqual(before);
  });

  test("KEYS-3 an unknown key inside a value does not disturb the load", async () => {
    const { doc } = await startWith(stores, { metadata: { never_heard_of_7a1b: 1 } });
    expect((await doc.get()).metadata).toEqual({ never_heard_of_7a1b: 1 });
  });

  test("KEYS-4 a thousand unknown keys, deep and in lists, are kept", async () => {
    const items = Array.from({ length: 1_000 }, (_, index) => ({ [`key_${index}`]: [{ [`deep_${index}`]: index }] }));
    const { doc } = await startWith(stores, { items });
    expect((await doc.get()).items).toEqual(items);
  });

  test("KEYS-5 four levels, lists of records, lists of lists", async () => {
    const metadata = { a: { b: { c: { d: [{ e: 1 }, [[{ f: 2 }]]] } } } };
    const { doc, runtime } = await startWith(stores, { metadata });
    expect((await doc.get()).metadata).toEqual(metadata);
    await doc.touch();
    await runtime.deactivate(Doc, "d");
    expect((await doc.get()).metadata).toEqual(metadata);
  });

  test.each<[JsonValue, JsonValue]>([
    [{}, []],
    ["hello", 42],
    [true, null],
    [false, [1, "two", null, false]],
    [0, ["alpha", "beta", 3, true, null]],
  ])("KEYS-6 empty containers, scalars and mixed lists are preserved exactly: %j, %j", async (metadata, items) => {
    const { doc, runtime } = await startWith(stores, { count: 1 });
    await doc.set(metadata, items);
    await runtime.deactivate(Doc, "d");
    expect(await doc.get()).toEqual({ count: 1, metadata, items });
  });

  test("ID-1 the id is the object's, in handlers, reads and afterLoad, after any number of calls", async () => {
    seen.length = 0;
    const { doc } = await startWith(stores, {});
    expect(await doc.who()).toBe("d");
    await doc.touch();
    expect([await doc.who(), await doc.look()]).toEqual(["d", "d"]);
    expect(seen).toEqual(["afterLoad d"]);
  });

  test("ID-2 the row has no id beside the state", async () => {
    const { doc, store } = await startWith(stores, {});
    await doc.touch();
    expect(JSON.parse(store.applied.at(-1)!.writes[0]!.state!)).not.toHaveProperty("id");
  });

  test("ID-3 after a reload the id is the same", async () => {
    const { doc, runtime } = await startWith(stores, {});
    await runtime.deactivate(Doc, "d");
    expect(await doc.who()).toBe("d");
  });
});

test("KEYS-7, KEYS-8, KEYS-9 there is no option for keys, neither of the definition nor of the runtime", async () => {
  // @ts-expect-error -- no such option
  expect(await codeOf(() => defineObject({ type: "x", state: {}, handlers: {}, objectKeys: "atoms" }))).toBe(
    "INVALID_DEFINITION",
  );
  expect(Doc).not.toHaveProperty("objectKeys");
});

test("ID-4 the id is not part of a state: the defaults have none", async () => {
  const runtime = await start({ objects: [Doc], store: memory() });
  expect(await runtime.get(Doc, "fresh").get()).toEqual(initial);
});

test("ID-5 a handler is a function: called alone, its id is what it is given", () => {
  const context = { id: "mine", state: initial } as Parameters<typeof Doc.handlers.who>[0];
  expect(Doc.handlers.who(context)).toMatchObject({ value: "mine" });
});
