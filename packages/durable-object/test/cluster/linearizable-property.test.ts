/**
 * Histories of objects that do take one call at a time are accepted, whatever their calls; with one thing in them that
 * cannot be, they are refused. And what a runtime answers to callers of one process is accepted.
 */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRuntime, defineObject, read, reply } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { listProblem, type ListInput, type ListOperation } from "../support/cluster-list-order.ts";
import {
  counterModel,
  judge,
  registerModel,
  type CounterInput,
  type HeardOperation,
  type RegisterInput,
  type SequentialModel,
} from "../support/linearizable.ts";

const fine = { violations: [], undecided: [] };

/** A call as it is drawn: when, for how long, at which moment it has its effect, and what becomes of it. */
interface DrawnCall {
  readonly calledMs: number;
  readonly lastsMs: number;
  readonly effect: number;
  readonly ending: "ok" | "unknown" | "never" | "not-applied";
  readonly ask: number;
}

const ok = fc.constant("ok" as const);
const any = fc.oneof(
  { weight: 12, arbitrary: ok },
  { weight: 1, arbitrary: fc.constantFrom("unknown" as const, "never" as const, "not-applied" as const) },
);

function calls(ending: fc.Arbitrary<DrawnCall["ending"]>): fc.Arbitrary<DrawnCall[]> {
  const call = fc.record({
    calledMs: fc.integer({ min: 0, max: 400 }),
    lastsMs: fc.integer({ min: 0, max: 30 }),
    effect: fc.double({ min: 0, max: 1, noNaN: true }),
    ending,
    ask: fc.integer({ min: 0, max: 9 }),
  });
  return fc.array(call, { minLength: 1, maxLength: 120 });
}

/** What an object answers that has each call at its moment, and then one more that is sure to be the last one. */
function answered<State, Input, Output>(
  drawn: readonly DrawnCall[],
  model: SequentialModel<State, Input, Output>,
  inputOf: (call: DrawnCall, index: number) => Input,
  last: Input,
): HeardOperation<Input, Output>[] {
  let state = model.initial;
  const end: DrawnCall = { calledMs: 1_000, lastsMs: 1, effect: 0, ending: "ok", ask: 0 };
  const all = [...drawn, end].map((call, index) => ({ call, input: call === end ? last : inputOf(call, index) }));
  const outputs = new Map<DrawnCall, Output>();
  const inOrder = all.toSorted((a, b) => effectMs(a.call) - effectMs(b.call));
  for (const { call, input } of inOrder) {
    if (call.ending === "never" || call.ending === "not-applied") continue;
    const applied = model.apply(state, input);
    state = applied.state;
    outputs.set(call, applied.output);
  }
  return all.map(({ call, input }) => {
    const { calledMs, ending } = call;
    if (ending === "not-applied") return { object: "a", input, calledMs, ending: { outcome: ending } };
    if (ending !== "ok") return { object: "a", input, calledMs, ending: { outcome: "unknown" } };
    const output = outputs.get(call) as Output;
    return { object: "a", input, calledMs, ending: { outcome: "ok", output, atMs: calledMs + call.lastsMs } };
  });
}

/** An unknown call may have its effect long after it was given up. */
function effectMs({ calledMs, lastsMs, effect, ending }: DrawnCall): number {
  return calledMs + effect * (ending === "unknown" ? 500 : lastsMs);
}

function withOutput<Input, Output>(
  operation: HeardOperation<Input, Output>,
  change: (output: Output) => Output,
): HeardOperation<Input, Output> {
  const { ending } = operation;
  if (ending.outcome !== "ok") return operation;
  return { ...operation, ending: { ...ending, output: change(ending.output) } };
}

const counterInput = ({ ask }: DrawnCall): CounterInput =>
  ask < 3 ? { ask: "read" } : { ask: "increment", by: ask < 8 ? 1 : 2 };
const counterHistory = (drawn: readonly DrawnCall[]): HeardOperation<CounterInput, number>[] =>
  answered(drawn, counterModel, counterInput, { ask: "read" });

