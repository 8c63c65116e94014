/**
 * The times that a heart and the application's thread share: each writes one and reads the other, at any moment.
 *
 * They are times of `process.hrtime`, which is one clock for all threads of a process; `performance.now()` counts
 * from the start of each thread.
 */

const sentAt = 0;
const tick = 1;

export class HeartClocks {
  readonly buffer: SharedArrayBuffer;
  readonly #times: BigInt64Array;

  /** @param buffer - of the other thread's clocks; none for new ones */
  constructor(buffer = new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#times = new BigInt64Array(buffer);
  }

  /** When the last beat was sent that was answered, in ms; null before there is one. */
  get sentAtMs(): number | null {
    const ns = Atomics.load(this.#times, sentAt);
    return ns === 0n ? null : msOf(ns);
  }

  /** A beat was answered that was sent then. */
  answered(sentAtNs: bigint): void {
    Atomics.store(this.#times, sentAt, sentAtNs);
  }

  /** The application's thread is there. Returns for how long it had not said so, in ms. */
  tick(): number {
    const nowNs = process.hrtime.bigint();
    return msOf(nowNs - Atomics.exchange(this.#times, tick, nowNs));
  }

  /** For how long the application's thread has not ticked, in ms. */
  get silentMs(): number {
    return msOf(process.hrtime.bigint() - Atomics.load(this.#times, tick));
  }
}

/** A time or duration of `process.hrtime`, in ms. */
export function msOf(ns: bigint): number {
  return Number(ns) / 1e6;
}
