/** A state that is declared by a Standard Schema: zod, valibot and arktype, dates, strict and loose. */

import { type } from "arktype";
import * as v from "valibot";
import { expect, test } from "vitest";
import { z } from "zod";
import { defineObject, noreply, reply, type Schema } from "../../src/index.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

interface Person {
  name: string;
  age: number;
  seen: Date | null;
}

const isoDate = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
});

/** The same state by four schemas, each of which brings back a date. */
const schemas: Record<string, Schema<unknown, Person>> = {
  "zod, coerced": z.object({
    name: z.string().default("nobody"),
    age: z.number().int().min(0).default(0),
    seen: z.coerce.date().nullable().default(null),
  }),
  "zod, codec": z.object({
    name: z.string().default("nobody"),
    age: z.number().int().min(0).default(0),
    seen: isoDate.nullable().default(null),
  }),
  valibot: v.object({
    name: v.optional(v.string(), "nobody"),
    age: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
    seen: v.optional(
      v.nullable(
        v.pipe(
          v.union([v.date(), v.pipe(v.string(), v.isoTimestamp())]),
          v.transform((value) => new Date(value)),
        ),
      ),
      null,
    ),
  }),
  arktype: type({
    name: "string = 'nobody'",
    age: "number.integer >= 0 = 0",
    seen: [["string.date.iso.parse", "|", "Date | null"], "=", null],
  }),
};

function definePerson(state: Schema<unknown, Person>) {
  return defineObject({
    type: "person",
    state,
    handlers: {
      rename: (context, name: string) => noreply({ ...context.state, name }),
      age: (context, age: number) => noreply({ ...context.state, age }),
      see: (context, at: number) => noreply({ ...context.state, seen: new Date(at) }),
      get: (context) => {
        const { name, age, seen } = context.state;
        return reply({ name, age, seen: seen === null ? null : `${seen.constructor.name} ${seen.getTime()}` });
      },
      vandalise: (context) => {
        (context.state as Person).age = 99;
        return reply(context.state.age);
      },
      extra: (context) => noreply({ ...context.state, extra: 1 } as Person),
      keys: (context) => reply(Object.keys(context.state)),
    },
  });
}

async function startPeople(stores: TestStores, state: Schema<unknown, Person>) {
  const disk = await stores.create();
  const store = new FaultyStore(disk.open());
  const Person = definePerson(state);
  const runtime = await start({ objects: [Person], store });
  return { disk, store, runtime, Person, person: runtime.get(Person, "p") };
}

