/**
 * The polling scheduler: asks the store for due alarms at the nearest time it knows of, and at least once
 * per polling interval.
 *
 * Every alarm it has read and that is not over is known, by object and name: it is waiting for its turn to
 * be delivered, delivered, or resting after a failure that was not its own. Whatever is known is not taken
 * up again when the store still lists it. Waiting alarms are delivered in turn by type and tenant, so that
 * a flood of one does not hold up the others; a window bounds how many are delivered at a time, and opens
 * step by step after a start or a flood.
 */

import { formatAddress, type Address } from "../core/address.ts";
import { parseDuration, type Duration } from "../core/duration.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import type { Timer } from "../core/environment.ts";
import type { AddressedAlarm } from "../ports/object-store.ts";
import type { AlarmsChanged, Delivery, RunningScheduler, Scheduler, SchedulerHost } from "../ports/scheduler.ts";

/** How the polling scheduler works. */
export interface PollingOptions {
  /** How often it looks at least. What is set in this process wakes it in time anyway. Default `"30s"`. */
  readonly pollingInterval?: Duration;
  /** How many due alarms of one type are read at a time. Default 500. */
  readonly batch?: number;
  /** How many alarms are delivered at a time at most. Default 1,000. */
  readonly concurrency?: number;
}

interface ResolvedPolling {
  readonly pollingIntervalMs: number;
  readonly batch: number;
  readonly concurrency: number;
}

/** The longest sleep: a wall clock that was moved is noticed after this. */
const longestSleepMs = 1_000;
/** How long an alarm rests that could not be delivered for reasons that are not its own. */
const restMs = 1_000;
const firstWindow = 32;

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
  const resolved: ResolvedPolling = {
    pollingIntervalMs,
    batch: count("batch", options.batch ?? 500),
    concurrency: count("concurrency", options.concurrency ?? 1_000),
  };
  return { name: "polling", start: (host) => new PollingScheduler(host, resolved) };
}

function count(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw invalid(`${name} must be a whole number from 1, not ${JSON.stringify(value)}.`);
}

function invalid(problem: string): DurableObjectError {
  return new DurableObjectError("INVALID_OPTION", `polling: ${problem}`);
}

/** An alarm that was read and is not over. */
interface Known {
  readonly alarm: AddressedAlarm;
  /** Null while it waits to be delivered. */
  delivery: Delivery | null;
}

class PollingScheduler implements RunningScheduler {
  readonly #host: SchedulerHost;
  readonly #options: ResolvedPolling;
  /** By object, then by name. */
  readonly #known = new Map<string, Map<string, Known>>();
  /** What waits to be delivered, by type and tenant; the first group is the next one's turn. */
  readonly #waiting = new Map<string, Known[]>();
  #knownCount = 0;
  /** Objects whose alarms were changed while the store was being read. */
  readonly #changedMeanwhile = new Set<string>();
  #waitingCount = 0;
  #deliveredCount = 0;
  #window = firstWindow;
  #phase: "idle" | "polling" | "stopped" = "idle";
  /** Wall-clock time at which to look again; `-Infinity` for at once. */
  #lookAt = -Infinity;
  #timer: Timer | null = null;
  #overWatchers: (() => void)[] = [];
  readonly #reportedTypes = new Set<string>();
  #typesLookedAtMs = -Infinity;

  constructor(host: SchedulerHost, options: ResolvedPolling) {
    this.#host = host;
    this.#options = options;
    this.#window = Math.min(firstWindow, options.concurrency);
    this.#sleep();
  }

