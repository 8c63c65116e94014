/** The judges of the cluster are judged: histories that can be, and the same ones with one thing wrong. */

import { describe, expect, test } from "vitest";
import { listProblem, type ListInput, type ListOperation } from "../support/cluster-list-order.ts";
import {
  counterModel,
  judge,
  registerModel,
  type CounterInput,
  type Ending,
  type HeardOperation,
  type RegisterInput,
  type Verdict,
} from "../support/linearizable.ts";

/** An operation from one moment to another; `"not-applied"` or `"unknown"` in place of the second one. */
type Line<Input, Output> = readonly [
  calledMs: number,
  until: number | "not-applied" | "unknown",
  input: Input,
  output?: Output,
];

function operations<Input, Output>(lines: readonly Line<Input, Output>[]): HeardOperation<Input, Output>[] {
  return lines.map(([calledMs, until, input, output]) => {
    const ending: Ending<Output> =
      typeof until === "number" ? { outcome: "ok", output: output as Output, atMs: until } : { outcome: until };
    return { object: "a", input, calledMs, ending };
  });
}

const read = { ask: "read" } as const;
const increment = { ask: "increment", by: 1 } as const;
const write = (value: string): RegisterInput => ({ ask: "write", value });
const swap = (from: string | null, to: string): RegisterInput => ({ ask: "swap", from, to });

const counter = (...lines: Line<CounterInput, number>[]): Verdict<CounterInput, number> =>
  judge(operations(lines), counterModel);
const register = (...lines: Line<RegisterInput, string | null>[]): Verdict<RegisterInput, string | null> =>
  judge(operations(lines), registerModel);

const fine = { violations: [], undecided: [] };

describe("a counter", () => {
  test("calls one after the other", () => {
    expect(counter([0, 1, increment, 1], [2, 3, increment, 2], [4, 5, read, 2])).toEqual(fine);
  });

  test("calls at once, in any order", () => {
    expect(counter([0, 9, increment, 3], [1, 9, increment, 1], [2, 9, increment, 2])).toEqual(fine);
  });

  test("what ends at the moment in which another one begins may have overlapped it", () => {
    expect(counter([0, 5, increment, 2], [5, 6, increment, 1])).toEqual(fine);
  });

  test("an increment that is lost", () => {
    const { violations } = counter([0, 1, increment, 1], [2, 3, increment, 1]);
    expect(violations).toMatchObject([{ object: "a", answer: { calledMs: 2 }, possible: [1] }]);
    expect(violations[0]?.excerpt.map(({ calledMs }) => calledMs)).toEqual([0, 2]);
  });

  test("a count that is given twice, to calls at once", () => {
    expect(counter([0, 9, increment, 1], [1, 9, increment, 1]).violations).toHaveLength(1);
  });

  test("an increment that counts twice", () => {
    expect(counter([0, 1, increment, 1], [2, 3, increment, 3]).violations).toHaveLength(1);
  });

  test("a read of the past", () => {
    expect(counter([0, 1, increment, 1], [2, 3, read, 0]).violations).toHaveLength(1);
    expect(counter([0, 2, increment, 1], [1, 3, read, 0])).toEqual(fine);
  });

  test("a read of the future", () => {
    expect(counter([0, 1, read, 1], [2, 3, increment, 1]).violations).toHaveLength(1);
  });

  test("what was seen by somebody is not unseen by others, although the increment is still open", () => {
    expect(counter([0, 9, increment, 1], [1, 2, read, 1], [3, 4, read, 0]).violations).toHaveLength(1);
    expect(counter([0, 9, increment, 1], [1, 2, read, 0], [3, 4, read, 1])).toEqual(fine);
  });

  test("an unknown increment counts now, later or never", () => {
    expect(counter([0, "unknown", increment], [2, 3, increment, 2])).toEqual(fine);
    expect(counter([0, "unknown", increment], [2, 3, increment, 1], [4, 5, read, 2])).toEqual(fine);
    expect(counter([0, "unknown", increment], [2, 3, increment, 1], [4, 5, read, 1])).toEqual(fine);
    expect(counter([0, "unknown", increment], [2, 3, increment, 3]).violations).toHaveLength(1);
    expect(counter([0, "unknown", increment], [1, 2, read, 1], [3, 4, read, 0]).violations).toHaveLength(1);
  });

  test("an unknown increment does not count before it is called", () => {
    expect(counter([0, 1, read, 1], [2, "unknown", increment]).violations).toHaveLength(1);
  });

  test("an increment that was not applied does not count", () => {
    expect(counter([0, "not-applied", increment], [2, 3, increment, 1])).toEqual(fine);
    expect(counter([0, "not-applied", increment], [2, 3, increment, 2]).violations).toHaveLength(1);
  });

  test("ten unknown increments among 500 of ten callers are no burden", () => {
    const lines = Array.from({ length: 500 }, (_, index): Line<CounterInput, number> => {
      const turn = Math.floor(index / 10) * 10;
      return [turn, turn + 9, increment, index + 1 + Math.floor(index / 100)];
    });
    const unknown = Array.from({ length: 10 }, (_, index): Line<CounterInput, number> => [
      index * 50,
      "unknown",
      increment,
    ]);
    expect(counter(...lines, ...unknown)).toEqual(fine);
  });
});

