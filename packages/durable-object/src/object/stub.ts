/** Stubs: the caller's handle on an object. The types only; `runtime/stub.ts` makes them. */

import type { DurableObjectError } from "../core/errors.ts";
import type { Duration } from "../core/duration.ts";
import type { AnyDefinition } from "./define-object.ts";
import type { RepeatOptions, ScheduleOptions, When } from "./effect.ts";
import type { argumentsSchema, ArgsInput } from "./handler.ts";
import type { Fail, NoReply, Reply } from "./outcome.ts";

/** How the calls of a stub are made. */
export interface StubOptions {
  /** Separates customers: the same id under two tenants is two objects. Default: the empty string. */
  readonly tenant?: string | undefined;
  /** How long a call may take, waiting included; `"never"` for no limit. Default: the runtime's, 5 s. */
  readonly timeout?: Duration | "never" | undefined;
  /** The same key again gets the recorded reply of the first call; nothing is applied twice in 24 h. */
  readonly idempotencyKey?: string | undefined;
  /** Gives up waiting when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** An alarm that is set. */
export interface AlarmListing<Name extends string = string> {
  readonly name: Name;
  /** When it is due. */
  readonly at: Date;
  readonly payload: unknown;
  /** Raised with every new setting. */
  readonly generation: number;
  /** `"dead"` if it failed too often: it stays until it is redriven or cancelled. */
  readonly status: "set" | "dead";
  /** How often it was started and failed. */
  readonly attempts: number;
  /** What the last attempt failed with. */
  readonly lastError: string | null;
  /** How it repeats, if it does. */
  readonly every?: Duration;
  readonly cron?: string;
  readonly timeZone?: string;
}

/** The alarms of one object. */
export interface AlarmsStub<Name extends string = string> {
  /** Sets an alarm, replacing one of the same name. Resolves when it is durable. */
  schedule(name: Name, when: When, options?: ScheduleOptions): Promise<void>;
  /** Sets a repeating alarm to the first occurrence of its pattern. */
  schedule(name: Name, options: RepeatOptions): Promise<void>;
  /** Calls off an alarm. Resolves to whether it was set. */
  cancel(name: Name): Promise<boolean>;
  /** Calls off all alarms of the object. */
  cancelAll(): Promise<void>;
  /** The alarms that are set, the next one first. */
  list(): Promise<AlarmListing<Name>[]>;
}

/** What `.safe` resolves to: never rejects for anything the library reports. */
export type SafeResult<Value, Reason> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: DurableObjectError<Reason> };

type ResultOf<Value> =
  Value extends Reply<infer Result, unknown, string>
    ? Result
    : Value extends NoReply<unknown, string>
      ? undefined
      : never;
type ReasonOf<Value> = Value extends Fail<infer Reason> ? Reason : never;

type CallerArgs<Handler> = Handler extends { readonly [argumentsSchema]: infer Args }
  ? ArgsInput<Args>
  : Handler extends (context: never, ...args: infer Args) => unknown
    ? Args
    : never;
type Returned<Handler> = Handler extends (...args: never[]) => infer Value ? Awaited<Value> : never;

type HandlersOf<Definition extends AnyDefinition> = Definition["handlers"];
type AlarmsOf<Definition extends AnyDefinition> = keyof Definition["alarms"] & string;

/** Every handler of a definition as a method that resolves to its result. */
export type Methods<Handlers> = {
  readonly [Name in keyof Handlers]: (
    ...args: CallerArgs<Handlers[Name]>
  ) => Promise<ResultOf<Returned<Handlers[Name]>>>;
};

/** Every handler of a definition as a method that resolves to a result or an error. */
export type SafeMethods<Handlers> = {
  readonly [Name in keyof Handlers]: (
    ...args: CallerArgs<Handlers[Name]>
  ) => Promise<SafeResult<ResultOf<Returned<Handlers[Name]>>, ReasonOf<Returned<Handlers[Name]>>>>;
};

/** The caller's handle on one object, typed by its definition. */
export type Stub<Definition extends AnyDefinition> = Methods<HandlersOf<Definition>> & {
  /** The same methods; they resolve to `{ ok, value }` or `{ ok, error }` with typed reasons. */
  readonly safe: SafeMethods<HandlersOf<Definition>>;
  readonly alarms: AlarmsStub<AlarmsOf<Definition>>;
};

/** Names that a stub has for itself, or that JavaScript gives a meaning (`then` makes a promise of it). */
export const reservedHandlerNames: ReadonlySet<string> = new Set([
  "safe",
  "alarms",
  "then",
  "catch",
  "finally",
  "constructor",
  "toString",
  "toJSON",
  "valueOf",
  "__proto__",
]);
