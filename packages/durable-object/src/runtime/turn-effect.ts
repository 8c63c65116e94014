/** Effects on their way from a handler to the store: checked, and with their times worked out. */

import { parseDuration } from "../core/duration.ts";
import type { ErrorCode } from "../core/errors.ts";
import { copyJson } from "../core/json.ts";
import { preview } from "../core/preview.ts";
import type { Effect, ScheduleEffect } from "../object/effect.ts";
import type { AlarmChange } from "../ports/object-store.ts";

/** An effect, checked and with its time worked out. */
export type TurnEffect = AlarmChange | { readonly change: "cancelAll" } | { readonly change: "destroy" };

/** Why an effect cannot be. */
export class WrongEffect {
  readonly code: ErrorCode;
  readonly problem: string;

  constructor(code: ErrorCode, problem: string) {
    this.code = code;
    this.problem = problem;
  }
}

/**
 * Checks an effect.
 *
 * @param alarmNames - the alarms the definition has
 * @param nowMs - wall-clock time, for delays
 * @throws {@link WrongEffect}, or `NotJson` for a payload
 */
export function checkEffect(effect: Effect, alarmNames: ReadonlySet<string>, nowMs: number): TurnEffect {
  switch (effect?.effect) {
    case "schedule":
      return checkSchedule(effect, alarmNames, nowMs);
    case "cancel":
      return { change: "cancel", name: checkName(effect.name, alarmNames) };
    case "cancelAll":
      return { change: "cancelAll" };
    case "destroy":
      return { change: "destroy" };
    default:
      throw new WrongEffect(
        "INVALID_OUTCOME",
        `returned an effect that is none: ${preview(effect)}. Effects are schedule(), cancel(), cancelAll() and destroy()`,
      );
  }
}

function checkSchedule(effect: ScheduleEffect, alarmNames: ReadonlySet<string>, nowMs: number): TurnEffect {
  const name = checkName(effect.name, alarmNames);
  const dueAt = dueTime(effect.when, nowMs);
  if (dueAt === null) {
    throw new WrongEffect(
      "INVALID_OUTCOME",
      `schedules the alarm "${name}" for ${preview(effect.when)}. Give a Date, a number of ms from 0, or a text such as "30s", "5m", "1h", "7d"`,
    );
  }
  const payload = copyJson(effect.options?.payload, "payload");
  return { change: "set", name, dueAt, payload: payload === undefined ? null : JSON.stringify(payload) };
}

/** In whole ms: what is stored is what was asked for. */
function dueTime(when: unknown, nowMs: number): number | null {
  if (when instanceof Date) return Number.isNaN(when.getTime()) ? null : when.getTime();
  const delayMs = parseDuration(when);
  return delayMs === null ? null : Math.ceil(nowMs + delayMs);
}

function checkName(name: string, alarmNames: ReadonlySet<string>): string {
  if (alarmNames.has(name)) return name;
  const known = alarmNames.size === 0 ? "it has no alarms" : `its alarms are ${[...alarmNames].join(", ")}`;
  throw new WrongEffect(
    "UNKNOWN_ALARM",
    `names the alarm ${preview(name)}, which the definition does not have: ${known}`,
  );
}
