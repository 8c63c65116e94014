/**
 * Running one handler by itself: a handler is a function from a state to an outcome, so a test can call it
 * with no runtime, no store and no time, and look at what it returned.
 */

import { AssertionError } from "node:assert";
import type { Address } from "../core/address.ts";
import { DurableObjectError } from "../core/errors.ts";
import { copyJson, NotJson } from "../core/json.ts";
import { preview } from "../core/preview.ts";
import type { AnyDefinition } from "../object/define-object.ts";
import type { Effect } from "../object/effect.ts";
import { argumentsSchema, type ArgsInput, type AlarmContext, type Context } from "../object/handler.ts";
import { outcomeKind, readOutcome, type AnyOutcome, type Fail, type NoReply, type Reply } from "../object/outcome.ts";
import { formatIssues, type Schema, type SchemaResult } from "../object/schema.ts";
import { Unstorable, type AdmittedState } from "../object/state-codec.ts";
import { objectType, type Operation } from "../runtime/operation.ts";
import type { DefinedState } from "../runtime/runtime.ts";
import { Turn } from "../runtime/turn.ts";
import { VirtualClock, virtualStart } from "./virtual-clock.ts";

/** What a handler that is performed sees; what is not given is made up. */
export interface PerformOptions<State> {
  /** The state, or some of its fields: the others have their defaults. */
  readonly state?: Partial<State>;
  /** Default `"test"`. */
  readonly id?: string;
  readonly tenant?: string;
  /** The time of the turn. Default: the first of January 2030. */
  readonly now?: Date;
  readonly signal?: AbortSignal;
  /** What `get` gives the handler. Default: an error that says that there are no other objects. */
  readonly get?: Context<State>["get"];
}

/** What an alarm's handler that is performed sees. */
export interface PerformAlarmOptions<State> extends PerformOptions<State> {
  readonly payload?: unknown;
  /** Default 1. */
  readonly attempt?: number;
  /** Default: `now`. */
  readonly scheduledAt?: Date;
  readonly firingId?: string;
}

type HandlerOf<Definition extends AnyDefinition, Name> = Name extends keyof Definition["handlers"]
  ? Definition["handlers"][Name]
  : never;
type PerformedArgs<Handler> = Handler extends { readonly [argumentsSchema]: infer Args }
  ? ArgsInput<Args>
  : Handler extends (context: never, ...args: infer Args) => unknown
    ? Args
    : never;
/** A schema may check asynchronously: nobody but the schema knows. */
type PerformedOutcome<Handler> = Handler extends { readonly [argumentsSchema]: unknown }
  ? Returned<Handler> | Promise<Awaited<Returned<Handler>>>
  : Returned<Handler>;
type Returned<Fn> = Fn extends (...args: never[]) => infer Value ? Value : never;

/**
 * Runs one handler by itself, and returns what it returns: an outcome, or a promise of one.
 *
 * @param args - the caller's arguments; checked if the handler has a schema for them (a schema that checks
 *   asynchronously makes a promise of the outcome)
 * @throws {@link DurableObjectError} `UNKNOWN_HANDLER`, `INVALID_ARGUMENTS`, `INVALID_STATE`, what the runtime would
 *   refuse about the outcome, and whatever the handler throws
 * @example
 * ```ts
 * const outcome = perform(Counter, "increment", [5], { state: { count: 1 } });
 * assert.equal(result(outcome), 6);
 * assert.deepEqual(nextState(outcome), { count: 6 });
 * ```
 */
export function perform<Definition extends AnyDefinition, const Name extends keyof Definition["handlers"] & string>(
  definition: Definition,
  name: Name,
  args: PerformedArgs<HandlerOf<Definition, Name>>,
  options: PerformOptions<DefinedState<Definition>> = {},
): PerformedOutcome<HandlerOf<Definition, Name>> {
  const handlers = definition.handlers as Readonly<Record<string, PerformedFunction>>;
  const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
  if (handler === undefined) {
    const known = Object.keys(handlers).join(", ") || "none";
    throw new DurableObjectError("UNKNOWN_HANDLER", `${definition.type} has no handler "${name}". It has ${known}.`);
  }
  const { context, base } = performedContext(definition, options);
  const address = { tenant: context.tenant, type: definition.type, id: context.id };
  const operation = objectType(definition).operations.get(name);
  const run = (checked: readonly unknown[]): unknown =>
    checkOutcome(definition, address, operation, base, context.now, handler(context, ...checked));
  return checkedArgs(definition.type, name, handler[argumentsSchema], args, run) as PerformedOutcome<
    HandlerOf<Definition, Name>
  >;
}

