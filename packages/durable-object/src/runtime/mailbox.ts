/**
 * The mailbox: the calls that wait for one object, in order of arrival, at most `limit` of them. A call
 * can leave from the middle when its caller gives up.
 */

import type { Call } from "./call.ts";

/** The calls that wait for one object. */
export class Mailbox {
  readonly #limit: number;
  readonly #calls = new Set<Call>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#calls.size;
  }

  get isFull(): boolean {
    return this.#calls.size >= this.#limit;
  }

  push(call: Call): void {
    this.#calls.add(call);
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
    this.#calls.delete(call);
  }

  /** Takes out every waiting call, in order. */
  drain(): Call[] {
    const calls = [...this.#calls];
    this.#calls.clear();
    return calls;
  }
}
