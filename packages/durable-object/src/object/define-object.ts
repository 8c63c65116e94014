/**
 * Object definitions: what an application declares. `defineObject` checks a definition once, so that
 * nothing about it can surprise a call; the engine reads the frozen result.
 */

import { typeProblem } from "../core/address.ts";
import { parseDuration, type Duration } from "../core/duration.ts";
import { DurableObjectError } from "../core/errors.ts";
import type { Effect } from "./effect.ts";
import type { AlarmContext, Awaitable, Context } from "./handler.ts";
import type { Fail, NoReply, Outcome } from "./outcome.ts";
import type { Schema } from "./schema.ts";
import { stateCodec, type Migrations, type StateCodec } from "./state-codec.ts";
import { reservedHandlerNames } from "./stub.ts";

/** The type of a state, from its defaults or its schema. */
export type StateOf<Declared> = Declared extends Schema<infer _Input, infer Output> ? Output : Declared;

/** What `handlers` may hold. */
export type Handlers<State> = Record<string, (context: Context<State>, ...args: never[]) => Awaitable<Outcome<State>>>;

/** What `alarms` may hold. */
export type AlarmHandlers<State> = Record<
  string,
  (context: AlarmContext<State>) => Awaitable<NoReply<State, string> | Fail<unknown>>
>;

declare const stateType: unique symbol;

/** A checked definition. Made by `defineObject`; pass it to `createRuntime` and to `runtime.get`. */
export interface ObjectDefinition<Type extends string, State, HandlersType, AlarmsType> {
  readonly type: Type;
  readonly handlers: HandlersType;
  readonly alarms: AlarmsType;
  readonly afterLoad: ((context: Context<State>) => Awaitable<NoReply<State, string> | Fail<unknown>>) | undefined;
  /** Idle time until the state is put away as text, in ms; `Infinity` for never. */
  readonly hibernateAfterMs: number;
  /** Idle time until the object leaves memory, in ms; `Infinity` for never. */
  readonly shutdownAfterMs: number;
  readonly codec: StateCodec;
  readonly [stateType]?: State;
}

/** Any definition, for constraints. */
// eslint-disable-next-line typescript/no-explicit-any -- a constraint that every definition satisfies
export type AnyDefinition = ObjectDefinition<string, any, any, any>;

type NamesIn<Returned> = Returned extends { readonly effects: readonly Effect<infer Name>[] } ? Name : never;
type NamesScheduledBy<Fn> = Fn extends (...args: never[]) => infer Returned ? NamesIn<Awaited<Returned>> : never;
/** A handler that schedules an alarm by a literal name that does not exist gets a type that names it. */
type AlarmsExist<Fns, Alarms> = {
  readonly [Key in keyof Fns]: [Exclude<NamesScheduledBy<Fns[Key]>, keyof Alarms>] extends [infer Missing]
    ? [Missing] extends [never]
      ? unknown
      : string extends Missing
        ? unknown
        : { readonly "this definition has no alarm named": Missing }
    : never;
};

/** What `defineObject` takes. */
export interface DefinitionInput<Type extends string, Declared, HandlersType, AlarmsType> {
  /** The stable name in the database. Renaming it orphans what is stored. */
  readonly type: Type;
  /** Defaults for every field, or a Standard Schema that gives them. */
  readonly state: Declared;
  readonly handlers: HandlersType & Handlers<StateOf<Declared>>;
  readonly alarms?: (AlarmsType & AlarmHandlers<StateOf<Declared>>) | undefined;
  /** The version of the state's shape, from 1. */
  readonly version?: number | undefined;
  /** One step for every version before this one. */
  readonly migrate?: Migrations | undefined;
  /** Runs once per activation, before the first call. */
  readonly afterLoad?:
    | ((context: Context<StateOf<Declared>>) => Awaitable<NoReply<StateOf<Declared>, string> | Fail<unknown>>)
    | undefined;
  /** Idle time until the live state is replaced by text. Default `"5m"`. */
  readonly hibernateAfter?: Duration | "never" | undefined;
  /** Idle time until the object leaves memory. Default `"never"`. */
  readonly shutdownAfter?: Duration | "never" | undefined;
}

