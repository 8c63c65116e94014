/** How a state is made, admitted, stored and brought back: by defaults, and by schemas of three libraries. */

import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { DurableObjectError } from "../../src/index.ts";
import { NotJson } from "../../src/core/json.ts";
import {
  stateCodec,
  Unreadable,
  Unstorable,
  type AdmittedState,
  type Migrations,
  type StateCodec,
} from "../../src/object/state-codec.ts";

function codec(declared: unknown, version = 1, migrate: Migrations = {}): StateCodec {
  return stateCodec(declared, version, migrate, (problem) => new DurableObjectError("INVALID_DEFINITION", problem));
}

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** Why a definition is refused. */
function refusal(declared: unknown, version?: number, migrate?: Migrations): string {
  const error = thrownBy(() => codec(declared, version, migrate));
  expect(error).toBeInstanceOf(DurableObjectError);
  return (error as DurableObjectError).message;
}

/** What the next activation would see. */
function reloaded(of: StateCodec, admitted: AdmittedState): unknown {
  return of.revive(JSON.parse(JSON.stringify(admitted.stored)), of.version, true).state;
}

describe("declared by defaults", () => {
  const counter = codec({ count: 0, note: null as string | null, tags: ["new"] });

  test("a new object has the defaults, frozen, and shares nothing with the declaration", () => {
    const declared = { tags: ["a"] };
    const initial = codec(declared).initial(true);
    declared.tags.push("b");
    expect(initial.state).toEqual({ tags: ["a"] });
    expect(Object.isFrozen((initial.state as { tags: unknown }).tags)).toBe(true);
  });

  test("what is stored is laid over the defaults: new fields get theirs, unknown ones are dropped", () => {
    const { state, changed } = counter.revive({ count: 5, gone: true }, 1, true);
    expect(state).toEqual({ count: 5, note: null, tags: ["new"] });
    expect(changed).toBe(false);
  });

  test("null is kept, and a record in a field is not merged", () => {
    const settings = codec({ theme: "light" as string | null, options: { a: 1, b: 2 } });
    expect(settings.revive({ theme: null, options: { a: 5 } }, 1, true).state).toEqual({
      theme: null,
      options: { a: 5 },
    });
  });

  test("the same state, or an equal one, is no change", () => {
    const initial = counter.initial(true);
    expect(counter.admit(initial, initial.state, true)).toBe(initial);
    expect(counter.admit(initial, { tags: ["new"], note: null, count: 0 }, true)).toBe(initial);
    expect(counter.admit(initial, { tags: ["new"], note: null, count: 1 }, true).changed).toBe(true);
  });

  test("a field that is left out, or undefined, goes back to its default", () => {
    const admitted = counter.admit(counter.initial(true), { count: 1, tags: undefined }, true);
    expect(admitted.state).toEqual({ count: 1, note: null, tags: ["new"] });
    expect(reloaded(counter, admitted)).toEqual(admitted.state);
  });

  test("a field that is not among the defaults is refused: it would be dropped at the next load", () => {
    const error = thrownBy(() => counter.admit(counter.initial(true), { count: 1, extra: 1 }, true));
    expect(error).toBeInstanceOf(Unstorable);
    expect((error as Unstorable).problem).toContain("state.extra is not among the defaults");
  });

  test.each([[null], [5], ["text"], [[1]]])("%j is no next state", (next) => {
    expect(thrownBy(() => counter.admit(counter.initial(true), next, true))).toBeInstanceOf(Unstorable);
  });

  test("what does not survive JSON is refused by its path", () => {
    const error = thrownBy(() => counter.admit(counter.initial(true), { count: Number.NaN }, true));
    expect(error).toBeInstanceOf(NotJson);
    expect((error as NotJson).path).toBe("state.count");
  });

  test.each([[null], ["text"], [[1, 2]], [5]])("stored %j cannot be brought back", (stored) => {
    expect(thrownBy(() => counter.revive(stored, 1, true))).toBeInstanceOf(Unreadable);
  });

  test("a next state is frozen only when asked for", () => {
    const next = { count: 1, note: null, tags: ["x"] };
    counter.admit(counter.initial(false), next, false);
    expect(Object.isFrozen(next)).toBe(false);
    counter.admit(counter.initial(false), next, true);
    expect(Object.isFrozen(next.tags)).toBe(true);
  });
});

