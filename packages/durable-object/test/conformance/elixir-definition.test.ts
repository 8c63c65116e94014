/**
 * What the Elixir library `durable_object` does with definitions, row by row (area DSL). Most of it is the
 * compiler's work here: those rows are lines that do not compile.
 */

import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { defineObject, noreply, reply, type DefinedState, type Duration } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { start } from "../support/stores.ts";

const declared: { count: number; name: string | null; tags: string[] } = { count: 0, name: null, tags: [] };
const Basic = defineObject({
  type: "basic",
  state: declared,
  handlers: {
    increment: ({ state }, amount: number) => reply(state.count + amount, { ...state, count: state.count + amount }),
    get: ({ state }) => reply(state),
    reset: ({ state }) => noreply({ ...state, count: 0 }),
  },
});

test("DSL-1 fields and their defaults are the state", async () => {
  expectTypeOf<DefinedState<typeof Basic>>().toEqualTypeOf<typeof declared>();
  const runtime = await start({ objects: [Basic], store: memory() });
  expect(await runtime.get(Basic, "b").get()).toEqual({ count: 0, name: null, tags: [] });
});

test("DSL-2 handlers and their arguments are inferred", async () => {
  const runtime = await start({ objects: [Basic], store: memory() });
  const basic = runtime.get(Basic, "b");
  expectTypeOf(basic.increment).parameters.toEqualTypeOf<[amount: number]>();
  expectTypeOf(basic.increment).returns.toEqualTypeOf<Promise<number>>();
  expectTypeOf(basic.get).parameters.toEqualTypeOf<[]>();
  expect(Object.keys(Basic.handlers)).toEqual(["increment", "get", "reset"]);
});

test("DSL-3 a definition can be looked into, and not changed", () => {
  expect(Basic).toMatchObject({ type: "basic", hibernateAfterMs: 300_000, shutdownAfterMs: Infinity });
  expect(Basic.codec.version).toBe(1);
  expect(Object.isFrozen(Basic) && Object.isFrozen(Basic.handlers) && Object.isFrozen(Basic.alarms)).toBe(true);
});

test("DSL-4 without options: 5 minutes, never", () => {
  expect([Basic.hibernateAfterMs, Basic.shutdownAfterMs]).toEqual([300_000, Infinity]);
});

test("DSL-5 a fresh object has all defaults", async () => {
  const runtime = await start({ objects: [Basic], store: memory() });
  expect(await runtime.get(Basic, "fresh").get()).toEqual(declared);
});

test("DSL-6 a state is JSON, nested lists and records too, without the id", async () => {
  const runtime = await start({ objects: [Basic], store: memory() });
  await runtime.get(Basic, "b").increment(42);
  expect(JSON.stringify(await runtime.peek(Basic, "b"))).toBe('{"count":42,"name":null,"tags":[]}');
});

test("DSL-7 a handler that is missing does not compile, and is INVALID_DEFINITION", async () => {
  // @ts-expect-error -- a handler is a function
  const missing = () => defineObject({ type: "x", state: {}, handlers: { missing: undefined } });
  const error = await errorOf(missing);
  expect(error.code).toBe("INVALID_DEFINITION");
  expect(error.message).toContain('"missing"');
  const runtime = await start({ objects: [Basic], store: memory() });
  // @ts-expect-error -- the definition has no such handler
  expect(runtime.get(Basic, "b").missing).toBeUndefined();
});

test("DSL-8 a wrong number of arguments does not compile at the call", async () => {
  const runtime = await start({ objects: [Basic], store: memory() });
  const basic = runtime.get(Basic, "b");
  // @ts-expect-error -- the amount is missing
  expect(await codeOf(basic.increment())).toMatch(/INVALID_STATE|INVALID_RESULT/);
  // @ts-expect-error -- an argument too many
  expect(await basic.increment(1, 2)).toBe(1);
});

test("DSL-9 the right number compiles, and works", async () => {
  const runtime = await start({ objects: [Basic], store: memory() });
  expect(await runtime.get(Basic, "b").increment(2)).toBe(2);
});

test("DSL-10 names that a stub has for itself are reserved for it", async () => {
  for (const name of ["alarms", "safe", "then", "catch", "finally", "constructor", "toString", "toJSON", "valueOf"]) {
    const error = await errorOf(() => defineObject({ type: "x", state: {}, handlers: { [name]: () => noreply() } }));
    expect(error.code).toBe("INVALID_DEFINITION");
    expect(error.message).toContain(`"${name}"`);
    expect(error.message).toContain("Choose another name");
  }
  // The original reserves `alarm`: here alarms have handlers of their own.
  expect(defineObject({ type: "x", state: {}, handlers: { alarm: () => noreply() } }).type).toBe("x");
});

test("DSL-11 a field id is a field like any other: the object's id is in the context", async () => {
  const WithId = defineObject({
    type: "with-id",
    state: { id: "a field" },
    handlers: { both: ({ state, id }) => reply([state.id, id]) },
  });
  const runtime = await start({ objects: [WithId], store: memory() });
  expect(await runtime.get(WithId, "the id").both()).toEqual(["a field", "the id"]);
});

test("DSL-12 a stub's methods take the arguments; how to call is said when the stub is made", async () => {
  const runtime = await start({ objects: [Basic], store: memory() });
  expect(await runtime.get(Basic, "b").increment(5)).toBe(5);
  expect(await runtime.get(Basic, "b", { timeout: 1_000 }).increment(5)).toBe(10);
  expectTypeOf(runtime.get(Basic, "b").safe.increment).parameters.toEqualTypeOf<[amount: number]>();
});

test("DSL-13 a wrong option is INVALID_DEFINITION, and says which and why", async () => {
  const base = { type: "x", state: {}, handlers: {} };
  const wrong: Record<string, () => unknown> = {
    shutdownAfter: () => defineObject({ ...base, shutdownAfter: -1 }),
    hibernateAfter: () => defineObject({ ...base, hibernateAfter: "soon" as Duration }),
    version: () => defineObject({ ...base, version: 0 }),
    migrate: () => defineObject({ ...base, version: 2 }),
    letters: () => defineObject({ ...base, type: "no spaces" }),
    state: () => defineObject({ ...base, state: [] }),
    schema: () => defineObject({ ...base, state: z.object({ required: z.string() }) }),
    asynchronous: () => defineObject({ ...base, state: z.object({}).refine(async () => true) }),
    "state.at": () => defineObject({ ...base, state: { at: new Date() } }),
    "not a name": () => defineObject({ ...base, handlers: { "not a name": () => noreply() } }),
    notAnOption: () => defineObject({ ...base, notAnOption: 1 } as typeof base),
  };
  for (const [what, define] of Object.entries(wrong)) {
    const error = await errorOf(define);
    expect(error.code, what).toBe("INVALID_DEFINITION");
    expect(error.message, what).toContain(what);
  }
});