describe("a counter", () => {
  test("as it is", () => {
    fc.assert(
      fc.property(calls(any), (drawn) => {
        expect(judge(counterHistory(drawn), counterModel)).toEqual(fine);
      }),
    );
  });

  /** Everything from an increment on counts by so much more. */
  const miscounted = (drawn: readonly DrawnCall[], chosen: number, times: number): boolean => {
    const increments = drawn.filter((call) => counterInput(call).ask === "increment");
    const wrong = increments[chosen % increments.length];
    if (wrong === undefined) return false;
    const input = counterInput(wrong);
    const by = input.ask === "increment" ? input.by * times : 0;
    const history = counterHistory(drawn).map((operation, index) => {
      const call = drawn[index];
      const isAfter = call === undefined || (call !== wrong && effectMs(call) > effectMs(wrong));
      return isAfter ? withOutput(operation, (output) => output + by) : operation;
    });
    expect(judge(history, counterModel).violations).toHaveLength(1);
    return true;
  };

  test("with an increment that is lost", () => {
    fc.assert(fc.property(calls(ok), fc.nat(200), (drawn, chosen) => fc.pre(miscounted(drawn, chosen, -1))));
  });

  test("with an increment that counts twice", () => {
    fc.assert(fc.property(calls(ok), fc.nat(200), (drawn, chosen) => fc.pre(miscounted(drawn, chosen, 1))));
  });

  test("with a read of less than what was heard before", () => {
    fc.assert(
      fc.property(calls(any), fc.nat(200), (drawn, chosen) => {
        const history = counterHistory(drawn);
        const reads = history.filter(({ input, ending }) => input.ask === "read" && ending.outcome === "ok");
        const stale = reads[chosen % reads.length];
        const known = history.flatMap(({ ending }) =>
          ending.outcome === "ok" && stale !== undefined && ending.atMs < stale.calledMs ? [ending.output] : [],
        );
        fc.pre(known.length > 0 && Math.max(...known) > 0);
        const wrong = history.map((operation) =>
          operation === stale ? withOutput(operation, () => Math.max(...known) - 1) : operation,
        );
        expect(judge(wrong, counterModel).violations).toHaveLength(1);
      }),
    );
  });
});

const value = (index: number): string => `v${index}`;
const registerInput = (drawn: readonly DrawnCall[]) => {
  return ({ ask }: DrawnCall, index: number): RegisterInput => {
    if (ask < 4) return { ask: "read" };
    if (ask < 7) return { ask: "write", value: value(index) };
    return { ask: "swap", from: ask === 9 ? null : value(index % Math.max(1, drawn.length - 2)), to: value(index) };
  };
};
const registerHistory = (drawn: readonly DrawnCall[]): HeardOperation<RegisterInput, string | null>[] =>
  answered(drawn, registerModel, registerInput(drawn), { ask: "read" });

describe("a register", () => {
  test("as it is", () => {
    fc.assert(
      fc.property(calls(any), (drawn) => {
        expect(judge(registerHistory(drawn), registerModel)).toEqual(fine);
      }),
    );
  });

  test("with a read of what was overwritten before", () => {
    fc.assert(
      fc.property(calls(any), fc.nat(200), (drawn, chosen) => {
        const history = registerHistory(drawn);
        const writes = history.filter(({ input, ending }) => input.ask === "write" && ending.outcome === "ok");
        const pairs = writes.flatMap((old) =>
          writes.flatMap((newer) => (endMs(old) < newer.calledMs ? [[old, newer] as const] : [])),
        );
        const [old, newer] = pairs[chosen % pairs.length] ?? [];
        const stale = history.find(
          ({ input, calledMs }) => input.ask === "read" && newer !== undefined && endMs(newer) < calledMs,
        );
        fc.pre(old?.input.ask === "write" && stale?.ending.outcome === "ok");
        const overwritten = old?.input.ask === "write" ? old.input.value : null;
        const wrong = history.map((operation) =>
          operation === stale ? withOutput(operation, () => overwritten) : operation,
        );
        expect(judge(wrong, registerModel).violations).toHaveLength(1);
      }),
    );
  });
});

function endMs({ ending }: HeardOperation<unknown, unknown>): number {
  return ending.outcome === "ok" ? ending.atMs : Infinity;
}

