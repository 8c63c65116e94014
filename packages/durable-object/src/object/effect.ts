/**
 * Effects: what a turn does besides changing its state. They are part of the outcome, and become durable
 * in the same commit as the state, or not at all.
 */

import type { Duration } from "../core/duration.ts";
import type { JsonValue } from "../core/json.ts";
import type { SqlValue } from "../core/sql-statement.ts";

/** When an alarm is due: after a delay, or at an instant. */
export type When = Duration | Date;

/** What becomes of occurrences of a repeating alarm that were missed while nothing ran. */
export type MisfirePolicy = "once" | "skip" | "all";

/** How often a failing alarm is tried, and how long it waits in between. */
export interface AlarmRetry {
  /** How often it is started at most, the first time included. Default 12. */
  readonly attempts?: number | undefined;
  /** The wait after the first failure; it doubles with every further one. Default `"2s"`. */
  readonly backoff?: Duration | undefined;
  /** The longest wait. Default `"1h"`. */
  readonly maxBackoff?: Duration | undefined;
}

/** How an alarm is set. */
export interface ScheduleOptions {
  /** Handed to the alarm's handler. Must survive JSON. */
  readonly payload?: JsonValue | undefined;
  /** Fires again and again, this long after it was due. */
  readonly every?: Duration | undefined;
  /** Fires again and again, by a cron pattern of five or six fields (with seconds). */
  readonly cron?: string | undefined;
  /** The IANA time zone of `cron`. Default `"UTC"`. */
  readonly timeZone?: string | undefined;
  /**
   * Occurrences that were missed while nothing ran: `"once"` (default) fires once for all of them, `"skip"`
   * fires none, `"all"` fires each.
   */
  readonly misfire?: MisfirePolicy | undefined;
  readonly retry?: AlarmRetry | undefined;
}

/** The options of an alarm that has no time of its own: the first occurrence of its pattern. */
export type RepeatOptions = ScheduleOptions & ({ readonly cron: string } | { readonly every: Duration });

/** Sets the alarm `name`, replacing an earlier setting of the same name. */
export interface ScheduleEffect<Name extends string = string> {
  readonly effect: "schedule";
  readonly name: Name;
  /** Null for the first occurrence of the pattern. */
  readonly when: When | null;
  readonly options: ScheduleOptions;
}

/** Calls off the alarm `name`. */
export interface CancelEffect<Name extends string = string> {
  readonly effect: "cancel";
  readonly name: Name;
}

/** Calls off all alarms of the object. */
export interface CancelAllEffect {
  readonly effect: "cancelAll";
}

/** Deletes the object: its state, its alarms and its idempotency records. */
export interface DestroyEffect {
  readonly effect: "destroy";
}

/** Executes a statement of your own SQL in the commit of the turn. */
export interface SqlEffect {
  readonly effect: "sql";
  readonly text: string;
  readonly params: readonly SqlValue[];
}

/** What a turn does besides changing its state. `Name` are the alarms it names. */
export type Effect<Name extends string = string> =
  | ScheduleEffect<Name>
  | CancelEffect<Name>
  | CancelAllEffect
  | DestroyEffect
  | SqlEffect;

/**
 * Sets an alarm of this object. An alarm of the same name is replaced.
 *
 * @param name - one of the definition's `alarms`
 * @param when - a delay (a number of ms, or `"30s"`, `"5m"`, `"1h"`, `"7d"`), or a `Date`; may be left out
 *   with `every` or `cron`
 * @param options - `payload`: a JSON value for the alarm's handler; `every` or `cron` (with `timeZone`) to
 *   repeat; `misfire`; `retry`
 * @example
 * ```ts
 * schedule("expire", "30d");
 * schedule("report", { cron: "0 9 * * 1-5", timeZone: "Europe/Berlin" });
 * ```
 */
export function schedule<const Name extends string>(
  name: Name,
  when: When,
  options?: ScheduleOptions,
): ScheduleEffect<Name>;
export function schedule<const Name extends string>(name: Name, options: RepeatOptions): ScheduleEffect<Name>;
export function schedule<const Name extends string>(
  name: Name,
  when: When | RepeatOptions,
  options: ScheduleOptions = {},
): ScheduleEffect<Name> {
  return isWhen(when)
    ? { effect: "schedule", name, when, options }
    : { effect: "schedule", name, when: null, options: when };
}

/** Whether a value takes the place of a time. */
export function isWhen(value: When | RepeatOptions): value is When {
  return typeof value !== "object" || value === null || value instanceof Date;
}

/** Calls off the alarm `name` of this object; nothing happens if it is not set. */
export function cancel<const Name extends string>(name: Name): CancelEffect<Name> {
  return { effect: "cancel", name };
}

/** Calls off all alarms of this object. */
export function cancelAll(): CancelAllEffect {
  return { effect: "cancelAll" };
}

/**
 * Deletes this object in the commit of the turn: state, alarms and idempotency records. Calls that wait
 * meet a fresh object.
 */
export function destroy(): DestroyEffect {
  return { effect: "destroy" };
}

/**
 * Executes a statement of your own SQL in the commit of this turn: in the same transaction as the state, on
 * your tables in the same database. Several are executed in their order. If one fails, the call is rejected
 * with `SQL_FAILED`, and nothing of the turn is kept; no other call fails with it. What a statement
 * returns is dropped.
 *
 * For `sqlite()` and `postgres()`; `memory()` has no SQL and rejects the call.
 *
 * A turn with SQL has a commit to itself on its object: it waits for what came before, and what comes after
 * waits for it. Other objects share that commit.
 *
 * @param text - one statement: `INSERT`, `UPDATE`, `DELETE`, `SELECT`, … in the dialect of the database, with
 *   placeholders `$1`, `$2`, … (SQLite also takes `?`)
 * @param params - the values of the placeholders, in their order: texts, finite numbers, bigints, booleans,
 *   null, `Uint8Array`
 * @example
 * ```ts
 * return reply(id, { ...state, ordered: true }, sql("INSERT INTO orders (id, total) VALUES ($1, $2)", [id, total]));
 * ```
 */
export function sql(text: string, params: readonly SqlValue[] = []): SqlEffect {
  return { effect: "sql", text, params };
}
