/**
 * Answers from memory that wait for the lease to be renewed.
 *
 * A node that could not renew its lease in time does not know whether it still owns its objects. If the next
 * renewal succeeds it has owned them all the time, because its row was never gone: then what was answered
 * meanwhile was true. So answers wait for a moment, and callers of a node that was only slow hear no error.
 */

import type { Environment, Timer } from "../core/environment.ts";
import type { OpenObjectStore } from "../ports/object-store.ts";

/** How long an answer waits. */
const patienceMs = 1_000;
const intervalMs = 20;

interface Waiting {
  readonly untilMs: number;
  readonly tell: (isLeased: boolean) => void;
}

/** Answers that wait for the lease. */
export class LeaseWatch {
  readonly #environment: Environment;
  readonly #store: Pick<OpenObjectStore, "leaseUntilMs">;
  #waiting: Waiting[] = [];
  #timer: Timer | null = null;
  #isOver = false;

  constructor(environment: Environment, store: Pick<OpenObjectStore, "leaseUntilMs">) {
    this.#environment = environment;
    this.#store = store;
  }

  /** Tells once whether the lease was renewed, soon or after a while. */
  wait(tell: (isLeased: boolean) => void): void {
    if (this.#isOver) {
      tell(false);
      return;
    }
    this.#waiting.push({ untilMs: this.#environment.monotonic() + patienceMs, tell });
    this.#timer ??= this.#environment.after(intervalMs, () => this.#look());
  }

  /** The lease is given up: nobody waits any longer. */
  end(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    for (const { tell } of this.#waiting.splice(0)) tell(false);
  }

  #look(): void {
    this.#timer = null;
    const nowMs = this.#environment.monotonic();
    const isLeased = nowMs <= this.#store.leaseUntilMs;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ untilMs }) => !isLeased && nowMs < untilMs);
    if (this.#waiting.length > 0) this.#timer = this.#environment.after(intervalMs, () => this.#look());
    for (const { untilMs, tell } of waiting) if (isLeased || nowMs >= untilMs) tell(isLeased);
  }
}
