/**
 * The deadlines of all calls in flight, on one timer. Calls are kept in buckets of 10 ms, so that adding
 * and removing one costs a set operation and no timer, and an expired call is at most that late.
 */

import type { Environment, Timer } from "../core/environment.ts";

/** Something that ends at a point of monotonic time. */
export interface Expiring {
  /** Monotonic time in ms; `Infinity` for never. */
  readonly deadline: number;
  expire(): void;
}

const bucketMs = 10;

/** The deadlines of everything in flight. */
export class Deadlines {
  readonly #environment: Environment;
  readonly #buckets = new Map<number, Set<Expiring>>();
  #timer: Timer | null = null;
  #timerBucket = Infinity;
  // The bucket that was used last: calls of one burst share it.
  #lastBucket = -1;
  #lastMembers: Set<Expiring> | null = null;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  add(item: Expiring): void {
    if (item.deadline === Infinity) return;
    const bucket = Math.ceil(item.deadline / bucketMs);
    this.#members(bucket).add(item);
    if (bucket < this.#timerBucket) this.#arm(bucket);
  }

  remove(item: Expiring): void {
    if (item.deadline === Infinity) return;
    this.#buckets.get(Math.ceil(item.deadline / bucketMs))?.delete(item);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#buckets.clear();
    this.#lastMembers = null;
    this.#lastBucket = -1;
  }

  #members(bucket: number): Set<Expiring> {
    if (this.#lastBucket === bucket && this.#lastMembers !== null) return this.#lastMembers;
    let members = this.#buckets.get(bucket);
    if (members === undefined) this.#buckets.set(bucket, (members = new Set()));
    this.#lastBucket = bucket;
    this.#lastMembers = members;
    return members;
  }

  #arm(bucket: number): void {
    this.#timer?.cancel();
    this.#timerBucket = bucket;
    const delay = bucket * bucketMs - this.#environment.monotonic();
    this.#timer = this.#environment.after(Math.max(delay, 0), () => this.#expireDue());
  }

  #expireDue(): void {
    this.#timer = null;
    this.#timerBucket = Infinity;
    const now = this.#environment.monotonic();
    let next = Infinity;
    for (const [bucket, members] of this.#buckets) {
      if (bucket * bucketMs <= now || members.size === 0) {
        this.#buckets.delete(bucket);
        if (bucket === this.#lastBucket) this.#lastMembers = null;
        for (const item of members) item.expire();
      } else if (bucket < next) {
        next = bucket;
      }
    }
    if (next < this.#timerBucket) this.#arm(next);
  }
}
