/**
 * Whether what concurrent callers heard can have come from objects that take one call at a time, each at some
 * moment between the call and its answer (the checker of Wing and Gong, with Lowe's memory of what was tried).
 *
 * Give it the operations of a history: what was asked, when, and how it ended. An operation that is `not-applied`
 * must never have had an effect. One that is `unknown` may have one at any moment after the call, or never. Every object
 * is judged by itself, which is sound because objects know nothing of each other, and keeps it fast.
 *
 * It goes through the calls and answers in order of time, and keeps every way in which the object can have come to
 * here: a state, and which of the open operations have had their effect. An answer that fits none of them
 * is a violation, and what came after it does not matter. The number of ways grows with what is open at
 * once: up to 10 callers and 500 operations for each object take milliseconds.
 */

/** How an operation ended. `atMs` is when its caller heard of it. */
export type Ending<Output> =
  | { readonly outcome: "ok"; readonly output: Output; readonly atMs: number }
  | { readonly outcome: "not-applied" | "unknown" };

/** Something a caller asked of an object, by a clock that all callers share. */
export interface HeardOperation<Input, Output> {
  readonly object: string;
  readonly input: Input;
  readonly calledMs: number;
  readonly ending: Ending<Output>;
}

/** What an object does when nothing goes wrong. States and outputs are compared by `===`. */
export interface SequentialModel<State, Input, Output> {
  readonly initial: State;
  apply(state: State, input: Input): { readonly state: State; readonly output: Output };
  /** Whether an operation of unknown outcome can change what others hear, given all that is in the history. */
  canMatter(input: Input, history: readonly HeardOperation<Input, Output>[]): boolean;
}

/** An answer that fits nothing. */
export interface Violation<Input, Output> {
  readonly object: string;
  /** The first answer that cannot be. */
  readonly answer: HeardOperation<Input, Output>;
  /** The states that the object can have had when it was called, or since. */
  readonly possible: readonly unknown[];
  /** What was open meanwhile, and what was heard last before it, in order of the calls. */
  readonly excerpt: readonly HeardOperation<Input, Output>[];
}

/** What became of a history: at most one violation for each object, and the objects that took too long to judge. */
export interface Verdict<Input, Output> {
  readonly violations: readonly Violation<Input, Output>[];
  readonly undecided: readonly string[];
}

/** So many steps are taken for one object. */
const stepLimit = 5_000_000;
const heardBefore = 6;

/** Judges a history, object by object. */
export function judge<State, Input, Output>(
  history: readonly HeardOperation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
): Verdict<Input, Output> {
  const violations: Violation<Input, Output>[] = [];
  const undecided: string[] = [];
  for (const [object, operations] of Map.groupBy(history, (operation) => operation.object)) {
    const found = judgeObject(operations, model);
    if (found === "undecided") undecided.push(object);
    else if (found !== null) violations.push(found);
  }
  return { violations, undecided };
}

/** An operation that is called, or one that is answered. */
interface Moment<Input, Output> {
  readonly atMs: number;
  readonly what: "call" | "answer";
  readonly operation: HeardOperation<Input, Output>;
}

/** A way in which it can have come to here. */
interface Way<State> {
  readonly state: State;
  /** The open operations that have had their effect: a bit for each place. */
  readonly done: bigint;
}

/** An operation that is open. */
interface OpenOperation {
  /** A bit that no other open operation has. */
  readonly place: bigint;
  /** Equal ones of unknown outcome that were called before: any of them is as good as this one. */
  readonly insteadOf: bigint;
}

/** The operations that are open. */
class Open<Input, Output> {
  readonly operations = new Map<HeardOperation<Input, Output>, OpenOperation>();
  /** Those of unknown outcome, by what they ask. They never leave. */
  readonly #unknown = new Map<string, bigint>();
  readonly #free: bigint[] = [];

  enter(operation: HeardOperation<Input, Output>): void {
    const place = this.#free.pop() ?? 1n << BigInt(this.operations.size);
    let insteadOf = 0n;
    if (operation.ending.outcome === "unknown") {
      const asked = JSON.stringify(operation.input);
      insteadOf = this.#unknown.get(asked) ?? 0n;
      this.#unknown.set(asked, insteadOf | place);
    }
    this.operations.set(operation, { place, insteadOf });
  }

  leave(operation: HeardOperation<Input, Output>): void {
    this.#free.push(this.operations.get(operation)?.place ?? 0n);
    this.operations.delete(operation);
  }
}

