/**
 * The sweeper: one timer for everything that happens because nothing happened. Idle objects hibernate and
 * leave; once a minute the store forgets expired replies and old tombstones.
 */

import type { Environment, Timer } from "../core/environment.ts";
import { messageOf } from "../core/errors.ts";
import type { OpenObjectStore } from "../ports/object-store.ts";
import { publishWarning } from "../telemetry/channels.ts";
import type { ActivationTable } from "./activation-table.ts";
import type { ObjectType } from "./operation.ts";

const storeSweepMs = 60_000;
const tombstoneKeptMs = 86_400_000;
const recordsPerSweep = 1_000;

/** One timer for everything that happens because nothing happened. */
export class Sweeper {
  readonly #table: ActivationTable;
  readonly #store: OpenObjectStore;
  readonly #environment: Environment;
  readonly #intervalMs: number;
  #timer: Timer | null = null;
  #storeSweptMs: number;
  #sweepingStore: Promise<void> | null = null;

  constructor(table: ActivationTable, store: OpenObjectStore, environment: Environment, types: Iterable<ObjectType>) {
    this.#table = table;
    this.#store = store;
    this.#environment = environment;
    this.#storeSweptMs = environment.monotonic();
    let shortest = storeSweepMs;
    for (const { hibernateAfterMs, shutdownAfterMs } of types) {
      shortest = Math.min(shortest, hibernateAfterMs, shutdownAfterMs);
    }
    // An object goes at most a quarter of its idle time too late.
    this.#intervalMs = Math.max(5, Math.min(shortest / 4, 5_000));
  }

  start(): void {
    this.#timer = this.#environment.after(this.#intervalMs, () => {
      this.#sweep();
      this.start();
    });
  }

  /** Stops sweeping, and waits for a sweep of the store that is under way. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    await this.#sweepingStore;
  }

  #sweep(): void {
    const now = this.#environment.monotonic();
    for (const activation of this.#table) {
      const idleMs = now - activation.lastUsedMs;
      if (idleMs >= activation.type.shutdownAfterMs) activation.leaveIfIdle();
      else if (idleMs >= activation.type.hibernateAfterMs) activation.hibernate();
    }
    // A burst may have left more than there is room for, and nothing new to make room for.
    this.#table.makeRoom();
    if (now - this.#storeSweptMs < storeSweepMs || this.#sweepingStore !== null) return;
    this.#storeSweptMs = now;
    this.#sweepingStore = this.#sweepStore().finally(() => (this.#sweepingStore = null));
  }

  async #sweepStore(): Promise<void> {
    const now = this.#environment.now();
    // What builds on a tombstone must not outlive it.
    for (const activation of this.#table) if (activation.isTombstone) activation.leaveIfIdle();
    try {
      await this.#store.sweep({ now, tombstonesBefore: now - tombstoneKeptMs, limit: recordsPerSweep });
    } catch (cause) {
      // Nothing depends on it: the next sweep tries again.
      publishWarning({ warning: "sweep-failed", message: `Sweeping the store failed: ${messageOf(cause)}`, cause });
    }
  }
}
