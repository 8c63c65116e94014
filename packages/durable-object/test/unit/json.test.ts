/** JSON at the boundaries: what survives is copied and compared, what does not is refused by its path. */

import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { appendPath, compareJson, copyJson, isStorableText, NotJson, utf8Length } from "../../src/core/json.ts";

function refusal(run: () => unknown): NotJson {
  try {
    run();
  } catch (error) {
    if (error instanceof NotJson) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

function nested(levels: number): unknown {
  let value: unknown = "bottom";
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { in: value };
  return value;
}

class Money {
  readonly cents = 5;
}

const self: { name: string; me?: unknown } = { name: "cycle" };
self.me = self;

const refused: readonly (readonly [name: string, value: unknown, path: string, problem: RegExp])[] = [
  ["NaN", { a: Number.NaN }, "value.a", /NaN is not a JSON number/],
  ["an infinity", [1, -Infinity], "value[1]", /-Infinity is not a JSON number/],
  ["a bigint", { a: 1n }, "value.a", /bigint/],
  ["a function", { a: { run: () => 1 } }, "value.a.run", /function/],
  ["a symbol", { a: Symbol("s") }, "value.a", /symbol/],
  ["a date", { at: new Date(0) }, "value.at", /Date/],
  ["an invalid date", { at: new Date(Number.NaN) }, "value.at", /date is invalid/],
  ["a map", { a: new Map() }, "value.a", /Map/],
  ["a set", { a: new Set() }, "value.a", /Set/],
  ["an error", { a: new Error("x") }, "value.a", /Error/],
  ["bytes", { a: new Uint8Array(1) }, "value.a", /Uint8Array/],
  ["a regular expression", { a: /x/ }, "value.a", /RegExp/],
  ["an instance of a class", { price: new Money() }, "value.price", /Money/],
  ["a boxed number", { a: Object(1) as unknown }, "value.a", /Number/],
  ["undefined in a list", [1, undefined], "value[1]", /undefined/],
  // oxlint-disable-next-line no-sparse-arrays -- a hole is what is tested
  ["a hole in a list", [1, , 3], "value[1]", /undefined/],
  ["a cycle", self, `value${".me".repeat(64)}`, /cycle/],
  ["too many levels", nested(65), expect.stringMatching(/^value/) as string, /64 levels/],
  ["half a surrogate pair", { a: "\ud800" }, "value.a", /surrogate/],
  ["U+0000", { a: "a\u0000b" }, "value.a", /U\+0000/],
  ["U+0000 in a name", { a: { "b\u0000": 1 } }, "value.a", /field name/],
  ["__proto__ as a name", JSON.parse('{"a":{"__proto__":{"admin":true}}}'), "value.a", /"__proto__"/],
  ["a date of another realm", { at: runInNewContext("new Date(0)") as unknown }, "value.at", /Date/],
  ["a name that is no identifier", { "a b": { "1": Number.NaN } }, 'value["a b"]["1"]', /NaN/],
];

describe.each(refused)("%s is refused", (_name, value, path, problem) => {
  test("as a copy", () => {
    const { path: where, problem: what } = refusal(() => copyJson(value, "value"));
    expect(where).toEqual(path);
    expect(what).toMatch(problem);
  });

  test("as a next state", () => {
    const { path: where, problem: what } = refusal(() => compareJson(undefined, value, "value", true));
    expect(where).toEqual(path);
    expect(what).toMatch(problem);
  });
});

test("what is refused at the top is named by the path alone", () => {
  expect(refusal(() => copyJson(5n, "args[0]"))).toMatchObject({ path: "args[0]" });
  expect(refusal(() => compareJson(null, Number.NaN, "state", false))).toMatchObject({ path: "state" });
});

describe("copyJson", () => {
  test("gives back what JSON would, and shares nothing with it", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        fc.pre(storable(value));
        const copied = copyJson(value, "value");
        expect(copied).toEqual(JSON.parse(JSON.stringify(value)));
        const shared = parts(value);
        for (const part of parts(copied)) expect(shared.has(part)).toBe(false);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test("leaves out fields that are undefined, and lets undefined through at the top", () => {
    expect(Object.keys(copyJson({ a: undefined, b: null }, "value") as object)).toEqual(["b"]);
    expect(copyJson(undefined, "value")).toBeUndefined();
  });

  test("takes records of another realm and records without a prototype, as records of this one", () => {
    const foreign: unknown = runInNewContext('({ a: [1, { b: "c" }] })');
    const bare = Object.assign(Object.create(null) as object, { a: 1 });
    expect(Object.getPrototypeOf(copyJson(foreign, "value"))).toBe(Object.prototype);
    expect(copyJson(foreign, "value")).toEqual({ a: [1, { b: "c" }] });
    expect(Object.getPrototypeOf(copyJson(bare, "value"))).toBe(Object.prototype);
  });

  test("takes as many levels as are allowed, and the same part twice", () => {
    expect(copyJson(nested(64), "value")).toEqual(nested(64));
    const part = { a: 1 };
    expect(copyJson([part, part], "value")).toEqual([{ a: 1 }, { a: 1 }]);
  });

  test("names like constructor and toString are names like others", () => {
    const value = { constructor: 1, toString: 2, hasOwnProperty: 3 };
    expect(copyJson(value, "value")).toEqual(value);
  });
});

describe("compareJson", () => {
  test("says whether anything differs, as JSON would", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), (one, other) => {
        fc.pre(storable(one) && storable(other));
        expect(compareJson(one, structuredClone(one), "state", false)).toBe(false);
        expect(compareJson(one, other, "state", false)).toBe(canonical(one) !== canonical(other));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  const changes: readonly (readonly [name: string, before: unknown, after: unknown, differs: boolean])[] = [
    ["the order of fields is no change", { a: 1, b: 2 }, { b: 2, a: 1 }, false],
    ["undefined is absent", { a: 1 }, { a: 1, b: undefined }, false],
    ["null is not absent", { a: 1 }, { a: 1, b: null }, true],
    ["a field that is gone", { a: 1, b: 2 }, { a: 1 }, true],
    ["a field that has another name", { a: 1 }, { b: 1 }, true],
    ["a shorter list", [1, 2], [1], true],
    ["a list is no record", [], {}, true],
    ["a record is no list", { 0: "a" }, ["a"], true],
    ["a number is no text", { a: 1 }, { a: "1" }, true],
    ["0 and -0 are one number in JSON", { a: 0 }, { a: -0 }, false],
    ["deep down", { a: { b: { c: [1, 2, 3] } } }, { a: { b: { c: [1, 2, 4] } } }, true],
    ["an inherited name is no field", {}, { toString: 1 }, true],
    ["from nothing", undefined, {}, true],
  ];
  test.each(changes)("%s", (_name, before, after, differs) => {
    expect(compareJson(before, after, "state", false)).toBe(differs);
  });

  test("freezes what is new, all the way down, when asked to", () => {
    const kept = { deep: {} };
    const next = { kept, fresh: { list: [{ n: 1 }] } };
    compareJson({ kept }, next, "state", true);
    expect(Object.isFrozen(next)).toBe(true);
    expect(Object.isFrozen(next.fresh.list[0])).toBe(true);

    const loose = { list: [{ n: 1 }] };
    compareJson({}, loose, "state", false);
    expect(Object.isFrozen(loose)).toBe(false);
  });

  test("does not look again at parts that are the same", () => {
    const kept = new Proxy({}, { ownKeys: () => expect.fail("it was looked at") });
    expect(compareJson({ kept, n: 1 }, { kept, n: 2 }, "state", false)).toBe(true);
  });
});

test("paths are written as in code", () => {
  expect(appendPath("state", "items")).toBe("state.items");
  expect(appendPath("state.items", 3)).toBe("state.items[3]");
  expect(appendPath("state", "a-b")).toBe('state["a-b"]');
  expect(appendPath("state", "")).toBe('state[""]');
});

test("a length in UTF-8 is what a buffer of it has", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(utf8Length(text)).toBe(Buffer.byteLength(text));
    }),
    { seed: 1, numRuns: 300 },
  );
  expect(isStorableText("a\u{1f600}b")).toBe(true);
});

/** Whether every store could keep it: fast-check also makes texts and names that none could. */
function storable(value: unknown): boolean {
  const text = JSON.stringify(value);
  return !text.includes("\\u0000") && !text.includes("__proto__") && !/\\ud[89a-f]/.test(text);
}

/** All records and lists in a value. */
function parts(value: unknown): Set<unknown> {
  if (typeof value !== "object" || value === null) return new Set();
  return new Set([value, ...Object.values(value).flatMap((part) => [...parts(part)])]);
}

/** JSON with sorted fields. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
