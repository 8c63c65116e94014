/**
 * Outcomes: the only things a handler may return. A handler is a function from a state to an outcome; what
 * it returns is the whole of what happens. A turn that fails therefore leaves nothing behind, and a change
 * is seen by comparing references.
 */

import type { Effect } from "./effect.ts";

/** Marks outcomes. A registered symbol, so that two copies of the package understand each other. */
export const outcomeKind: unique symbol = Symbol.for("durable-object.outcome");

/** What `reply` returns. */
export interface Reply<out Result, out State, out Name extends string = never> {
  readonly [outcomeKind]: "reply";
  readonly value: Result;
  readonly next: State | undefined;
  readonly effects: readonly Effect<Name>[];
}

/** What `noreply` returns. */
export interface NoReply<out State, out Name extends string = never> {
  readonly [outcomeKind]: "noreply";
  readonly next: State | undefined;
  readonly effects: readonly Effect<Name>[];
}

/** What `fail` returns. */
export interface Fail<out Reason> {
  readonly [outcomeKind]: "fail";
  readonly value: Reason;
}

/** Anything a handler may return. */
export type Outcome<State, Name extends string = string> =
  | Reply<unknown, State, Name>
  | NoReply<State, Name>
  | Fail<unknown>;

const noEffects: readonly never[] = Object.freeze([]);

/** All outcomes have one shape, so that the engine reads them fast. */
class ReturnedOutcome {
  readonly [outcomeKind]: "reply" | "noreply" | "fail";
  readonly value: unknown;
  /** Whether a next state was given at all: `reply(1, undefined)` is a mistake, `reply(1)` is not. */
  readonly hasNext: boolean;
  readonly next: unknown;
  readonly effects: readonly Effect[];

  constructor(
    kind: "reply" | "noreply" | "fail",
    value: unknown,
    hasNext: boolean,
    next: unknown,
    effects: readonly Effect[],
  ) {
    this[outcomeKind] = kind;
    this.value = value;
    this.hasNext = hasNext;
    this.next = next;
    this.effects = effects;
  }
}

/** The outcome as the engine reads it. */
export type AnyOutcome = InstanceType<typeof ReturnedOutcome>;

/** The outcome in what a handler returned, or null if it returned something else. */
export function readOutcome(returned: unknown): AnyOutcome | null {
  return typeof returned === "object" && returned !== null && outcomeKind in returned ? (returned as AnyOutcome) : null;
}

/**
 * The caller gets `result`. With a next state, the caller gets it after the commit of that state and of
 * all effects.
 *
 * @param result - any value that survives JSON, or `undefined`
 * @param next - the whole next state; pass `state` itself to leave it as it is
 * @param effects - `schedule`, `cancel`, `cancelAll`, `destroy`, `sql`
 */
export function reply<Result>(result: Result): Reply<Result, never>;
export function reply<Result, State, const Name extends string = never>(
  result: Result,
  next: State,
  ...effects: Effect<Name>[]
): Reply<Result, State, Name>;
export function reply(...given: readonly unknown[]): unknown {
  return given.length < 2
    ? new ReturnedOutcome("reply", given[0], false, undefined, noEffects)
    : new ReturnedOutcome(
        "reply",
        given[0],
        true,
        given[1],
        given.length > 2 ? (given.slice(2) as Effect[]) : noEffects,
      );
}

/**
 * The caller gets `undefined`, after the commit if there is a next state or an effect.
 *
 * @param next - the whole next state; pass `state` itself to leave it as it is
 * @param effects - `schedule`, `cancel`, `cancelAll`, `destroy`, `sql`
 */
export function noreply(): NoReply<never>;
export function noreply<State, const Name extends string = never>(
  next: State,
  ...effects: Effect<Name>[]
): NoReply<State, Name>;
export function noreply(...given: readonly unknown[]): unknown {
  return new ReturnedOutcome(
    "noreply",
    undefined,
    given.length > 0,
    given[0],
    given.length > 1 ? (given.slice(1) as Effect[]) : noEffects,
  );
}

/**
 * The call is refused: the caller gets a rejection `HANDLER_FAILED` that carries `reason`, typed. Nothing
 * else happens.
 *
 * @param reason - any value that survives JSON
 */
export function fail<const Reason>(reason: Reason): Fail<Reason> {
  return new ReturnedOutcome("fail", reason, false, undefined, noEffects) as unknown as Fail<Reason>;
}