describe("a declaration that could never work is refused", () => {
  test.each([
    ["no object", 5, /object with a default/],
    ["null", null, /object with a default/],
    ["a list", [1], /object with a default/],
    ["a map", new Map(), /object with a default/],
    ["a date among the defaults", { at: new Date(0) }, /state\.at: a Date .* Standard Schema/],
    ["a function among the defaults", { run: () => 1 }, /state/],
    ["NaN among the defaults", { a: { b: Number.NaN } }, /state\.a\.b: NaN/],
    ["a schema without a default", z.object({ name: z.string() }), /refuses an empty state \(state\.name/],
    ["an asynchronous schema", z.object({}).refine(async () => true), /asynchronous/],
    ["a schema that gives a map", z.object({ a: z.map(z.string(), z.string()).default(new Map()) }), /state\.a: a Map/],
    ["a schema that cannot go back", z.object({ n: z.number().default(1).transform(String) }), /own initial state/],
  ])("%s", (_name, declared, message) => {
    expect(refusal(declared)).toMatch(message);
  });

  test.each([
    ["version 0", 0, {}, /whole number from 1/],
    ["half a version", 1.5, {}, /whole number from 1/],
    ["a step that is missing", 3, { 1: (old: unknown) => old }, /no step from version 2 to 3/],
    ["a step too many", 2, { 1: (old: unknown) => old, 2: (old: unknown) => old }, /version 2, but the version is 2/],
    ["a step from version 0", 1, { 0: (old: unknown) => old }, /version 0/],
  ])("%s", (_name, version, migrate, message) => {
    expect(refusal({ n: 0 }, version, migrate)).toMatch(message);
  });
});

describe("migrations", () => {
  const third = codec({ cents: 0 }, 3, {
    1: (old: { euros: number }) => ({ amount: old.euros }),
    2: (old: { amount: number }) => ({ cents: old.amount * 100 }),
  });

  test("go step by step from the stored version", () => {
    expect(third.revive({ euros: 5 }, 1, true).state).toEqual({ cents: 500 });
    expect(third.revive({ amount: 7 }, 2, true).state).toEqual({ cents: 700 });
    expect(third.revive({ cents: 9 }, 3, true).state).toEqual({ cents: 9 });
  });

  test("do not run for a new object", () => {
    expect(third.initial(true).state).toEqual({ cents: 0 });
  });

  test("a newer version than the code's is not touched", () => {
    const error = thrownBy(() => third.revive({ cents: 1 }, 4, true)) as Unreadable;
    expect(error).toBeInstanceOf(Unreadable);
    expect(error.tooNew).toBe(true);
    expect(error.problem).toContain("version 4");
  });

  test("a step that throws names itself", () => {
    const broken = codec({ n: 0 }, 2, {
      1: () => {
        throw new Error("no such field");
      },
    });
    const error = thrownBy(() => broken.revive({}, 1, true)) as Unreadable;
    expect(error).toMatchObject({ problem: "migrate[1] threw: no such field", tooNew: false });
  });
});

const zodDate = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
});

