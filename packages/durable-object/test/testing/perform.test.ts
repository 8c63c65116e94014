/** One handler by itself: no runtime, no store, no time. */

import { expect, test } from "vitest";
import { z } from "zod";
import { defineObject, handler, noreply, reply, schedule } from "../../src/index.ts";
import { effects, nextState, perform, performAlarm, reason, result } from "../../src/testing/perform.ts";
import { virtualStart } from "../../src/testing/virtual-clock.ts";
import { Account, Rate } from "./account.ts";

test("returns what the handler returns: a result, the next state, the effects", () => {
  const outcome = perform(Account, "deposit", [5], { state: { balance: 1 } });
  expect(result(outcome)).toBe(6);
  expect(nextState(outcome)).toEqual({ balance: 6, name: "nobody", log: [] });
  expect(effects(outcome)).toEqual([]);
});

test("an argument with a default may be left out", () => {
  expect(result(perform(Account, "deposit", []))).toBe(1);
});

test("a refusal has a reason, and no result", () => {
  const outcome = perform(Account, "withdraw", [9], { state: { balance: 4 } });
  expect(reason(outcome)).toEqual({ code: "too_much", max: 4 });
  expect(() => result(outcome)).toThrow(/Expected a reply\. The handler refused the call with .*too_much/);
  expect(nextState(outcome)).toBeUndefined();
  expect(effects(outcome)).toEqual([]);
});

test("a reply has no reason", () => {
  expect(() => reason(perform(Account, "deposit", [1]))).toThrow(
    "Expected the handler to refuse the call. It replied 1.",
  );
});

test("effects are told in order", () => {
  const outcome = perform(Account, "withdraw", [1], { state: { balance: 1 } });
  expect(effects(outcome)).toEqual([schedule("audit", "1h", { payload: 1 })]);
});

test("an asynchronous handler gives a promise, and what is asked of that says so", async () => {
  const get = (() => ({ rate: () => Promise.resolve(8) })) as never;
  const outcome = perform(Account, "copy", ["eur"], { get });
  expect(() => result(outcome)).toThrow("It is a promise: await it first.");
  expect(result(await outcome)).toBe(8);
});

test("there are no other objects unless a test gives them", async () => {
  await expect(perform(Account, "copy", ["eur"])).rejects.toThrow(/there are no other objects.*createTestRuntime/);
});

test("arguments are checked as for a call, and reach the handler as the schema makes them", () => {
  expect(nextState(perform(Account, "rename", ["  Ada "]))?.name).toBe("Ada");
  expect(() => perform(Account, "rename", [" "])).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENTS" }));
});

test("a schema that checks asynchronously makes a promise of the outcome", async () => {
  const Guarded = defineObject({
    type: "guarded",
    state: { seen: "" },
    handlers: {
      see: handler({ args: z.tuple([z.string().refine((text) => Promise.resolve(text !== "no"))]) }, (_context, text) =>
        noreply({ seen: text }),
      ),
    },
  });
  expect(nextState(await perform(Guarded, "see", ["yes"]))).toEqual({ seen: "yes" });
  await expect(perform(Guarded, "see", ["no"])).rejects.toMatchObject({ code: "INVALID_ARGUMENTS" });
});

test("the state is frozen, and must be one that could be stored", () => {
  expect(() => perform(Account, "spoil", [])).toThrow(TypeError);
  expect(() => perform(Account, "deposit", [1], { state: { balance: Number.NaN } })).toThrow(
    expect.objectContaining({ code: "INVALID_STATE", message: expect.stringContaining("balance") }),
  );
  expect(() => perform(Account, "deposit", [1], { state: { owner: "me" } as never })).toThrow(
    expect.objectContaining({ code: "INVALID_STATE", message: expect.stringContaining("owner") }),
  );
});

