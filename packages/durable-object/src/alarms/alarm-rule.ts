/**
 * The rule of an alarm: how it repeats and how it is retried. Kept with the alarm as JSON text; an alarm
 * that fires once, with the defaults, has none.
 */

import { Cron } from "croner";
import { parseDuration, type Duration } from "../core/duration.ts";
import { messageOf } from "../core/errors.ts";
import type { MisfirePolicy, ScheduleOptions } from "../object/effect.ts";

/** How an alarm repeats and is retried, with only what was given. */
export interface AlarmRule {
  readonly every?: Duration;
  readonly cron?: string;
  readonly timeZone?: string;
  readonly misfire?: MisfirePolicy;
  readonly retry?: {
    readonly attempts?: number | undefined;
    readonly backoff?: Duration | undefined;
    readonly maxBackoff?: Duration | undefined;
  };
  /** The context of the turn that set it, for who follows calls. */
  readonly trace?: string;
}

/** How often a failing alarm is tried, and how long it waits, in ms. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
}

/** 12 attempts, after 2 s, 4 s, … at most 1 h. */
export const defaultRetry: RetryPolicy = Object.freeze({ attempts: 12, backoffMs: 2_000, maxBackoffMs: 3_600_000 });

/** What is wrong with a rule. */
export class WrongRule {
  readonly problem: string;

  constructor(problem: string) {
    this.problem = problem;
  }
}

/**
 * The rule in the options of an alarm; null if there is none to keep.
 *
 * @throws {@link WrongRule}
 */
export function ruleOf(options: ScheduleOptions): AlarmRule | null {
  const { every, cron, timeZone, misfire, retry } = options;
  if (every !== undefined && cron !== undefined) throw new WrongRule("give either every or cron");
  if (every !== undefined && !((parseDuration(every) ?? 0) >= 1)) {
    throw new WrongRule(`every must be a duration of at least 1 ms, not ${JSON.stringify(every)}`);
  }
  if (timeZone !== undefined && cron === undefined) throw new WrongRule("timeZone goes with cron");
  if (misfire !== undefined && !["once", "skip", "all"].includes(misfire)) {
    throw new WrongRule(`misfire is "once", "skip" or "all", not ${JSON.stringify(misfire)}`);
  }
  if (misfire !== undefined && every === undefined && cron === undefined) {
    throw new WrongRule("misfire goes with every or cron");
  }
  if (retry !== undefined) resolveRetry(retry, defaultRetry);
  const rule: AlarmRule = {
    ...(every === undefined ? {} : { every }),
    ...(cron === undefined ? {} : { cron }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(misfire === undefined ? {} : { misfire }),
    ...(retry === undefined ? {} : { retry }),
  };
  if (cron !== undefined) parsedCron(rule);
  return Object.keys(rule).length === 0 ? null : rule;
}

/**
 * A retry policy from what was given, over defaults.
 *
 * @throws {@link WrongRule}
 */
export function resolveRetry(retry: NonNullable<AlarmRule["retry"]>, fallback: RetryPolicy): RetryPolicy {
  const { attempts = fallback.attempts, backoff, maxBackoff } = retry;
  if (!Number.isSafeInteger(attempts) || attempts < 1) {
    throw new WrongRule(`retry.attempts must be a whole number from 1, not ${JSON.stringify(attempts)}`);
  }
  return {
    attempts,
    backoffMs: wait("backoff", backoff, fallback.backoffMs),
    maxBackoffMs: wait("maxBackoff", maxBackoff, fallback.maxBackoffMs),
  };
}

function wait(name: string, value: Duration | undefined, fallbackMs: number): number {
  if (value === undefined) return fallbackMs;
  const ms = parseDuration(value);
  if (ms === null) throw new WrongRule(`retry.${name} must be a duration, not ${JSON.stringify(value)}`);
  return ms;
}

/**
 * When a repeating alarm is due next after a time, in ms since 1970; null if never.
 *
 * @param dueAtMs - an occurrence; with `every` the next ones are counted from here
 * @param afterMs - the next one is later than this
 */
export function nextOccurrence(rule: AlarmRule, dueAtMs: number, afterMs: number): number | null {
  if (rule.every !== undefined) {
    const everyMs = Math.max(1, parseDuration(rule.every) ?? 1);
    const passed = Math.max(0, Math.floor((afterMs - dueAtMs) / everyMs));
    return Math.ceil(dueAtMs + (passed + 1) * everyMs);
  }
  if (rule.cron === undefined) return null;
  return parsedCron(rule).nextRun(new Date(afterMs))?.getTime() ?? null;
}

// Parsing a pattern costs more than asking it; applications have few of them.
const parsed = new Map<string, Cron>();

function parsedCron({ cron = "", timeZone = "UTC" }: AlarmRule): Cron {
  const key = `${timeZone} ${cron}`;
  let pattern = parsed.get(key);
  if (pattern === undefined) {
    try {
      pattern = new Cron(cron, { timezone: timeZone, paused: true });
      // A time zone that does not exist is noticed when it is used.
      pattern.nextRun(new Date(0));
    } catch (error) {
      throw new WrongRule(`the cron pattern ${JSON.stringify(cron)} in ${timeZone} is not valid: ${messageOf(error)}`);
    }
    if (parsed.size >= 1_000) parsed.clear();
    parsed.set(key, pattern);
  }
  return pattern;
}