describe("a register", () => {
  test("writes, reads and swaps one after the other", () => {
    expect(
      register(
        [0, 1, read, null],
        [2, 3, write("x"), null],
        [4, 5, read, "x"],
        [6, 7, swap("x", "y"), "x"],
        [8, 9, swap("x", "z"), "y"],
        [10, 11, read, "y"],
      ),
    ).toEqual(fine);
  });

  test("writes at once: readers agree on their order", () => {
    const writes = [
      [0, 9, write("x"), null],
      [0, 9, write("y"), null],
    ] as const;
    expect(register(...writes, [10, 11, read, "x"], [12, 13, read, "x"])).toEqual(fine);
    expect(register(...writes, [1, 2, read, "y"], [3, 4, read, "x"], [10, 11, read, "x"])).toEqual(fine);
    expect(register(...writes, [10, 11, read, "x"], [12, 13, read, "y"]).violations).toHaveLength(1);
    expect(register(...writes, [1, 2, read, "y"], [3, 4, read, "x"], [5, 6, read, "y"]).violations).toHaveLength(1);
  });

  test("only one of two swaps at once finds the value", () => {
    expect(register([0, 9, swap(null, "x"), null], [0, 9, swap(null, "y"), "x"], [10, 11, read, "x"])).toEqual(fine);
    expect(register([0, 9, swap(null, "x"), null], [0, 9, swap(null, "y"), null]).violations).toHaveLength(1);
  });

  test("a write that is lost, and a value from nowhere", () => {
    expect(register([0, 1, write("x"), null], [2, 3, read, null]).violations).toHaveLength(1);
    expect(register([0, 1, read, "x"]).violations).toHaveLength(1);
  });

  test("an unknown write may be found later, and not before or after another value again", () => {
    const unknown = [0, "unknown", write("x")] as const;
    expect(register(unknown, [2, 3, write("y"), null], [4, 5, read, "x"])).toEqual(fine);
    expect(register(unknown, [2, 3, write("y"), null], [4, 5, read, "y"])).toEqual(fine);
    expect(register(unknown, [1, 2, read, "x"], [3, 4, write("y"), null], [5, 6, read, "x"]).violations).toHaveLength(
      1,
    );
  });

  test("an unknown write may have been found by an unknown swap only", () => {
    expect(register([0, "unknown", write("x")], [0, "unknown", swap("x", "y")], [1, 2, read, "y"])).toEqual(fine);
  });

  test("a write that was not applied is never found", () => {
    expect(register([0, "not-applied", write("x")], [2, 3, read, "x"]).violations).toHaveLength(1);
  });
});

test("objects are judged one by one", () => {
  const lines = operations<CounterInput, number>([
    [0, 1, increment, 1],
    [2, 3, increment, 1],
    [4, 5, read, 7],
  ]).map((operation, index) => ({ ...operation, object: String(index) }));
  expect(judge(lines, counterModel).violations.map(({ object }) => object)).toEqual(["2"]);
});

describe("a list", () => {
  const look = { ask: "look" } as const;
  const append = (entry: string): ListInput => ({ ask: "append", entry });
  const problem = (entries: string, ...lines: Line<ListInput, number>[]): string | null =>
    listProblem(operations(lines) satisfies ListOperation[], entries.split(""));

  test("every entry at its index", () => {
    expect(problem("ab", [0, 1, append("a"), 0], [2, 3, look, 1], [4, 5, append("b"), 1], [6, 7, look, 2])).toBeNull();
    expect(problem("ab", [0, 9, append("a"), 0], [0, 9, append("b"), 1], [1, 8, look, 2], [2, 7, look, 0])).toBeNull();
  });

  test("lost, moved, twice, from nowhere", () => {
    expect(problem("", [0, 1, append("a"), 0])).toBe("a was acknowledged at 0, and is not there");
    expect(problem("ba", [0, 1, append("a"), 0], [0, 1, append("b"), 0])).toContain("a was acknowledged at 0");
    expect(problem("aa", [0, 1, append("a"), 0])).toBe("a is there twice, at 0 and 1");
    expect(problem("ax", [0, 1, append("a"), 0])).toBe("x was never appended");
  });

  test("not applied is never there; unknown is there or not", () => {
    expect(problem("a", [0, "not-applied", append("a")])).toBe("a was reported as not applied, and is at 0");
    expect(problem("", [0, "not-applied", append("a")])).toBeNull();
    expect(problem("a", [0, "unknown", append("a")])).toBeNull();
    expect(problem("", [0, "unknown", append("a")])).toBeNull();
  });

  test("nothing overtakes what was over before it", () => {
    expect(problem("ab", [2, 3, append("a"), 0], [0, 1, append("b"), 1])).toContain("which it does not know of");
    expect(problem("ab", [0, 1, append("a"), 0], [0, 3, append("b"), 1], [4, 5, look, 1])).toContain("a look");
    expect(problem("ab", [0, 9, append("a"), 0], [1, 9, append("b"), 1], [2, 3, look, 2], [4, 5, look, 1])).toContain(
      "a look",
    );
  });

  test("an unknown append is not there before it was called", () => {
    expect(problem("ab", [5, "unknown", append("a")], [0, 1, append("b"), 1])).toContain("the append of a");
  });

  test("nobody has seen more than there is", () => {
    expect(problem("a", [0, 1, append("a"), 0], [2, 3, look, 2])).toContain("there are 1 entries");
  });
});
