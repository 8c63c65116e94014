/**
 * The clients of one node: each increments one counter after the other, chosen at random, through its own node,
 * whichever node owns it. One that is refused tries the same counter again, so how long it waited is how long
 * that counter was without service.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { DurableObjectError, type Runtime } from "durable-object";
import { Counter } from "./application.ts";
import type { Ledger } from "./ledger.ts";

/** How many counters there are. */
export const counterCount = 200;

/** How long a client rests between two increments: this is about surviving, not about speed. */
const restMs = 5;

/** Tallies are made four times a second. If one is as late as this, the process has hung. */
const hungMs = 2_000;

/** The id of a counter. */
export function counterId(counter: number): string {
  return `counter-${String(counter).padStart(3, "0")}`;
}

/** What happened since the last report. */
export interface Tally {
  /** Increments that were acknowledged. */
  readonly calls: number;
  /** Calls that failed, by code. */
  readonly failures: Readonly<Record<string, number>>;
  /** The longest time from wanting to increment until it was acknowledged, in ms, failed calls included. */
  readonly longestMs: number;
}

/** Clients that can be told to rest. */
export class Clients {
  readonly #runtime: Runtime;
  readonly #ledger: Ledger;
  /** By client, if it wants something. */
  readonly #waitingSince = new Map<number, number>();
  #isOver = false;
  #working: Promise<unknown> = Promise.resolve();
  #calls = 0;
  #failures: Record<string, number> = {};
  #longestMs = 0;
  #talliedAt = performance.now();

  constructor(runtime: Runtime, ledger: Ledger) {
    this.#runtime = runtime;
    this.#ledger = ledger;
  }

  work(clients: number): void {
    this.#working = Promise.all(Array.from({ length: clients }, (_, client) => this.#incrementOn(client)));
  }

  /** Begins no further increment. Resolves when the last one has ended. */
  async rest(): Promise<void> {
    this.#isOver = true;
    await this.#working;
  }

  /** What happened since this was called last. */
  tally(): Tally {
    const nowMs = performance.now();
    if (nowMs - this.#talliedAt > hungMs) this.#hasHung(nowMs);
    this.#talliedAt = nowMs;
    const waited = [...this.#waitingSince.keys()].map((client) => this.#waitedMs(client));
    const longestMs = Math.max(this.#longestMs, ...waited);
    const tally = { calls: this.#calls, failures: this.#failures, longestMs };
    this.#calls = 0;
    this.#failures = {};
    this.#longestMs = 0;
    return tally;
  }

  /** This process has hung: how long that was says nothing about those that served meanwhile. */
  #hasHung(nowMs: number): void {
    this.#longestMs = 0;
    for (const client of this.#waitingSince.keys()) this.#waitingSince.set(client, nowMs);
  }

  async #incrementOn(client: number): Promise<void> {
    while (!this.#isOver) {
      const counter = Math.floor(Math.random() * counterCount);
      this.#waitingSince.set(client, performance.now());
      while (!this.#isOver && !(await this.#increment(counter))) await sleep(20 * Math.random());
      this.#longestMs = Math.max(this.#longestMs, this.#waitedMs(client));
      this.#waitingSince.delete(client);
      await sleep(2 * restMs * Math.random());
    }
  }

  #waitedMs(client: number): number {
    return performance.now() - (this.#waitingSince.get(client) ?? Infinity);
  }

  /** One call. Whether it was acknowledged. */
  async #increment(counter: number): Promise<boolean> {
    this.#ledger.begins(counter);
    try {
      await this.#runtime.get(Counter, counterId(counter)).increment();
    } catch (error) {
      if (!(error instanceof DurableObjectError)) throw error;
      // Everything else may have been applied, or may still be.
      if (error.outcome === "not-applied") this.#ledger.notApplied(counter);
      this.#failures[error.code] = (this.#failures[error.code] ?? 0) + 1;
      return false;
    }
    this.#ledger.acknowledged(counter);
    this.#calls += 1;
    return true;
  }
}
