/**
 * The mailbox: the calls that wait for one object, in order of arrival. At most `limit` of them may come from
 * callers; alarms take nobody's place. A call can leave from the middle when its caller gives up.
 */

import type { Call } from "./call.ts";

/** The calls that wait for one object. */
export class Mailbox {
  readonly #limit: number;
  readonly #calls = new Set<Call>();
  /** How many of them are alarms. */
  #firings = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Whether it has no place for one more call of a caller. */
  get isFull(): boolean {
    return this.#calls.size - this.#firings >= this.#limit;
  }

  push(call: Call): void {
    this.#calls.add(call);
    if (call.firing !== null) this.#firings += 1;
  }

  /** The call that has waited longest, or null. */
  first(): Call | null {
    for (const call of this.#calls) return call;
    return null;
  }

  /** The waiting calls that only read, in order. */
  reads(): Call[] {
    return [...this.#calls].filter((call) => call.operation.isRead);
  }

  remove(call: Call): void {
    if (this.#calls.delete(call) && call.firing !== null) this.#firings -= 1;
  }

  /** Takes out every waiting call, in order. */
  drain(): Call[] {
    const calls = [...this.#calls];
    this.#calls.clear();
    this.#firings = 0;
    return calls;
  }
}
