/**
 * The deadlines of all calls in flight, on one timer. Calls are kept in buckets of 10 ms, each a linked
 * list through the calls themselves: adding and removing one is a few writes, with no timer and no hashing,
 * and an expired call is at most that late.
 */

import type { Environment, Timer } from "../core/environment.ts";

/** Something that ends at a point of monotonic time. */
export interface Expiring {
  /** Monotonic time in ms; `Infinity` for never. */
  readonly deadline: number;
  expire(): void;
  /** Its place in a bucket. Only `Deadlines` writes it. */
  bucket: Bucket | null;
  earlier: Expiring | null;
  later: Expiring | null;
}

const bucketMs = 10;

/** What expires within the same 10 ms. */
class Bucket {
  readonly number: number;
  newest: Expiring | null = null;

  constructor(number: number) {
    this.number = number;
  }
}

export type { Bucket };

/** The deadlines of everything in flight. */
export class Deadlines {
  readonly #environment: Environment;
  readonly #buckets = new Map<number, Bucket>();
  /** The bucket that was used last: calls of one burst share it. */
  #last: Bucket | null = null;
  #timer: Timer | null = null;
  #timerBucket = Infinity;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  add(item: Expiring): void {
    if (item.deadline === Infinity) return;
    const number = Math.ceil(item.deadline / bucketMs);
    const bucket = this.#last?.number === number ? this.#last : this.#bucket(number);
    const before = bucket.newest;
    item.bucket = bucket;
    item.earlier = before;
    if (before !== null) before.later = item;
    bucket.newest = item;
  }

  remove(item: Expiring): void {
    const { bucket, earlier, later } = item;
    if (bucket === null) return;
    if (later === null) bucket.newest = earlier;
    else later.earlier = earlier;
    if (earlier !== null) earlier.later = later;
    item.bucket = null;
    item.earlier = null;
    item.later = null;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#timerBucket = Infinity;
    this.#buckets.clear();
    this.#last = null;
  }

  #bucket(number: number): Bucket {
    let bucket = this.#buckets.get(number);
    if (bucket === undefined) {
      this.#buckets.set(number, (bucket = new Bucket(number)));
      if (number < this.#timerBucket) this.#arm(number);
    }
    return (this.#last = bucket);
  }

  #arm(number: number): void {
    this.#timer?.cancel();
    this.#timerBucket = number;
    const delay = number * bucketMs - this.#environment.monotonic();
    this.#timer = this.#environment.after(Math.max(delay, 0), () => this.#expireDue());
  }

  #expireDue(): void {
    this.#timer = null;
    this.#timerBucket = Infinity;
    const now = this.#environment.monotonic();
    const due: Expiring[] = [];
    let next = Infinity;
    for (const [number, bucket] of this.#buckets) {
      if (number * bucketMs > now && bucket.newest !== null) {
        next = Math.min(next, number);
        continue;
      }
      this.#buckets.delete(number);
      if (this.#last === bucket) this.#last = null;
      const first = due.length;
      for (let item = bucket.newest; item !== null; item = bucket.newest) {
        this.remove(item);
        due.push(item);
      }
      // The list begins with the newest; they expire in the order in which they came.
      if (due.length - first > 1) due.push(...due.splice(first).reverse());
    }
    if (next < this.#timerBucket) this.#arm(next);
    for (const item of due) item.expire();
  }
}
