/**
 * Effects: what a turn does besides changing its state. They are part of the outcome, and become durable
 * in the same commit as the state, or not at all.
 */

import type { Duration } from "../core/duration.ts";
import type { JsonValue } from "../core/json.ts";

/** When an alarm is due: after a delay, or at an instant. */
export type When = Duration | Date;

/** How an alarm is set. */
export interface ScheduleOptions {
  /** Handed to the alarm's handler. Must survive JSON. */
  readonly payload?: JsonValue | undefined;
}

/** Sets the alarm `name`, replacing an earlier setting of the same name. */
export interface ScheduleEffect<Name extends string = string> {
  readonly effect: "schedule";
  readonly name: Name;
  readonly when: When;
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

/** What a turn does besides changing its state. `Name` are the alarms it names. */
export type Effect<Name extends string = string> =
  | ScheduleEffect<Name>
  | CancelEffect<Name>
  | CancelAllEffect
  | DestroyEffect;

/**
 * Sets an alarm of this object. An alarm of the same name is replaced.
 *
 * @param name - one of the definition's `alarms`
 * @param when - a delay (a number of ms, or `"30s"`, `"5m"`, `"1h"`, `"7d"`), or a `Date`
 * @param options - `payload`: a JSON value for the alarm's handler
 */
export function schedule<const Name extends string>(
  name: Name,
  when: When,
  options: ScheduleOptions = {},
): ScheduleEffect<Name> {
  return { effect: "schedule", name, when, options };
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