/**
 * Runs the handler of one alarm by itself, and returns what it returns.
 *
 * @throws {@link DurableObjectError} `UNKNOWN_ALARM`, `INVALID_STATE`, and whatever the handler throws
 */
export function performAlarm<Definition extends AnyDefinition, const Name extends keyof Definition["alarms"] & string>(
  definition: Definition,
  name: Name,
  options: PerformAlarmOptions<DefinedState<Definition>> = {},
): Returned<Definition["alarms"][Name]> {
  const alarms = definition.alarms as Readonly<Record<string, PerformedFunction>>;
  const handler = Object.hasOwn(alarms, name) ? alarms[name] : undefined;
  if (handler === undefined) {
    const known = Object.keys(alarms).join(", ") || "none";
    throw new DurableObjectError("UNKNOWN_ALARM", `${definition.type} has no alarm "${name}". It has ${known}.`);
  }
  const { context, base } = performedContext(definition, options);
  const { payload, attempt = 1, scheduledAt = new Date(context.now) } = options;
  const firingId = options.firingId ?? `${definition.type}/${context.id}/${name}/1`;
  const alarmContext: AlarmContext<unknown> = { ...context, payload, attempt, scheduledAt, firingId };
  const address = { tenant: context.tenant, type: definition.type, id: context.id };
  const operation = objectType(definition).alarms.get(name);
  const returned = handler(alarmContext);
  return checkOutcome(definition, address, operation, base, context.now, returned) as Returned<
    Definition["alarms"][Name]
  >;
}

type PerformedFunction = ((context: Context<unknown>, ...args: readonly unknown[]) => unknown) & {
  readonly [argumentsSchema]?: Schema;
};

function performedContext<State>(
  definition: AnyDefinition,
  options: PerformOptions<State>,
): { readonly context: Context<unknown>; readonly base: AdmittedState } {
  const { id = "test", tenant = "", now = virtualStart, signal = new AbortController().signal } = options;
  const base = performedState(definition, options.state);
  const context: Context<unknown> = {
    state: base.state as Readonly<unknown>,
    id,
    tenant,
    type: definition.type,
    now: now.getTime(),
    signal,
    get:
      options.get ??
      (() => {
        throw new Error(
          `perform() runs a handler of ${definition.type} by itself: there are no other objects. ` +
            `Give it a \`get\`, or use createTestRuntime().`,
        );
      }),
  };
  return { context, base };
}

/** What a handler returned, if the runtime would take it. */
function checkOutcome(
  definition: AnyDefinition,
  address: Address,
  operation: Operation | undefined,
  base: AdmittedState,
  nowMs: number,
  returned: unknown,
): unknown {
  if (returned instanceof Promise) {
    return returned.then((later: unknown) => checkOutcome(definition, address, operation, base, nowMs, later));
  }
  if (operation === undefined) return returned;
  const none = (): never => {
    throw new Error("A handler that is performed has no runtime.");
  };
  const { environment } = new VirtualClock(nowMs, 1).begin();
  const object = {
    address,
    type: objectType(definition),
    host: { environment, store: { listAlarms: none }, stub: none },
    admit: (previous: AdmittedState, next: unknown) => definition.codec.admit(previous, next, true),
    beginToLeave: none,
  };
  const reading: Operation = { ...operation, schema: null, pace: "sync", run: () => returned };
  const conclusion = new Turn(object, reading, null, Infinity, base, null).run([]);
  if (!(conclusion instanceof Promise) && !conclusion.ok && conclusion.error.code !== "HANDLER_FAILED") {
    throw conclusion.error;
  }
  return returned;
}

