/**
 * A firing: one due alarm on its way to its object, and what becomes of it.
 *
 * The owner of an object fires its alarms, and owning is the claim: nothing is written before the handler
 * starts. What the handler came to is committed together with what becomes of the alarm: it goes, is due
 * again (its next occurrence, or a retry), or is dead. A firing is void once its alarm was set anew,
 * cancelled, or deleted with its object: then its handler does not start.
 */

import type { AddressedAlarm, AlarmChange } from "../ports/object-store.ts";
import { nextOccurrence, resolveRetry, type AlarmRule, type RetryPolicy } from "./alarm-rule.ts";

/** One due alarm on its way to its object. */
export class Firing {
  readonly alarm: AddressedAlarm;
  readonly rule: AlarmRule | null;
  /** Attempts before this one. */
  readonly attempts: number;
  /** Set when the alarm is not what it was when it was read: its handler must not start. */
  void = false;

  /** Whether it may have been running when the process before this one died. */
  readonly #suspect: boolean;

  constructor(alarm: AddressedAlarm, suspect: boolean) {
    this.alarm = alarm;
    this.attempts = alarm.attempts;
    this.#suspect = suspect;
    this.rule = alarm.rule === null ? null : (JSON.parse(alarm.rule) as AlarmRule);
  }

  /** The same for every attempt of this firing, and for no other. */
  get id(): string {
    const { address, name, generation } = this.alarm;
    const { tenant, type, id } = address;
    return [tenant, type, id, name, generation].map((part) => encodeURIComponent(part)).join("/");
  }

  /** What is written instead of running the handler; null if it has to run. */
  instead(nowMs: number, fallback: RetryPolicy): AlarmChange | null {
    if (this.#suspect) return this.#interrupted(nowMs, fallback);
    return this.#isMissed(nowMs) ? this.handled(nowMs) : null;
  }

  /** Whether the next occurrence is due as well, and the alarm is set to let missed ones go. */
  #isMissed(nowMs: number): boolean {
    if (this.rule?.misfire !== "skip") return false;
    const next = nextOccurrence(this.rule, this.alarm.dueAt, this.alarm.dueAt);
    return next !== null && next <= nowMs;
  }

  /** What becomes of the alarm when it was handled, or let go: its next occurrence, or its end. */
  handled(nowMs: number): AlarmChange {
    const { name, generation, dueAt, payload, rule } = this.alarm;
    if (this.rule !== null) {
      const after = this.rule.misfire === "all" ? dueAt : Math.max(dueAt, nowMs);
      const next = nextOccurrence(this.rule, dueAt, after);
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
    const policy = this.rule?.retry === undefined ? fallback : resolveRetry(this.rule.retry, fallback);
    const attempts = this.attempts + 1;
    const waitMs = Math.min(policy.backoffMs * 2 ** (attempts - 1), policy.maxBackoffMs) * (0.75 + random / 2);
    return this.#attempted(attempts, policy, Math.ceil(nowMs + waitMs), error);
  }

  /**
   * That counts as an attempt, and is written before the handler starts again: one that kills its process
   * is dead after its last attempt. Then it is due now.
   */
  #interrupted(nowMs: number, fallback: RetryPolicy): AlarmChange {
    const policy = this.rule?.retry === undefined ? fallback : resolveRetry(this.rule.retry, fallback);
    return this.#attempted(this.attempts + 1, policy, Math.ceil(nowMs), "the process died, perhaps while it ran");
  }

  #attempted(attempts: number, policy: RetryPolicy, dueAt: number, error: string): AlarmChange {
    const { name, generation } = this.alarm;
    const status = attempts >= policy.attempts ? "dead" : "set";
    return { change: "attempted", name, generation, dueAt, attempts, status, lastError: error.slice(0, 1_000) };
  }
}