test("with a schema the state is given as handlers see it", () => {
  const Trip = defineObject({
    type: "trip",
    state: z.object({ at: z.coerce.date().default(new Date(0)), stops: z.number().default(0) }),
    handlers: {
      year: ({ state }) => reply(state.at.getUTCFullYear()),
      stop: ({ state }) => noreply({ ...state, stops: 1 }),
    },
  });
  expect(result(perform(Trip, "year", [], { state: { at: new Date(Date.UTC(2031, 5, 1)) } }))).toBe(2031);
  expect(nextState(perform(Trip, "stop", []))).toEqual({ at: new Date(0), stops: 1 });
});

test("names that do not exist are told apart from those that do", () => {
  expect(() => perform(Account, "nonexistent" as "deposit", [])).toThrow(
    expect.objectContaining({ code: "UNKNOWN_HANDLER", message: expect.stringContaining("deposit, withdraw") }),
  );
  expect(() => perform(Account, "toString" as "deposit", [])).toThrow(
    expect.objectContaining({ code: "UNKNOWN_HANDLER" }),
  );
  expect(() => performAlarm(Account, "ring" as "audit")).toThrow(
    expect.objectContaining({ code: "UNKNOWN_ALARM", message: expect.stringContaining("audit, first") }),
  );
  expect(() => performAlarm(Rate, "ring" as never)).toThrow("It has none.");
});

test("an alarm's handler gets what it would get", () => {
  expect(nextState(performAlarm(Account, "audit", { payload: 3 }))).toMatchObject({ log: ["audit 3"] });
  const noted = performAlarm(Account, "note", { attempt: 2, now: new Date(0), id: "x" });
  expect(nextState(noted)).toMatchObject({ log: ["1970-01-01T00:00:00.000Z 2 account/x/note/1"] });
  expect(reason(performAlarm(Account, "broken"))).toEqual({ why: "it is broken" });
  expect(effects(performAlarm(Account, "first"))).toEqual([schedule("second", "5s")]);
});

test("the context says who and when", () => {
  const Mirror = defineObject({
    type: "mirror",
    state: {},
    handlers: {
      look: ({ id, tenant, type, now, signal }) => reply([id, tenant, type, now, signal.aborted] as const),
    },
  });
  expect(result(perform(Mirror, "look", []))).toEqual(["test", "", "mirror", virtualStart.getTime(), false]);
  const now = new Date(5);
  const signal = AbortSignal.abort();
  expect(result(perform(Mirror, "look", [], { id: "a", tenant: "t", now, signal }))).toEqual([
    "a",
    "t",
    "mirror",
    5,
    true,
  ]);
});

test("whatever is no outcome is said to be none", () => {
  for (const helper of [result, reason, nextState, effects]) {
    expect(() => helper(3)).toThrow("Expected an outcome: reply(…), noreply(…) or fail(…). It is 3.");
  }
});

test("what the runtime would refuse about an outcome is refused here", () => {
  const Wrong = defineObject({
    type: "wrong",
    state: { count: 0 },
    handlers: {
      nan: () => noreply({ count: Number.NaN }),
      extra: () => noreply({ count: 1, more: 2 }),
      alarm: ({ state }) => noreply(state, schedule("nothing" as string, "1h")),
      bare: () => 3 as never,
      result: () => reply(10n as unknown as number),
    },
  });
  const codeOf = (name: "nan" | "extra" | "alarm" | "bare" | "result"): unknown => {
    try {
      return perform(Wrong, name, []) ?? "ok";
    } catch (error) {
      return (error as { code: unknown }).code;
    }
  };
  expect((["nan", "extra", "alarm", "bare", "result"] as const).map(codeOf)).toEqual([
    "INVALID_STATE",
    "INVALID_STATE",
    "UNKNOWN_ALARM",
    "INVALID_OUTCOME",
    "INVALID_RESULT",
  ]);
  expect(() => perform(Account, "deposit", [Number.NaN])).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENTS" }),
  );
});