/** The state as a handler would see it, frozen; fields that are not given have their defaults. */
function performedState(definition: AnyDefinition, given: unknown): AdmittedState {
  const { codec, type } = definition;
  const initial = codec.initial(true);
  if (given === undefined) return initial;
  const isPartial = typeof given === "object" && given !== null && !Array.isArray(given) && !(given instanceof Map);
  const state = isPartial ? { ...(initial.state as object), ...given } : given;
  try {
    return codec.admit(initial, state, true);
  } catch (error) {
    let problem: string | null = null;
    if (error instanceof NotJson) problem = `${error.path}: ${error.problem}`;
    else if (error instanceof Unstorable) problem = error.problem;
    if (problem === null) throw error;
    throw new DurableObjectError("INVALID_STATE", `${type}: the state given to perform() does not fit: ${problem}.`);
  }
}

function checkedArgs(
  type: string,
  name: string,
  schema: Schema | undefined,
  args: readonly unknown[],
  run: (args: readonly unknown[]) => unknown,
): unknown {
  if (schema === undefined) {
    args.forEach((arg, index) => checkArgument(type, name, arg, index));
    return run(args);
  }
  const read = (checked: SchemaResult): readonly unknown[] => {
    if (checked.issues === undefined) return checked.value as readonly unknown[];
    const issues = formatIssues(checked.issues, "args");
    throw new DurableObjectError("INVALID_ARGUMENTS", `${type}: the arguments of ${name} do not fit: ${issues}.`);
  };
  const checked = schema["~standard"].validate(args);
  return checked instanceof Promise ? checked.then((later) => run(read(later))) : run(read(checked));
}

function checkArgument(type: string, name: string, arg: unknown, index: number): void {
  if (arg === undefined) return;
  try {
    copyJson(arg, `args[${index}]`);
  } catch (error) {
    if (!(error instanceof NotJson)) throw error;
    const problem = `${type}: ${name} cannot be called with ${error.path}: ${error.problem}.`;
    throw new DurableObjectError("INVALID_ARGUMENTS", problem);
  }
}

// ——— Reading an outcome ———

type ResultIn<Outcome> =
  Outcome extends Reply<infer Result, infer _State, string>
    ? Result
    : Outcome extends NoReply<infer _State, string>
      ? undefined
      : never;
type ReasonIn<Outcome> = Outcome extends Fail<infer Reason> ? Reason : never;
type NextIn<Outcome> = Outcome extends { readonly next: infer Next } ? Next : never;
type EffectIn<Outcome> = Outcome extends { readonly effects: readonly (infer One)[] } ? One : Effect;

/**
 * What the caller would get.
 *
 * @throws AssertionError if the handler refused the call, with its reason
 */
export function result<Outcome>(outcome: Outcome): ResultIn<Outcome> {
  const read = outcomeOf(outcome);
  if (read[outcomeKind] === "fail") {
    throw wrong(`Expected a reply. The handler refused the call with ${preview(read.value)}.`, outcome);
  }
  return read.value as ResultIn<Outcome>;
}

/**
 * What the handler refused the call with.
 *
 * @throws AssertionError if it did not refuse the call
 */
export function reason<Outcome>(outcome: Outcome): ReasonIn<Outcome> {
  const read = outcomeOf(outcome);
  if (read[outcomeKind] !== "fail") {
    throw wrong(`Expected the handler to refuse the call. It replied ${preview(read.value)}.`, outcome);
  }
  return read.value as ReasonIn<Outcome>;
}

/** The next state; `undefined` if it stays as it is. */
export function nextState<Outcome>(outcome: Outcome): NextIn<Outcome> | undefined {
  return outcomeOf(outcome).next as NextIn<Outcome> | undefined;
}

/** The effects, in the order in which they were returned. */
export function effects<Outcome>(outcome: Outcome): readonly EffectIn<Outcome>[] {
  return outcomeOf(outcome).effects as readonly EffectIn<Outcome>[];
}

function outcomeOf(outcome: unknown): AnyOutcome {
  const read = readOutcome(outcome);
  if (read !== null) return read;
  const hint = outcome instanceof Promise ? "It is a promise: await it first." : `It is ${preview(outcome)}.`;
  throw wrong(`Expected an outcome: reply(…), noreply(…) or fail(…). ${hint}`, outcome);
}

function wrong(message: string, actual: unknown): AssertionError {
  return new AssertionError({ message, actual });
}