/** A misspelt option would silently be its default. */
const inputNames: ReadonlySet<string> = new Set<keyof DefinitionInput<string, unknown, unknown, unknown>>([
  "type",
  "state",
  "handlers",
  "alarms",
  "version",
  "migrate",
  "afterLoad",
  "hibernateAfter",
  "shutdownAfter",
]);

/**
 * Declares a type of durable objects.
 *
 * @throws {@link DurableObjectError} `INVALID_DEFINITION`, saying which part is wrong and what to do
 * @example
 * ```ts
 * const Counter = defineObject({
 *   type: "counter",
 *   state: { count: 0 },
 *   handlers: {
 *     increment: ({ state }, amount: number = 1) => reply(state.count + amount, { count: state.count + amount }),
 *   },
 * });
 * ```
 */
export function defineObject<
  const Type extends string,
  Declared,
  HandlersType extends Handlers<StateOf<Declared>>,
  AlarmsType extends AlarmHandlers<StateOf<Declared>> = Record<never, never>,
>(
  input: DefinitionInput<Type, Declared, HandlersType, AlarmsType> & {
    readonly handlers: AlarmsExist<HandlersType, AlarmsType>;
  },
): ObjectDefinition<Type, StateOf<Declared>, HandlersType, AlarmsType> {
  const { type } = input;
  const invalid = (problem: string): DurableObjectError =>
    new DurableObjectError("INVALID_DEFINITION", `Object type ${JSON.stringify(type)}: ${problem}`);
  const wrongType = typeProblem(type);
  if (wrongType !== null) throw invalid(wrongType);
  for (const name of Object.keys(input)) {
    if (!inputNames.has(name)) throw invalid(`there is no option "${name}". There are ${[...inputNames].join(", ")}.`);
  }
  const alarms = input.alarms ?? ({} as AlarmsType & AlarmHandlers<StateOf<Declared>>);
  checkFunctions("handler", input.handlers, invalid);
  checkFunctions("alarm", alarms, invalid);
  for (const name of Object.keys(input.handlers)) {
    if (reservedHandlerNames.has(name)) {
      throw invalid(`the handler name "${name}" is reserved for the stub. Choose another name.`);
    }
  }
  return Object.freeze({
    type,
    handlers: Object.freeze({ ...input.handlers }),
    alarms: Object.freeze({ ...alarms }),
    afterLoad: input.afterLoad,
    hibernateAfterMs: idleTime("hibernateAfter", input.hibernateAfter, 300_000, invalid),
    shutdownAfterMs: idleTime("shutdownAfter", input.shutdownAfter, Infinity, invalid),
    codec: stateCodec(input.state, input.version ?? 1, input.migrate ?? {}, invalid),
  });
}

function checkFunctions(what: string, functions: unknown, invalid: (problem: string) => DurableObjectError): void {
  if (typeof functions !== "object" || functions === null) throw invalid(`${what}s must be an object of functions.`);
  for (const [name, fn] of Object.entries(functions)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name)) {
      throw invalid(
        `the ${what} name ${JSON.stringify(name)} must be a letter or _ followed by up to 63 letters, digits or _.`,
      );
    }
    if (typeof fn !== "function") throw invalid(`the ${what} "${name}" must be a function, not ${typeof fn}.`);
  }
}

function idleTime(
  option: string,
  value: Duration | "never" | undefined,
  fallback: number,
  invalid: (problem: string) => DurableObjectError,
): number {
  if (value === undefined) return fallback;
  if (value === "never") return Infinity;
  const ms = parseDuration(value);
  if (ms === null || ms === 0) {
    throw invalid(
      `${option} must be a duration above zero such as "5m" or 300000, or "never", not ${JSON.stringify(value)}.`,
    );
  }
  return ms;
}
