/**
 * The polling scheduler: asks the store for due alarms at the nearest time it knows of, and at least once
 * per polling interval.
 *
 * idle: it sleeps until it has to look again. polling: it reads due alarms into the queue. stopped.
 * What it has read is delivered in both; a window bounds how many at a time, and opens step by step after a
 * start or a flood. A commit that changes alarms is heard of before the next turn of their object starts:
 * what was read of them is revoked, and if one is due earlier than the next look, the look is earlier.
 */

import { formatAddress } from "../core/address.ts";
import { parseDuration, type Duration } from "../core/duration.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import type { Timer } from "../core/environment.ts";
import type { AddressedAlarm } from "../ports/object-store.ts";
import { AlarmQueue, objectKey, type KnownAlarm } from "./alarm-queue.ts";
import type { AlarmsChanged, RunningScheduler, Scheduler, SchedulerHost } from "../ports/scheduler.ts";

/** How the polling scheduler works. */
export interface PollingOptions {
  /** How often it looks at least. What is set in this process wakes it in time anyway. Default `"30s"`. */
  readonly pollingInterval?: Duration;
  /** How many due alarms of one type are read at a time. Default 1,024. */
  readonly batch?: number;
  /** How many alarms are delivered at a time at most; of one object, one at a time. Default 1,024. */
  readonly concurrency?: number;
}

interface ResolvedPolling {
  readonly pollingIntervalMs: number;
  readonly batch: number;
  readonly concurrency: number;
  /** How long after the nearest due time it knows of it wakes. */
  readonly graceMs: number;
}

const defaultBatch = 1_024;
const defaultConcurrency = 1_024;
/** For how long nothing is finished before more is delivered beside it. */
const stallMs = 1_000;
/** How long an alarm rests that could not be delivered for reasons that are not its own. */
const restMs = 1_000;
const firstWindow = 128;
/** How many batches are known at most: of an object that has more alarms than time, nearly all wait. */
const mostBatches = 8;

/**
 * The default scheduler.
 *
 * @throws {@link DurableObjectError} `INVALID_OPTION`
 */
export function polling(options: PollingOptions = {}): Scheduler {
  const pollingIntervalMs = parseDuration(options.pollingInterval ?? "30s");
  if (pollingIntervalMs === null || pollingIntervalMs < 1) {
    throw invalid(`pollingInterval must be a duration such as "30s", not ${JSON.stringify(options.pollingInterval)}.`);
  }
  const resolved = {
    pollingIntervalMs,
    batch: count("batch", options.batch ?? defaultBatch),
    concurrency: count("concurrency", options.concurrency ?? defaultConcurrency),
  };
  return { name: "polling", start: (host) => new PollingScheduler(host, { ...resolved, graceMs: 0 }) };
}

/**
 * Looks for due alarms when it is told to.
 *
 * @param intervalMs - how often it looks at least
 * @param graceMs - how long after an alarm is due it looks by itself, if nobody has told it to
 */
export function startPolling(host: SchedulerHost, intervalMs: number, graceMs: number): RunningScheduler {
  const options = { pollingIntervalMs: intervalMs, batch: defaultBatch, concurrency: defaultConcurrency, graceMs };
  return new PollingScheduler(host, options);
}

function count(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw invalid(`${name} must be a whole number from 1, not ${JSON.stringify(value)}.`);
}

function invalid(problem: string): DurableObjectError {
  return new DurableObjectError("INVALID_OPTION", `polling: ${problem}`);
}

class PollingScheduler implements RunningScheduler {
  readonly #host: SchedulerHost;
  readonly #options: ResolvedPolling;
  readonly #queue = new AlarmQueue();
  /** Objects whose alarms were changed while the store was being read. */
  readonly #changedMeanwhile = new Set<string>();
  #deliveredCount = 0;
  #window = firstWindow;
  #phase: "idle" | "polling" | "stopped" = "idle";
  /** Wall-clock time at which to look again; `-Infinity` for at once. */
  #lookAt = -Infinity;
  #timer: Timer | null = null;
  /** Whether the timer follows the wall clock, which may be set back. */
  #isWallTimer = false;
  /** Wall-clock time at which the timer fires. */
  #wakeAt = Infinity;
  /** Monotonic time of the last delivery that ended. */
  #progressAtMs: number;
  readonly #overWatchers: (() => void)[] = [];
  readonly #reportedTypes = new Set<string>();
  #typesLookedAtMs = -Infinity;

