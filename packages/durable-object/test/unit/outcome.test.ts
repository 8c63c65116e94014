/** Outcomes as values: what handlers return, and how the engine reads it. */

import { expect, test } from "vitest";
import { cancel, cancelAll, destroy, fail, noreply, reply, schedule } from "../../src/index.ts";
import { outcomeKind, readOutcome } from "../../src/object/outcome.ts";

test("reply(result) gives no next state, and reply(result, undefined) gives one that is undefined", () => {
  expect(readOutcome(reply(5))).toMatchObject({ [outcomeKind]: "reply", value: 5, hasNext: false, effects: [] });
  expect(readOutcome(reply(5, undefined))).toMatchObject({ hasNext: true, next: undefined });
  expect(readOutcome(reply(undefined))).toMatchObject({ [outcomeKind]: "reply", value: undefined, hasNext: false });
});

test("noreply() gives no next state, noreply(state) gives that one", () => {
  const state = { count: 1 };
  expect(readOutcome(noreply())).toMatchObject({ [outcomeKind]: "noreply", value: undefined, hasNext: false });
  expect(readOutcome(noreply(state))?.next).toBe(state);
});

test("effects are kept in order", () => {
  const at = new Date(5);
  const effects = [schedule("a", "1h", { payload: { n: 1 } }), cancel("b"), cancelAll(), destroy()] as const;
  expect(readOutcome(reply(1, {}, ...effects))?.effects).toEqual(effects);
  expect(readOutcome(noreply({}, ...effects))?.effects).toEqual(effects);
  expect(schedule("a", at)).toEqual({ effect: "schedule", name: "a", when: at, options: {} });
});

test("fail carries its reason and nothing else", () => {
  expect(readOutcome(fail({ code: "no" }))).toMatchObject({
    [outcomeKind]: "fail",
    value: { code: "no" },
    hasNext: false,
    effects: [],
  });
});

test.each([undefined, null, 5, "reply", {}, [], { value: 1 }, { kind: "reply" }, () => reply(1), Promise.resolve()])(
  "%j is no outcome",
  (value) => {
    expect(readOutcome(value)).toBeNull();
  },
);

test("an outcome of another copy of the package is one", () => {
  const foreign = { [Symbol.for("durable-object.outcome")]: "reply", value: 1, hasNext: false, effects: [] };
  expect(readOutcome(foreign)).toBe(foreign);
});
