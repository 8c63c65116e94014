/** Effects on their way from a handler to the store: checked, and with their times worked out. */

import { parseDuration } from "../core/duration.ts";
import type { ErrorCode } from "../core/errors.ts";
import { copyJson } from "../core/json.ts";
import { preview } from "../core/preview.ts";
import { isStorable } from "../core/storable-text.ts";
import { checkStatement, WrongStatement, type SqlStatement } from "../core/sql-statement.ts";
import { nextOccurrence, ruleOf, WrongRule, type AlarmRule } from "../alarms/alarm-rule.ts";
import type { Effect, ScheduleEffect, SqlEffect } from "../object/effect.ts";
import type { AlarmChange } from "../ports/object-store.ts";

/** An effect of the library's own operations: a dead alarm is tried again. */
export interface RedriveEffect {
  readonly effect: "redrive";
  readonly name: string;
}

/** An effect, checked and with its time worked out. */
export type TurnEffect =
  | AlarmChange
  | { readonly change: "cancelAll" }
  | { readonly change: "destroy" }
  | { readonly change: "sql"; readonly statement: SqlStatement };

/** Whether an effect is a statement of the application's own SQL. */
export function isStatement({ change }: TurnEffect): boolean {
  return change === "sql";
}

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
 * @param trace - the context of the turn, which goes along with an alarm that it sets
 * @throws {@link WrongEffect}, or `NotJson` for a payload
 */
export function checkEffect(
  effect: Effect | RedriveEffect,
  alarmNames: ReadonlyMap<string, unknown>,
  nowMs: number,
  trace: string | null = null,
): TurnEffect {
  switch (effect?.effect) {
    case "schedule":
      return checkSchedule(effect, alarmNames, nowMs, trace);
    // What is set may be called off by any name: the definition may have had it once.
    case "cancel":
      return { change: "cancel", name: checkText(effect.name) };
    case "redrive":
      return { change: "redrive", name: checkText(effect.name), dueAt: Math.ceil(nowMs) };
    case "cancelAll":
      return { change: "cancelAll" };
    case "destroy":
      return { change: "destroy" };
    case "sql":
      return { change: "sql", statement: checkSql(effect) };
    default:
      throw new WrongEffect(
        "INVALID_OUTCOME",
        `returned an effect that is none: ${preview(effect)}. Effects are schedule(), cancel(), cancelAll(), destroy() and sql()`,
      );
  }
}

function checkSchedule(
  effect: ScheduleEffect,
  alarmNames: ReadonlyMap<string, unknown>,
  nowMs: number,
  trace: string | null,
): TurnEffect {
  const name = checkName(effect.name, alarmNames);
  const options = effect.options ?? {};
  const rule = checkRule(name, effect);
  const dueAt = effect.when === null ? firstOccurrence(rule, nowMs) : dueTime(effect.when, nowMs);
  if (dueAt === null) {
    const problem =
      effect.when === null
        ? `schedules the alarm "${name}" without a time, and no occurrence of its pattern is to come`
        : `schedules the alarm "${name}" for ${preview(effect.when)}. Give a Date, a number of ms from 0, or a text such as "30s", "5m", "1h", "7d"`;
    throw new WrongEffect("INVALID_OUTCOME", problem);
  }
  const payload = copyJson(options.payload, "payload");
  return {
    change: "set",
    name,
    dueAt,
    payload: payload === undefined ? null : JSON.stringify(payload),
    rule: rule === null && trace === null ? null : JSON.stringify(trace === null ? rule : { ...rule, trace }),
  };
}

function checkRule(name: string, { options }: ScheduleEffect): AlarmRule | null {
  try {
    return ruleOf(options ?? {});
  } catch (error) {
    if (!(error instanceof WrongRule)) throw error;
    throw new WrongEffect("INVALID_OUTCOME", `schedules the alarm "${name}" by a rule that is none: ${error.problem}`);
  }
}

function firstOccurrence(rule: AlarmRule | null, nowMs: number): number | null {
  return rule === null ? null : nextOccurrence(rule, nowMs, nowMs);
}

/** In whole ms: what is stored is what was asked for, and never earlier. */
function dueTime(when: unknown, nowMs: number): number | null {
  if (when instanceof Date) return Number.isNaN(when.getTime()) ? null : when.getTime();
  const delayMs = parseDuration(when);
  return delayMs === null ? null : Math.ceil(nowMs + delayMs);
}

function checkSql({ text, params }: SqlEffect): SqlStatement {
  try {
    return checkStatement(text, params);
  } catch (error) {
    if (!(error instanceof WrongStatement)) throw error;
    throw new WrongEffect("INVALID_OUTCOME", `returned sql() with a statement that cannot be: ${error.problem}`);
  }
}

function checkText(name: unknown): string {
  if (typeof name === "string" && isStorable(name)) return name;
  throw new WrongEffect("INVALID_OUTCOME", `names an alarm by ${preview(name)}, which cannot be its name`);
}

function checkName(name: string, alarmNames: ReadonlyMap<string, unknown>): string {
  if (alarmNames.has(name)) return name;
  const known = alarmNames.size === 0 ? "it has no alarms" : `its alarms are ${[...alarmNames.keys()].join(", ")}`;
  throw new WrongEffect(
    "UNKNOWN_ALARM",
    `names the alarm ${preview(name)}, which the definition does not have: ${known}`,
  );
}

/** Whether a turn changes nothing where nothing is stored: it deletes, or only calls alarms off. */
export function isVain(effects: readonly TurnEffect[], stateChanged: boolean): boolean {
  if (effects.some(isStatement)) return false;
  if (effects.some(({ change }) => change === "destroy")) return true;
  return !stateChanged && effects.every(({ change }) => change === "cancel" || change === "cancelAll");
}
