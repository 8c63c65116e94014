/**
 * What has to become of one alarm: when its handler fails, when it returns, when an occurrence was missed, and
 * when the process died in which it may have been running.
 */

import type { AlarmChange } from "../../src/ports/object-store.ts";

/** What an alarm is told to do when it fires; its payload. */
export interface Plan {
  /** How many attempts fail. */
  readonly fails: number;
  /** What it does with its own name. */
  readonly own: "nothing" | "again" | "cancel";
  /** How long its handler takes, in ms; 0 for a handler that does not wait. */
  readonly takesMs: number;
}

/** How an alarm repeats. */
export interface Repeat {
  readonly every: number;
  readonly misfire: "once" | "skip" | "all";
}

/** An alarm as it has to be stored. */
export interface Row {
  readonly generation: number;
  readonly dueAt: number;
  readonly scheduledAt: number;
  readonly payload: string | null;
  readonly repeat: Repeat | null;
  readonly attempts: number;
  readonly status: "set" | "dead";
}

/** How failing alarms are retried in these tests. */
export const retry = { attempts: 3, backoff: 2_000 } as const;
/** How much later a handler sets its own name again. */
export const againMs = 1_500;
/** Whether the occurrence that an alarm is due for is one to let go: the next one is due as well. */
export function isMissed({ repeat, dueAt, scheduledAt }: Row, nowMs: number): boolean {
  return repeat?.misfire === "skip" && dueAt === scheduledAt && scheduledAt + repeat.every <= nowMs;
}

/** Whether a change sets an alarm for the occurrence after those that were missed. */
export function isNextAfterMiss(
  { scheduledAt, repeat, payload }: Row,
  change: AlarmChange | undefined,
  nowMs: number,
): boolean {
  if (change?.change !== "set" || repeat === null || change.payload !== payload) return false;
  const laterMs = change.dueAt - scheduledAt;
  return laterMs > 0 && laterMs % repeat.every === 0 && change.dueAt <= nowMs + repeat.every;
}

/** Whether a change counts an attempt for the death of a process. */
export function isCountedDeath({ attempts, dueAt }: Row, change: AlarmChange | undefined): boolean {
  if (change?.change !== "attempted" || change.attempts !== attempts + 1 || change.dueAt !== dueAt) return false;
  return change.status === (change.attempts >= retry.attempts ? "dead" : "set");
}

/** What becomes of an alarm whose handler has failed. */
export function expectedFailure(name: string, row: Row, endMs: number): AlarmChange {
  const attempts = row.attempts + 1;
  const dueAt = endMs + retry.backoff * 2 ** row.attempts;
  const status = attempts >= retry.attempts ? "dead" : "set";
  return { change: "attempted", name, generation: row.generation, dueAt, attempts, status, lastError: null };
}

/** What becomes of an alarm whose handler has returned. */
export function expectedEnd(name: string, row: Row, plan: Plan | null, endMs: number): AlarmChange {
  const { generation, scheduledAt, repeat, payload } = row;
  if (plan?.own === "cancel") return { change: "cancel", name };
  // Delays are counted from when the handler returned.
  if (plan?.own === "again") return { change: "set", name, dueAt: endMs + againMs, payload: null, rule: null };
  if (repeat === null) return { change: "acknowledge", name, generation };
  let dueAt = scheduledAt + repeat.every;
  if (repeat.misfire !== "all") while (dueAt <= endMs) dueAt += repeat.every;
  return { change: "set", name, dueAt, payload, rule: JSON.stringify(repeat) };
}

/** A change in a form that can be compared. */
export function sorted(change: AlarmChange | undefined): unknown {
  return change === undefined ? null : Object.entries(change).toSorted(([a], [b]) => a.localeCompare(b));
}
