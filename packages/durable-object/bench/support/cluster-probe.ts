/** Probes: one caller for each object, that increments it again and again, and knows how long that was not possible. */

import { setTimeout as sleep } from "node:timers/promises";
import { DurableObjectError, type Runtime } from "../../src/index.ts";
import { Counter } from "./counter.ts";

/** What the probes saw after the mark. */
export interface Seen {
  /** By object: from the mark until the first increment that was begun after it and acknowledged, in ms. */
  readonly gaps: readonly number[];
  /** How long each increment took that was acknowledged, failed tries included, in ms. */
  readonly waits: readonly number[];
  /** Calls that failed, by code. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Probes of some objects. */
export class Probe {
  readonly #runtime: Runtime;
  readonly #ids: readonly string[];
  readonly #over: Promise<unknown>;
  /** Objects that were served since the mark. */
  readonly #served = new Map<string, number>();
  #all = (): void => {};
  #waits: number[] = [];
  #failures: Record<string, number> = {};
  #markedAt = performance.now();
  #isOver = false;

  constructor(runtime: Runtime, ids: readonly string[]) {
    this.#runtime = runtime;
    this.#ids = ids;
    this.#over = Promise.all(ids.map((id) => this.#probe(id)));
  }

  /** From now on it counts. */
  mark(): void {
    this.#markedAt = performance.now();
    this.#served.clear();
    this.#waits = [];
    this.#failures = {};
  }

  /** Resolves when every object was served since the mark. */
  async served(): Promise<void> {
    if (this.#served.size === this.#ids.length) return;
    await new Promise<void>((resolve) => (this.#all = resolve));
  }

  /** Ends the probes. */
  async end(): Promise<Seen> {
    this.#isOver = true;
    await this.#over;
    return { gaps: [...this.#served.values()], waits: this.#waits, failures: this.#failures };
  }

  async #probe(id: string): Promise<void> {
    while (!this.#isOver) {
      const startedAt = performance.now();
      let triedAt = startedAt;
      while (!(await this.#increment(id))) {
        await sleep(10);
        triedAt = performance.now();
      }
      const nowMs = performance.now();
      this.#waits.push(nowMs - startedAt);
      if (triedAt >= this.#markedAt && !this.#served.has(id)) {
        this.#served.set(id, nowMs - this.#markedAt);
        if (this.#served.size === this.#ids.length) this.#all();
      }
      await sleep(20 * Math.random());
    }
  }

  async #increment(id: string): Promise<boolean> {
    try {
      await this.#runtime.get(Counter, id).increment(1);
      return true;
    } catch (error) {
      if (!(error instanceof DurableObjectError)) throw error;
      this.#failures[error.code] = (this.#failures[error.code] ?? 0) + 1;
      return false;
    }
  }
}