onEveryStore("state by schema", (stores) => {
  for (const [name, schema] of Object.entries(schemas)) {
    test(`${name}: a new object has the defaults; a Date is a Date, also after a restart`, async () => {
      const { disk, store, runtime, Person, person } = await startPeople(stores, schema);
      expect(await person.get()).toEqual({ name: "nobody", age: 0, seen: null });
      expect(store.sent).toEqual([]);
      await person.see(1_700_000_000_123);
      const before = await person.get();
      expect(before.seen).toBe("Date 1700000000123");
      const stored = JSON.parse(store.applied[0]!.writes[0]!.state!) as object;
      expect(stored).toEqual({ name: "nobody", age: 0, seen: "2023-11-14T22:13:20.123Z" });
      await runtime.deactivate(Person, "p");
      expect(await person.get()).toEqual(before);
      const peeked = await runtime.peek(Person, "p");
      expect(peeked?.seen).toBeInstanceOf(Date);
      await runtime.stop();
      const again = await start({ objects: [Person], store: disk.open() });
      expect(await again.get(Person, "p").get()).toEqual(before);
    });

    test(`${name}: the same instant again is no change, another one is`, async () => {
      const { store, person } = await startPeople(stores, schema);
      await person.see(1_000);
      await person.see(1_000);
      expect(store.sent).toHaveLength(1);
      await person.see(2_000);
      expect(store.sent).toHaveLength(2);
    });

    test(`${name}: a state that the schema refuses is INVALID_STATE and not saved`, async () => {
      const { store, person } = await startPeople(stores, schema);
      await person.age(5);
      const error = await errorOf(person.age(-1));
      expect(error).toMatchObject({ code: "INVALID_STATE", outcome: "not-applied" });
      expect(error.message).toContain("age");
      expect(await codeOf(person.age(1.5))).toBe("INVALID_STATE");
      expect(await codeOf(person.see(Number.MAX_SAFE_INTEGER))).toMatch(/INVALID_STATE|HANDLER_CRASHED/);
      expect((await person.get()).age).toBe(5);
      expect(store.sent).toHaveLength(1);
    });

    test(`${name}: a stored state that the schema refuses is STATE_UNREADABLE, and the row is left alone`, async () => {
      const { disk, store, runtime, Person, person } = await startPeople(stores, schema);
      await person.rename("Ann");
      await runtime.deactivate(Person, "p");
      const address = { tenant: "", type: "person", id: "p" };
      await store.changeByStranger(address, { name: 5, age: "old" });
      const error = await errorOf(person.get());
      expect(error).toMatchObject({ code: "STATE_UNREADABLE", outcome: "not-applied", retryable: false });
      expect(error.message).toContain("person/p");
      expect(await codeOf(runtime.peek(Person, "p"))).toBe("STATE_UNREADABLE");
      expect(await codeOf(person.age(3))).toBe("STATE_UNREADABLE");
      await store.changeByStranger(address, { name: "Ann", age: 4, seen: null });
      expect(await person.get()).toEqual({ name: "Ann", age: 4, seen: null });
      await runtime.stop();
      const again = await start({ objects: [Person], store: disk.open() });
      expect(await again.get(Person, "p").get()).toEqual({ name: "Ann", age: 4, seen: null });
    });

    test(`${name}: a handler cannot change the state it is given, with a Date in it or not`, async () => {
      const { person } = await startPeople(stores, schema);
      expect(await codeOf(person.vandalise())).toBe("HANDLER_CRASHED");
      await person.see(1_000);
      expect(await codeOf(person.vandalise())).toBe("HANDLER_CRASHED");
      expect((await person.get()).age).toBe(0);
    });

    test(`${name}: a handler sees the same fields before and after a reload`, async () => {
      const { runtime, Person, person } = await startPeople(stores, schema);
      if ((await codeOf(person.extra())) !== "ok") return;
      const before = await person.keys();
      await runtime.deactivate(Person, "p");
      expect((await person.keys()).toSorted()).toEqual(before.toSorted());
    });
  }

  test("a strict schema refuses a field it does not know, on the way in and out; a loose one keeps it", async () => {
    const Strict = definePerson(z.strictObject({ name: z.string().default("") }) as unknown as Schema<unknown, Person>);
    const Loose = definePerson(z.looseObject({ name: z.string().default("") }) as unknown as Schema<unknown, Person>);
    const address = { tenant: "", type: "person", id: "p" };
    const strictStore = new FaultyStore((await stores.create()).open());
    const strict = await start({ objects: [Strict], store: strictStore });
    expect(await codeOf(strict.get(Strict, "p").extra())).toBe("INVALID_STATE");
    await strict.deactivate(Strict, "p");
    await strictStore.changeByStranger(address, { name: "Ann", extra: 1 });
    expect(await codeOf(strict.get(Strict, "p").keys())).toBe("STATE_UNREADABLE");

    const disk = await stores.create();
    const loose = await start({ objects: [Loose], store: disk.open() });
    await loose.get(Loose, "p").extra();
    await loose.get(Loose, "p").rename("Ann");
    await loose.stop();
    const again = await start({ objects: [Loose], store: disk.open() });
    expect(await again.peek(Loose, "p")).toEqual({ name: "Ann", extra: 1 });
  });

  test("what is no JSON is refused beside a Date as it is without one", async () => {
    const anything = v.object({
      at: v.optional(v.any(), null),
      value: v.optional(v.any(), null),
    });
    const Any = defineObject({
      type: "any",
      state: anything,
      handlers: {
        set: (_context, what: string, withDate: boolean) =>
          noreply({ at: withDate ? new Date(0) : null, value: oddities[what]!() }),
        get: (context) => reply(JSON.stringify(context.state)),
      },
    });
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Any], store });
    for (const what of Object.keys(oddities)) {
      for (const withDate of [false, true]) {
        const error = await errorOf(runtime.get(Any, "a").set(what, withDate));
        expect(error.code, `${what}, ${withDate}`).toBe("INVALID_STATE");
        expect(error.message, `${what}, ${withDate}`).toContain(what === "cycle" ? "state" : "state.value");
      }
    }
    expect(store.sent).toEqual([]);
    expect(await runtime.get(Any, "a").get()).toBe('{"at":null,"value":null}');
  });
});

const oddities: Record<string, () => unknown> = {
  NaN: () => Number.NaN,
  bigint: () => 5n,
  Map: () => new Map([[1, 2]]),
  function: () => () => 1,
  hole: () => [1, undefined],
  cycle: () => {
    const self: Record<string, unknown> = {};
    self["a"] = self;
    self["b"] = self;
    return self;
  },
};
