/**
 * Handlers: the named operations of an object. A handler takes a context and the caller's arguments and
 * returns an outcome. `handler({ args }, fn)` checks the arguments at run time; `read(fn)` promises not to
 * write.
 */

import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Schema } from "./schema.ts";
import type { AnyDefinition } from "./define-object.ts";
import type { Fail, NoReply, Outcome, Reply } from "./outcome.ts";
import type { Stub, StubOptions } from "./stub.ts";

/** A value, or a promise of one. */
export type Awaitable<T> = T | Promise<T>;

/** What a handler knows. */
export interface Context<State> {
  /** The state as this turn sees it. Never change it: return the next one. */
  readonly state: Readonly<State>;
  readonly id: string;
  /** The empty string is the default tenant. */
  readonly tenant: string;
  readonly type: string;
  /** The time of this turn, in ms since 1970: the same however often it is asked for, and virtual in tests. */
  readonly now: number;
  /** Aborts at the deadline of the call, and when the object is lost. */
  readonly signal: AbortSignal;
  /**
   * A stub on another object of the same tenant. Calls through it carry the chain of calls, so that a
   * cycle is an error at once and not a deadlock, and end when this call's deadline does.
   */
  readonly get: <Definition extends AnyDefinition>(
    definition: Definition,
    id: string,
    options?: StubOptions,
  ) => Stub<Definition>;
}

/** What an alarm's handler knows. */
export interface AlarmContext<State> extends Context<State> {
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  /** What `schedule` was given, or `undefined`. */
  readonly payload: unknown;
  /** When it was due. */
  readonly scheduledAt: Date;
  /** The same for every attempt of this firing, and for no other: a key for what the handler does outside. */
  readonly firingId: string;
}

/** Marks a handler with a schema for its arguments. */
export const argumentsSchema: unique symbol = Symbol.for("durable-object.args");
/** Marks a handler that does not write. */
export const readOnly: unique symbol = Symbol.for("durable-object.read");
/** The function as the application wrote it, behind the marks. */
export const written: unique symbol = Symbol.for("durable-object.written");

/** The marks of a handler. */
export interface HandlerMarks {
  readonly [argumentsSchema]?: Schema;
  readonly [readOnly]?: true;
  readonly [written]?: (...args: never[]) => unknown;
}

/** A handler that checks its arguments. */
export interface CheckedHandler<State, Args extends Schema<readonly unknown[]>, Returned> {
  (context: Context<State>, ...args: ArgsOutput<Args>): Returned;
  readonly [argumentsSchema]: Args;
}

/** What the caller passes, from the schema of the arguments. */
export type ArgsInput<Args> =
  Args extends StandardSchemaV1<infer Input, unknown> ? (Input extends readonly unknown[] ? Input : never) : never;
/** What the handler gets, from the schema of the arguments. */
export type ArgsOutput<Args> =
  Args extends StandardSchemaV1<unknown, infer Output> ? (Output extends readonly unknown[] ? Output : never) : never;

/**
 * A handler whose arguments are checked at run time. A call that does not fit gets `INVALID_ARGUMENTS`
 * and nothing happens.
 *
 * @param options - `args`: a Standard Schema for the list of arguments, for instance
 *   `z.tuple([z.string(), z.number().int()])`. It may be asynchronous.
 * @param fn - the handler; its arguments have the types of the schema's output
 */
export function handler<State, Args extends Schema<readonly unknown[]>, Returned extends Awaitable<Outcome<State>>>(
  options: { readonly args: Args },
  fn: (context: Context<State>, ...args: ArgsOutput<Args>) => Returned,
): CheckedHandler<State, Args, Returned> {
  const checked = (context: Context<State>, ...args: ArgsOutput<Args>): Returned => fn(context, ...args);
  return Object.assign(checked, { [argumentsSchema]: options.args, [written]: fn });
}

/** What a handler that does not write may return. */
export type ReadOutcome = Reply<unknown, never> | NoReply<never> | Fail<unknown>;

/** A handler that does not write. */
export interface ReadHandler<State, Args extends readonly unknown[], Returned> {
  (context: Context<State>, ...args: Args): Returned;
  readonly [readOnly]: true;
}

/** A handler that does not write and checks its arguments. */
export interface CheckedReadHandler<State, Args extends Schema<readonly unknown[]>, Returned> extends ReadHandler<
  State,
  ArgsOutput<Args>,
  Returned
> {
  readonly [argumentsSchema]: Args;
}

/**
 * A handler that does not write. It runs at once on the last committed state, beside a running turn, and
 * never waits for a commit.
 *
 * @param options - `args`: a Standard Schema for the list of arguments, as in `handler`
 * @param fn - returns `reply(result)` or `fail(reason)`; a next state or an effect is `INVALID_OUTCOME`
 */
export function read<State, Args extends readonly unknown[], Returned extends Awaitable<ReadOutcome>>(
  fn: (context: Context<State>, ...args: Args) => Returned,
): ReadHandler<State, Args, Returned>;
export function read<State, Args extends Schema<readonly unknown[]>, Returned extends Awaitable<ReadOutcome>>(
  options: { readonly args: Args },
  fn: (context: Context<State>, ...args: ArgsOutput<Args>) => Returned,
): CheckedReadHandler<State, Args, Returned>;
export function read(...given: [fn: AnyFunction] | [options: { readonly args: Schema }, fn: AnyFunction]): unknown {
  const [options, fn] = given.length === 1 ? [{}, given[0]] : given;
  const reading = (...args: never[]): unknown => fn(...args);
  return Object.assign(reading, {
    ...("args" in options ? { [argumentsSchema]: options.args } : {}),
    [written]: fn,
    [readOnly]: true,
  });
}

type AnyFunction = (...args: never[]) => unknown;