/** A list, of which the callers hear indexes and lengths. Its state is what JSON makes of its entries. */
const listModel: SequentialModel<string, ListInput, number> = {
  initial: "[]",
  apply(state, input) {
    const entries = JSON.parse(state) as string[];
    const output = entries.length;
    return { state: input.ask === "look" ? state : JSON.stringify([...entries, input.entry]), output };
  },
  canMatter: ({ ask }) => ask === "append",
};
const listInput = ({ ask }: DrawnCall, index: number): ListInput =>
  ask < 3 ? { ask: "look" } : { ask: "append", entry: value(index) };

/** A history, and the list as it is in the end. */
function listHistory(drawn: readonly DrawnCall[]): { history: ListOperation[]; entries: string[] } {
  const history = answered(drawn, listModel, listInput, { ask: "look" });
  const entries = drawn
    .map((call, index) => ({ call, input: listInput(call, index) }))
    .filter(({ call }) => call.ending === "ok" || call.ending === "unknown")
    .toSorted((a, b) => effectMs(a.call) - effectMs(b.call))
    .flatMap(({ input }) => (input.ask === "append" ? [input.entry] : []));
  return { history, entries };
}

describe("a list", () => {
  test("as it is; and the checker that searches says the same", () => {
    fc.assert(
      fc.property(calls(any), (drawn) => {
        const { history, entries } = listHistory(drawn);
        expect(listProblem(history, entries)).toBeNull();
      }),
    );
    fc.assert(
      fc.property(calls(any), (drawn) => {
        expect(judge(listHistory(drawn.slice(0, 30)).history, listModel)).toEqual(fine);
      }),
    );
  });

  test("with an acknowledged entry that is lost, twice, or elsewhere", () => {
    fc.assert(
      fc.property(calls(any), fc.nat(200), (drawn, chosen) => {
        const { history, entries } = listHistory(drawn);
        fc.pre(entries.length > 1);
        const index = chosen % entries.length;
        const entry = entries[index] ?? "";
        const wasHeard = history.some(
          ({ input, ending }) => input.ask === "append" && input.entry === entry && ending.outcome === "ok",
        );
        if (wasHeard) expect(listProblem(history, entries.toSpliced(index, 1))).not.toBeNull();
        expect(listProblem(history, [...entries, entry])).not.toBeNull();
        if (wasHeard) expect(listProblem(history, [entry, ...entries.toSpliced(index, 1)]) === null).toBe(index === 0);
      }),
    );
  });

  test("with a look at less than what was heard before", () => {
    fc.assert(
      fc.property(calls(ok), (drawn) => {
        const { history, entries } = listHistory(drawn);
        fc.pre(entries.length > 0);
        const wrong = history.map((operation) =>
          operation.calledMs === 1_000 ? withOutput(operation, (output) => output - 1) : operation,
        );
        expect(listProblem(wrong, entries)).not.toBeNull();
      }),
    );
  });
});

const Counter = defineObject({
  type: "counter",
  state: { count: 0 },
  handlers: {
    increment: ({ state }) => reply(state.count + 1, { count: state.count + 1 }),
    incrementSlowly: async ({ state }) => {
      await Promise.resolve();
      return reply(state.count + 1, { count: state.count + 1 });
    },
    count: ({ state }) => reply(state.count),
    glance: read(({ state }) => reply(state.count)),
  },
});

test("what a runtime answers to concurrent callers is accepted", async () => {
  await using runtime = await createRuntime({ objects: [Counter], store: memory() });
  const history: HeardOperation<CounterInput, number>[] = [];
  let now = 0;
  const asks = ["increment", "glance", "incrementSlowly", "count"] as const;
  const caller = async (number: number): Promise<void> => {
    for (let call = 0; call < 60; call++) {
      const object = `counter-${(number + call) % 3}`;
      const ask = asks[(number * 7 + call) % asks.length] ?? "count";
      const input: CounterInput = ask.startsWith("increment") ? { ask: "increment", by: 1 } : { ask: "read" };
      const calledMs = now++;
      const output = await runtime.get(Counter, object)[ask]();
      history.push({ object, input, calledMs, ending: { outcome: "ok", output, atMs: now++ } });
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, number) => caller(number)));
  expect(history).toHaveLength(480);
  expect(judge(history, counterModel)).toEqual(fine);
});