  constructor(host: SchedulerHost, options: ResolvedPolling) {
    this.#host = host;
    this.#options = options;
    this.#window = Math.min(firstWindow, options.concurrency);
    this.#progressAtMs = host.environment.monotonic();
    this.#sleep();
  }

  changed({ address, all, changes }: AlarmsChanged): void {
    if (this.#phase === "polling") this.#changedMeanwhile.add(objectKey(address));
    // Also after it stopped: what was delivered before must not start as it was.
    this.#queue.revoke(address, all ? null : changes.map(({ name }) => name));
    if (this.#phase === "stopped") return;
    let earliest = Infinity;
    for (const change of changes) {
      if ("dueAt" in change && !(change.change === "attempted" && change.status === "dead")) {
        earliest = Math.min(earliest, change.dueAt + this.#options.graceMs);
      }
    }
    if (earliest < this.#lookAt) this.#lookBy(earliest);
  }

  look(atMs = -Infinity): void {
    if (this.#phase !== "stopped" && atMs < this.#lookAt) this.#lookBy(atMs);
  }

  async stop(): Promise<void> {
    this.#phase = "stopped";
    this.#timer?.cancel();
    this.#queue.clearWaiting();
    if (this.#deliveredCount > 0) await new Promise<void>((resolve) => this.#overWatchers.push(resolve));
  }

  // ——— When to look ———

  #lookBy(timeMs: number): void {
    this.#lookAt = timeMs;
    if (this.#phase === "idle") this.#sleep();
  }

  /** Whether so much can be delivered already, or is known, that nothing more need be read. */
  get #hasEnough(): boolean {
    const { batch } = this.#options;
    return this.#queue.ready >= batch / 2 || this.#queue.size >= batch * mostBatches;
  }

  /** While it is idle one timer is set: for the next look, or for a look at the window. */
  #sleep(): void {
    const { environment } = this.#host;
    const nowMs = environment.now();
    const isWaitedFor = this.#queue.ready > 0;
    const look = this.#hasEnough ? Infinity : this.#lookAt;
    const wakeAt = isWaitedFor ? Math.min(look, nowMs + stallMs) : look;
    // Left as it is if it wakes in time: this is asked for with every delivery.
    const isGoodEnough = this.#wakeAt <= wakeAt && !(isWaitedFor && this.#isWallTimer);
    if (this.#timer !== null && isGoodEnough) return;
    this.#timer?.cancel();
    this.#wakeAt = wakeAt;
    this.#isWallTimer = !isWaitedFor;
    const wake = (): void => {
      this.#timer = null;
      if (this.#phase === "idle") this.#wakeUp();
    };
    // A clock that is set back must not hold up what waits.
    if (isWaitedFor) this.#timer = environment.after(Math.max(0, wakeAt - nowMs), wake);
    else this.#timer = wakeAt === Infinity ? null : environment.at(wakeAt, wake);
  }

  #wakeUp(): void {
    const { environment } = this.#host;
    if (this.#queue.ready > 0 && environment.monotonic() >= this.#progressAtMs + stallMs) {
      // Nothing was finished for a while: slow handlers must not keep the window small.
      this.#progressAtMs = environment.monotonic();
      this.#window = Math.min(this.#window * 2, this.#options.concurrency);
      this.#deliver();
    }
    if (this.#hasEnough || this.#lookAt > environment.now()) this.#sleep();
    else void this.#poll();
  }

  // ——— Looking ———

  async #poll(): Promise<void> {
    const { environment, store, types } = this.#host;
    this.#phase = "polling";
    this.#changedMeanwhile.clear();
    const nowMs = environment.now();
    this.#lookAt = nowMs + this.#options.pollingIntervalMs;
    try {
      let full = false;
      for (const type of types) if (await this.#read(type, nowMs)) full = true;
      if (!this.#isPolling) return;
      const next = full ? -Infinity : await store.nextDueAfter(types, nowMs);
      if (next !== null && next + this.#options.graceMs < this.#lookAt) this.#lookAt = next + this.#options.graceMs;
      await this.#reportUnknownTypes(nowMs);
    } catch (error) {
      if (!this.#isPolling) return;
      this.#host.warn(
        "alarms-not-read",
        `Due alarms could not be read, which is tried again: ${messageOf(error)}`,
        error,
      );
      this.#lookAt = environment.now() + restMs;
    }
    if (!this.#isPolling) return;
    this.#phase = "idle";
    this.#deliver();
  }

  /** Reads due alarms of a type that are not known yet. Whether there may be more. */
  async #read(type: string, nowMs: number): Promise<boolean> {
    const { store } = this.#host;
    const limit = this.#options.batch + this.#queue.size;
    const due = await store.dueAlarms({ type, tenant: null, dueBy: nowMs, limit });
    for (const alarm of due) this.#takeUp(alarm);
    if (due.length < limit) return false;
    // A flood. It may be one tenant's, with those of others behind it: each gets a share.
    const tenants = await store.dueTenants(type, nowMs);
    const share = Math.max(1, Math.floor(this.#options.batch / tenants.length)) + this.#queue.size;
    for (const tenant of tenants.length > 1 ? tenants : []) {
      for (const alarm of await store.dueAlarms({ type, tenant, dueBy: nowMs, limit: share })) this.#takeUp(alarm);
    }
    return true;
  }

  #takeUp(alarm: AddressedAlarm): void {
    // Changed while the store was being read: what was read may be the setting before. It is read again.
    if (this.#changedMeanwhile.has(objectKey(alarm.address))) this.#lookAt = -Infinity;
    else this.#queue.add(alarm);
  }

  /** Asked after every wait. */
  get #isPolling(): boolean {
    return this.#phase === "polling";
  }

  async #reportUnknownTypes(nowMs: number): Promise<void> {
    if (nowMs < this.#typesLookedAtMs + this.#options.pollingIntervalMs) return;
    this.#typesLookedAtMs = nowMs;
    const { store, types, warn } = this.#host;
    for (const type of await store.alarmTypes()) {
      if (types.includes(type) || this.#reportedTypes.has(type)) continue;
      this.#reportedTypes.add(type);
      warn(
        "alarms-of-unknown-type",
        `There are alarms of the object type "${type}", which this runtime does not know. They are left alone and wait for a runtime that does.`,
      );
    }
  }

  // ——— Delivering ———

  #deliver(): void {
    while (this.#phase !== "stopped" && this.#deliveredCount < this.#window) {
      const known = this.#queue.next();
      if (known === null) break;
      this.#hand(known);
    }
    if (this.#phase === "idle") this.#sleep();
  }

  #hand(known: KnownAlarm): void {
    this.#deliveredCount += 1;
    const delivery = this.#host.deliver(known.alarm);
    known.delivery = delivery;
    delivery.over.then(
      () => {
        this.#queue.forget(known);
        this.#delivered();
      },
      (error: unknown) => {
        this.#rest(known, error);
        this.#delivered();
      },
    );
  }

  #delivered(): void {
    this.#deliveredCount -= 1;
    this.#progressAtMs = this.#host.environment.monotonic();
    if (this.#queue.ready > 0) this.#window = Math.min(this.#window + 1, this.#options.concurrency);
    else if (this.#deliveredCount === 0) this.#window = Math.min(firstWindow, this.#options.concurrency);
    if (this.#phase === "stopped") {
      if (this.#deliveredCount === 0) for (const resolve of this.#overWatchers.splice(0)) resolve();
      return;
    }
    this.#deliver();
  }

  /** Nothing could be done about it now, and that is not the alarm's fault: it is taken up again later. */
  #rest(known: KnownAlarm, error: unknown): void {
    const { environment, warn } = this.#host;
    if (this.#phase === "stopped") return;
    const { address, name } = known.alarm;
    warn(
      "alarm-not-delivered",
      `The alarm "${name}" of ${formatAddress(address)} could not be delivered, which is tried again: ${messageOf(error)}`,
      error,
    );
    this.#queue.rest(known);
    const retryable = !(error instanceof DurableObjectError) || error.retryable;
    environment.after(retryable ? restMs : Math.max(restMs, this.#options.pollingIntervalMs), () => {
      this.#queue.forget(known);
      if (this.#phase !== "stopped") this.#lookBy(-Infinity);
    });
  }
}
