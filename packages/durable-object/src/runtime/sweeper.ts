/**
 * The sweeper: one timer for everything that happens because nothing happened. Idle objects hibernate and
 * leave, and the store forgets expired replies and old tombstones. It sleeps until the first of these can
 * be due: a node on which nothing happens hardly wakes up.
 */

import type { Environment, Timer } from "../core/environment.ts";
import { messageOf } from "../core/errors.ts";
import type { OpenObjectStore } from "../ports/object-store.ts";
import { publishWarning } from "../telemetry/channels.ts";
import type { Activation } from "./activation.ts";
import type { ActivationTable } from "./activation-table.ts";
import type { ObjectType } from "./operation.ts";

/** How long after a write the store is swept, and looks after itself. */
const storeSweepMs = 60_000;
/** How often it is swept where nothing is written. */
const idleStoreSweepMs = 3_600_000;
const tombstoneKeptMs = 86_400_000;
const recordsPerSweep = 1_000;
/** The time between two sweeps of the store while there is more to forget: calls come first. */
const restMs = 50;

/** One timer for everything that happens because nothing happened. */
export class Sweeper {
  readonly #table: ActivationTable;
  readonly #store: OpenObjectStore;
  readonly #environment: Environment;
  /** The shortest time after which an idle object of any type hibernates or leaves. */
  readonly #shortestIdleMs: number;
  /** The shortest time between two walks over the table. */
  readonly #intervalMs: number;
  #timer: Timer | null = null;
  /** Monotonic time at which the timer fires. */
  #wakeAtMs = Infinity;
  #sweepStoreAtMs: number;
  /** Whether something was written since the store was swept. */
  #written = true;
  #sweepingStore: Promise<void> | null = null;
  /** Ends the rest between two sweeps of the store. */
  #goOn: (() => void) | null = null;

  constructor(table: ActivationTable, store: OpenObjectStore, environment: Environment, types: Iterable<ObjectType>) {
    this.#table = table;
    this.#store = store;
    this.#environment = environment;
    this.#sweepStoreAtMs = environment.monotonic() + storeSweepMs;
    let shortest = Infinity;
    for (const { hibernateAfterMs, shutdownAfterMs } of types) {
      shortest = Math.min(shortest, hibernateAfterMs, shutdownAfterMs);
    }
    this.#shortestIdleMs = shortest;
    // An object goes at most a quarter of its idle time too late.
    this.#intervalMs = Math.max(5, Math.min(shortest / 4, 5_000));
    this.#wakeBy(this.#sweepStoreAtMs);
  }

  /** An object is active: it may be idle one day. */
  awake(): void {
    const dueMs = this.#environment.monotonic() + this.#shortestIdleMs;
    if (dueMs < this.#wakeAtMs && this.#timer !== null) this.#wakeBy(dueMs);
  }

  /** Something is written: the store is looked after within a minute. */
  wrote(): void {
    if (this.#written) return;
    this.#written = true;
    this.#sweepStoreAtMs = this.#environment.monotonic() + storeSweepMs;
    if (this.#sweepStoreAtMs < this.#wakeAtMs && this.#timer !== null) this.#wakeBy(this.#sweepStoreAtMs);
  }

  /** Stops sweeping, and waits for a sweep of the store that is under way. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    this.#goOn?.();
    await this.#sweepingStore;
  }

  #wakeBy(timeMs: number): void {
    this.#timer?.cancel();
    this.#wakeAtMs = timeMs;
    const delayMs = Math.max(this.#intervalMs, timeMs - this.#environment.monotonic());
    this.#timer = this.#environment.after(delayMs, () => this.#sweep());
  }

  #sweep(): void {
    const nowMs = this.#environment.monotonic();
    let nextMs = Infinity;
    for (const activation of this.#table) nextMs = Math.min(nextMs, sweepIdle(activation, nowMs));
    // A burst may have left more than there is room for, and nothing new to make room for.
    this.#table.makeRoom();
    if (nowMs >= this.#sweepStoreAtMs && this.#sweepingStore === null) {
      this.#sweepStoreAtMs = nowMs + idleStoreSweepMs;
      this.#written = false;
      this.#sweepingStore = this.#sweepStore().finally(() => (this.#sweepingStore = null));
    }
    this.#wakeBy(Math.min(nextMs, this.#sweepStoreAtMs));
  }

  async #sweepStore(): Promise<void> {
    // What builds on a tombstone must not outlive it.
    for (const activation of this.#table) if (activation.isTombstone) activation.leaveIfIdle();
    const now = this.#environment.now();
    const sweep = { now, tombstonesBefore: now - tombstoneKeptMs, limit: recordsPerSweep };
    try {
      // More may expire in a minute than one sweep takes.
      while (this.#timer !== null && (await this.#store.sweep(sweep)) >= recordsPerSweep) await this.#rest();
    } catch (cause) {
      // Nothing depends on it: the next sweep tries again.
      publishWarning({ warning: "sweep-failed", message: `Sweeping the store failed: ${messageOf(cause)}`, cause });
      this.wrote();
    }
  }

  async #rest(): Promise<void> {
    if (this.#timer === null) return;
    await new Promise<void>((resolve) => {
      const timer = this.#environment.after(restMs, resolve);
      this.#goOn = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#goOn = null;
  }
}

/** Has an object hibernate or leave if it was idle for so long; tells when there may be something to do next. */
function sweepIdle(activation: Activation, nowMs: number): number {
  const { hibernateAfterMs, shutdownAfterMs } = activation.type;
  const idleMs = nowMs - activation.lastUsedMs;
  if (idleMs >= shutdownAfterMs) activation.leaveIfIdle();
  else if (idleMs >= hibernateAfterMs) activation.hibernate();
  if (activation.phase === "gone") return Infinity;
  const next = activation.phase === "hibernated" ? shutdownAfterMs : Math.min(hibernateAfterMs, shutdownAfterMs);
  return activation.lastUsedMs + next;
}