describe.each([
  [
    "zod",
    z.object({
      count: z.number().int().default(0),
      at: z.coerce.date().nullable().default(null),
    }),
  ],
  [
    "valibot",
    v.object({
      count: v.optional(v.pipe(v.number(), v.integer()), 0),
      at: v.optional(v.nullable(v.union([v.date(), v.pipe(v.string(), v.toDate())])), null),
    }),
  ],
  ["arktype", type({ count: "number.integer = 0", at: "Date | string.date.iso.parse | null = null" })],
  ["a zod codec", z.object({ count: z.number().int().default(0), at: zodDate.nullable().default(null) })],
])("declared by a schema of %s", (_name, schema) => {
  const visits = codec(schema);
  const at = new Date("2030-01-01T12:00:00.000Z");

  test("a new object is what the schema makes of nothing", () => {
    expect(visits.initial(true).state).toEqual({ count: 0, at: null });
  });

  test("a date is a date for handlers, and a text in the store", () => {
    const admitted = visits.admit(visits.initial(true), { count: 1, at }, true);
    expect(admitted.changed).toBe(true);
    expect(admitted.stored).toEqual({ count: 1, at: "2030-01-01T12:00:00.000Z" });
    expect(admitted.state).toEqual({ count: 1, at });
    expect(reloaded(visits, admitted)).toEqual({ count: 1, at });
  });

  test("an equal state is no change", () => {
    const admitted = visits.admit(visits.initial(true), { count: 1, at }, true);
    expect(visits.admit(admitted, { count: 1, at: new Date(at) }, true)).toBe(admitted);
    expect(visits.admit(admitted, admitted.state, true)).toBe(admitted);
  });

  test("a state that the schema refuses is not saved", () => {
    const error = thrownBy(() => visits.admit(visits.initial(true), { count: 1.5, at: null }, true));
    expect(error).toBeInstanceOf(Unstorable);
    expect((error as Unstorable).problem).toContain("count");
  });

  test("an invalid date is not saved", () => {
    const next = { count: 1, at: new Date(Number.NaN) };
    const error = thrownBy(() => visits.admit(visits.initial(true), next, true));
    expect(error instanceof Unstorable || error instanceof NotJson).toBe(true);
  });

  test("a stored state that the schema refuses cannot be brought back", () => {
    const error = thrownBy(() => visits.revive({ count: "five" }, 1, true)) as Unreadable;
    expect(error).toBeInstanceOf(Unreadable);
    expect(error.problem).toContain("count");
    expect(error.tooNew).toBe(false);
  });
});

describe("a schema decides about fields it does not know", () => {
  test("a strict one refuses them", () => {
    const strict = codec(z.strictObject({ n: z.number().default(0) }));
    expect(thrownBy(() => strict.admit(strict.initial(true), { n: 1, extra: 2 }, true))).toBeInstanceOf(Unstorable);
    expect(thrownBy(() => strict.revive({ n: 1, extra: 2 }, 1, true))).toBeInstanceOf(Unreadable);
  });

  test("a loose one keeps them", () => {
    const loose = codec(z.looseObject({ n: z.number().default(0) }));
    const admitted = loose.admit(loose.initial(true), { n: 1, extra: 2 }, true);
    expect(reloaded(loose, admitted)).toEqual({ n: 1, extra: 2 });
  });

  test("one that drops them drops them now, and not at the next load", () => {
    const plain = codec(z.object({ n: z.number().default(0) }));
    const admitted = plain.admit(plain.initial(true), { n: 1, extra: 2 }, true);
    expect(admitted.state).toEqual({ n: 1 });
    expect(reloaded(plain, admitted)).toEqual({ n: 1 });
  });
});

test("a schema of something that is no object works as well", () => {
  const list = codec(z.array(z.string()).default([]));
  const admitted = list.admit(list.initial(true), ["a"], true);
  expect(reloaded(list, admitted)).toEqual(["a"]);
});

test("a schema that makes another state every time is refused when it shows", () => {
  const growing = codec(
    v.object({
      n: v.optional(
        v.pipe(
          v.number(),
          v.transform((n) => (n === 0 ? 0 : n + 1)),
        ),
        0,
      ),
    }),
  );
  const error = thrownBy(() => growing.admit(growing.initial(true), { n: 1 }, true));
  expect(error).toBeInstanceOf(Unstorable);
  expect((error as Unstorable).problem).toContain("every time");
});

test("migrations give a schema what it expects", () => {
  const second = codec(z.object({ cents: z.number().default(0) }), 2, {
    1: (old: { euros: number }) => ({ cents: old.euros * 100 }),
  });
  expect(second.revive({ euros: 5 }, 1, true).state).toEqual({ cents: 500 });
});