  changed({ address, all, changes }: AlarmsChanged): void {
    if (this.#phase === "stopped") return;
    const key = objectKey(address);
    if (this.#phase === "polling") this.#changedMeanwhile.add(key);
    const known = this.#known.get(key);
    if (known !== undefined) {
      const changed = all ? [...known.keys()] : changes.map(({ name }) => name);
      for (const name of changed) {
        const each = known.get(name);
        if (each !== undefined) this.#revoke(each);
      }
    }
    let earliest = Infinity;
    for (const change of changes) {
      if ("dueAt" in change && !(change.change === "attempted" && change.status === "dead")) {
        earliest = Math.min(earliest, change.dueAt);
      }
    }
    if (earliest < this.#lookAt) this.#lookBy(earliest);
  }

  async stop(): Promise<void> {
    this.#phase = "stopped";
    this.#timer?.cancel();
    this.#waiting.clear();
    this.#waitingCount = 0;
    if (this.#deliveredCount > 0) await new Promise<void>((resolve) => this.#overWatchers.push(resolve));
  }

  // ——— When to look ———

  #lookBy(timeMs: number): void {
    this.#lookAt = timeMs;
    if (this.#phase === "idle") this.#sleep();
  }

  #sleep(): void {
    this.#timer?.cancel();
    const delay = this.#lookAt - this.#host.environment.now();
    this.#timer = this.#host.environment.after(Math.max(0, Math.min(delay, longestSleepMs)), () => {
      this.#timer = null;
      if (this.#phase !== "idle") return;
      // Woken early to see whether the clock was moved.
      if (this.#lookAt > this.#host.environment.now()) this.#sleep();
      else void this.#poll();
    });
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
      if (next !== null && next < this.#lookAt) this.#lookAt = next;
      await this.#reportUnknownTypes(nowMs);
    } catch (error) {
      this.#host.warn("alarms-not-read", `Due alarms could not be read, which is tried again: ${messageOf(error)}`, error);
      this.#lookAt = environment.now() + restMs;
    }
    if (!this.#isPolling) return;
    this.#phase = "idle";
    this.#deliver();
  }

  /** Reads due alarms of a type that are not known yet. Whether there may be more. */
  async #read(type: string, nowMs: number): Promise<boolean> {
    const { store } = this.#host;
    const limit = this.#options.batch + this.#knownCount;
    const due = await store.dueAlarms({ type, tenant: null, dueBy: nowMs, limit });
    for (const alarm of due) this.#takeUp(alarm);
    if (due.length < limit) return false;
    // A flood. It may be one tenant's, with those of others behind it: each gets a share.
    const tenants = await store.dueTenants(type, nowMs);
    const share = Math.max(1, Math.floor(this.#options.batch / tenants.length)) + this.#knownCount;
    for (const tenant of tenants.length > 1 ? tenants : []) {
      for (const alarm of await store.dueAlarms({ type, tenant, dueBy: nowMs, limit: share })) this.#takeUp(alarm);
    }
    return true;
  }

  #takeUp(alarm: AddressedAlarm): void {
    const key = objectKey(alarm.address);
    // Changed while the store was being read: what was read may be the setting before. It is read again.
    if (this.#changedMeanwhile.has(key)) {
      this.#lookAt = -Infinity;
      return;
    }
    let names = this.#known.get(key);
    if (names === undefined) this.#known.set(key, (names = new Map<string, Known>()));
    if (names.has(alarm.name)) return;
    const known: Known = { alarm, delivery: null };
    names.set(alarm.name, known);
    this.#knownCount += 1;
    const group = groupKey(alarm.address);
    const waiting = this.#waiting.get(group);
    if (waiting === undefined) this.#waiting.set(group, [known]);
    else waiting.push(known);
    this.#waitingCount += 1;
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
      const [next] = this.#waiting;
      if (next === undefined) break;
      const [group, waiting] = next;
      // The group goes to the end of the line.
      this.#waiting.delete(group);
      const known = waiting.shift() as Known;
      if (waiting.length > 0) this.#waiting.set(group, waiting);
      this.#waitingCount -= 1;
      this.#hand(known);
    }
    if (this.#phase !== "idle") return;
    if (this.#lookAt > this.#host.environment.now() || this.#waitingCount < this.#options.batch / 2) this.#sleep();
  }

  #hand(known: Known): void {
    this.#deliveredCount += 1;
    const delivery = this.#host.deliver(known.alarm);
    known.delivery = delivery;
    delivery.over.then(
      () => {
        this.#forget(known);
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
    if (this.#waitingCount > 0) this.#window = Math.min(this.#window + 1, this.#options.concurrency);
    else if (this.#deliveredCount === 0) this.#window = Math.min(firstWindow, this.#options.concurrency);
    if (this.#phase === "stopped") {
      if (this.#deliveredCount === 0) for (const resolve of this.#overWatchers.splice(0)) resolve();
      return;
    }
    if (this.#waitingCount > 0 || this.#lookAt <= this.#host.environment.now()) this.#deliver();
  }

  /** Nothing could be done about it now, and that is not the alarm's fault: it is taken up again later. */
  #rest(known: Known, error: unknown): void {
    const { environment, warn } = this.#host;
    if (this.#phase === "stopped") return;
    const { address, name } = known.alarm;
    warn("alarm-not-delivered", `The alarm "${name}" of ${formatAddress(address)} could not be delivered, which is tried again: ${messageOf(error)}`, error);
    const retryable = !(error instanceof DurableObjectError) || error.retryable;
    environment.after(retryable ? restMs : Math.max(restMs, this.#options.pollingIntervalMs), () => {
      this.#forget(known);
      if (this.#phase !== "stopped") this.#lookBy(-Infinity);
    });
  }

  #revoke(known: Known): void {
    if (known.delivery === null) {
      const group = groupKey(known.alarm.address);
      const waiting = this.#waiting.get(group) ?? [];
      const index = waiting.indexOf(known);
      if (index >= 0) {
        waiting.splice(index, 1);
        this.#waitingCount -= 1;
        if (waiting.length === 0) this.#waiting.delete(group);
      }
    } else {
      known.delivery.revoke();
    }
    this.#forget(known);
  }

  #forget(known: Known): void {
    const key = objectKey(known.alarm.address);
    const names = this.#known.get(key);
    if (names?.get(known.alarm.name) !== known) return;
    names.delete(known.alarm.name);
    this.#knownCount -= 1;
    if (names.size === 0) this.#known.delete(key);
  }
}

function objectKey({ tenant, type, id }: Address): string {
  return `${tenant}\u0000${type}\u0000${id}`;
}

function groupKey({ tenant, type }: Address): string {
  return `${tenant}\u0000${type}`;
}
