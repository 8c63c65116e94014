/**
 * A firing: one due alarm on its way to its object, and what becomes of it.
 *
 * The owner of an object fires its alarms, and owning is the claim: nothing is written before the handler
 * starts. What the handler came to is committed together with what becomes of the alarm: it goes, is due
 * again (its next occurrence, or a retry), or is dead. A firing is void once its alarm was set anew,
 * cancelled, or deleted with its object: then its handler does not start.
 */

import { toStorable } from "../core/storable-text.ts";
import type { AddressedAlarm, AlarmChange, AlarmStatus } from "../ports/object-store.ts";
import { nextOccurrence, resolveRetry, type AlarmRule, type RetryPolicy } from "./alarm-rule.ts";

/** One due alarm on its way to its object. */
export class Firing {
  readonly alarm: AddressedAlarm;
  readonly rule: AlarmRule | null;
  /** Set when the alarm is not what it was when it was read: its handler must not start. */
  void = false;

  /** What its handler failed with. */
  error: Error | null = null;

  /** Why it was not handled, for telemetry: its error, or that its process died. */
  fault: Error | null = null;

  /** Set when what its handler returned could not be committed for a reason of its own. */
  failure: string | null = null;

  constructor(alarm: AddressedAlarm) {
    this.alarm = alarm;
    this.rule = alarm.rule === null ? null : (JSON.parse(alarm.rule) as AlarmRule);
  }

  /** Attempts before this one. */
  get attempts(): number {
    return this.alarm.attempts;
  }

  /** The same for every attempt of this firing, and for no other. */
  get id(): string {
    const { address, name, generation } = this.alarm;
    const { tenant, type, id } = address;
    return [tenant, type, id, name, generation].map((part) => encodeURIComponent(part)).join("/");
  }

  /** What is written instead of running the handler; null if it has to run. */
  instead(nowMs: number, random: number, fallback: RetryPolicy): AlarmChange | null {
    if (this.failure !== null) return this.failed(this.failure, nowMs, random, fallback);
    if (this.alarm.suspect) return this.#interrupted(fallback);
    return this.#isMissed(nowMs) ? this.handled(nowMs) : null;
  }

  /**
   * The death of its process counts as an attempt, and is written before the handler starts again: one that
   * kills its process is dead after its last attempt. A single death proves nothing, though, so an alarm that
   * may be tried once is started again after it.
   */
  #interrupted(fallback: RetryPolicy): AlarmChange {
    const attempts = this.attempts + 1;
    const status = attempts >= Math.max(2, this.#policy(fallback).attempts) ? "dead" : "set";
    return this.#attempted(attempts, status, this.alarm.dueAt, "the process died, perhaps while it ran");
  }

  /** Whether the next occurrence is due as well, and the alarm is set to let missed ones go. */
  #isMissed(nowMs: number): boolean {
    // One that was started late is not missed; one that the death of a process has counted against may be.
    if (this.rule?.misfire !== "skip" || this.alarm.dueAt !== this.alarm.scheduledAt) return false;
    const next = nextOccurrence(this.rule, this.alarm.scheduledAt, this.alarm.scheduledAt);
    return next !== null && next <= nowMs;
  }

  #policy(fallback: RetryPolicy): RetryPolicy {
    return this.rule?.retry === undefined ? fallback : resolveRetry(this.rule.retry, fallback);
  }

  /** What becomes of the alarm when it was handled, or let go: its next occurrence, or its end. */
  handled(nowMs: number): AlarmChange {
    const { name, generation, scheduledAt, payload, rule } = this.alarm;
    if (this.rule !== null) {
      const after = this.rule.misfire === "all" ? scheduledAt : Math.max(scheduledAt, nowMs);
      const next = nextOccurrence(this.rule, scheduledAt, after);
      if (next !== null) return { change: "set", name, dueAt: next, payload, rule };
    }
    return { change: "acknowledge", name, generation };
  }

  /**
   * What becomes of the alarm when its handler failed: due again after a wait that doubles each time, with
   * a quarter of jitter, or dead.
   *
   * @param random - in [0, 1)
   */
  failed(error: string, nowMs: number, random: number, fallback: RetryPolicy): AlarmChange {
    const policy = this.#policy(fallback);
    const attempts = this.attempts + 1;
    const waitMs = Math.min(policy.backoffMs * 2 ** (attempts - 1), policy.maxBackoffMs) * (0.75 + random / 2);
    return this.#attempted(attempts, attempts >= policy.attempts ? "dead" : "set", nowMs + waitMs, error);
  }

  #attempted(attempts: number, status: AlarmStatus, dueAt: number, error: string): AlarmChange {
    const { name, generation } = this.alarm;
    const lastError = toStorable(error.slice(0, 1_000));
    return { change: "attempted", name, generation, dueAt: Math.ceil(dueAt), attempts, status, lastError };
  }
}