function judgeObject<State, Input, Output>(
  operations: readonly HeardOperation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
): Violation<Input, Output> | "undecided" | null {
  const open = new Open<Input, Output>();
  let ways: readonly Way<State>[] = [{ state: model.initial, done: 0n }];
  let steps = 0;
  for (const { what, operation } of moments(operations, model)) {
    if (what === "call") {
      open.enter(operation);
      continue;
    }
    const place = open.operations.get(operation)?.place ?? 0n;
    const tried = new Map<bigint, Set<State>>();
    const untried: Way<State>[] = [];
    const next: Way<State>[] = [];
    const admit = (way: Way<State>): void => {
      const states = tried.get(way.done) ?? new Set();
      if (states.has(way.state)) return;
      tried.set(way.done, states.add(way.state));
      // It goes on from the answer only: what need not have happened before it can happen later.
      if ((way.done & place) === 0n) untried.push(way);
      else next.push({ state: way.state, done: way.done & ~place });
    };
    for (const way of ways) admit(way);
    for (let way = untried.pop(); way !== undefined; way = untried.pop()) {
      for (const [candidate, its] of open.operations) {
        if ((steps += 1) > stepLimit) return "undecided";
        if ((way.done & its.place) !== 0n || (way.done & its.insteadOf) !== its.insteadOf) continue;
        const { state, output } = model.apply(way.state, candidate.input);
        if (candidate.ending.outcome === "ok" && candidate.ending.output !== output) continue;
        admit({ state, done: way.done | its.place });
      }
    }
    if (next.length === 0) {
      const possible = [...new Set([...tried.values()].flatMap((states) => [...states]))];
      return violationAt(operation, possible, operations, open);
    }
    ways = next;
    open.leave(operation);
  }
  return null;
}

/** Calls and answers in order of time; at one moment calls first, since they can have overlapped then. */
function moments<State, Input, Output>(
  operations: readonly HeardOperation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
): Moment<Input, Output>[] {
  return operations
    .flatMap((operation): Moment<Input, Output>[] => {
      const { ending, calledMs } = operation;
      const called = { atMs: calledMs, what: "call", operation } as const;
      if (ending.outcome === "ok") return [called, { atMs: ending.atMs, what: "answer", operation }];
      const matters = ending.outcome === "unknown" && model.canMatter(operation.input, operations);
      return matters ? [called] : [];
    })
    .toSorted((a, b) => a.atMs - b.atMs || (a.what === b.what ? 0 : a.what === "call" ? -1 : 1));
}

function violationAt<Input, Output>(
  answer: HeardOperation<Input, Output>,
  possible: readonly unknown[],
  operations: readonly HeardOperation<Input, Output>[],
  open: Open<Input, Output>,
): Violation<Input, Output> {
  const before = operations
    .filter(({ ending }) => ending.outcome === "ok" && ending.atMs < answer.calledMs)
    .toSorted((a, b) => heardMs(a) - heardMs(b))
    .slice(-heardBefore);
  // What was unknown long before is in the states that are possible.
  const sinceMs = Math.min(answer.calledMs, ...before.map(({ calledMs }) => calledMs));
  const meanwhile = operations.filter(
    (operation) =>
      (open.operations.has(operation) && operation.calledMs >= sinceMs) ||
      (heardMs(operation) >= answer.calledMs && heardMs(operation) <= heardMs(answer)),
  );
  const excerpt = [...new Set([...before, ...meanwhile])].toSorted((a, b) => a.calledMs - b.calledMs);
  return { object: answer.object, answer, possible, excerpt };
}

function heardMs({ ending }: HeardOperation<unknown, unknown>): number {
  return ending.outcome === "ok" ? ending.atMs : Infinity;
}

/** What callers ask of a register. `swap` writes `to` if it finds `from`, and answers what it has found. */
export type RegisterInput =
  | { readonly ask: "read" }
  | { readonly ask: "write"; readonly value: string }
  | { readonly ask: "swap"; readonly from: string | null; readonly to: string };

/** A register. Answers: what was read, null to a write, what a swap has found. */
export const registerModel: SequentialModel<string | null, RegisterInput, string | null> = {
  initial: null,
  apply(state, input) {
    if (input.ask === "read") return { state, output: state };
    if (input.ask === "write") return { state: input.value, output: null };
    return { state: state === input.from ? input.to : state, output: state };
  },
  canMatter(input, history) {
    if (input.ask === "read") return false;
    // A value that nobody has found can as well never have been there.
    const value = input.ask === "write" ? input.value : input.to;
    return history.some(
      (other) =>
        (other.ending.outcome === "ok" && other.ending.output === value) ||
        (other.ending.outcome === "unknown" && other.input.ask === "swap" && other.input.from === value),
    );
  },
};

/** What callers ask of a counter; the answer is the count, with the increment. */
export type CounterInput = { readonly ask: "read" } | { readonly ask: "increment"; readonly by: number };

/** A counter. */
export const counterModel: SequentialModel<number, CounterInput, number> = {
  initial: 0,
  apply(state, input) {
    const count = input.ask === "read" ? state : state + input.by;
    return { state: count, output: count };
  },
  canMatter: ({ ask }) => ask === "increment",
};
