/**
 * Time that stands still until a test moves it. Timers fire in the order of their times, and what follows
 * from one has happened before the next one fires. Only time is fake: promises, `soon` and chance are real.
 */

import { randomUUID } from "node:crypto";
import { setImmediate as macrotask } from "node:timers/promises";
import { parseDuration, type Duration } from "../../src/core/duration.ts";
import type { Environment } from "../../src/index.ts";
import { requestsAnswered, requestsBegun } from "./store-traffic.ts";

interface FakeTimer {
  /** In ms since the start; of a timer for the wall clock in ms since 1970. */
  readonly dueMs: number;
  readonly isWall: boolean;
  readonly callback: () => void;
}

/** When the fake time starts, in ms since 1970. */
const startMs = Date.UTC(2030, 0, 1);

/** Time that stands still until it is moved. */
export class FakeClock {
  readonly #timers = new Set<FakeTimer>();
  #elapsedMs = 0;
  #offsetMs = 0;

  /** For `createRuntime({ environment })`. */
  readonly environment: Environment = Object.freeze({
    now: () => this.nowMs,
    monotonic: () => this.#elapsedMs,
    after: (ms: number, callback: () => void) => {
      const timer = { dueMs: this.#elapsedMs + Math.max(ms, 0), isWall: false, callback };
      this.#timers.add(timer);
      return { cancel: () => void this.#timers.delete(timer) };
    },
    at: (timeMs: number, callback: () => void) => {
      const timer = { dueMs: timeMs, isWall: true, callback };
      this.#timers.add(timer);
      return { cancel: () => void this.#timers.delete(timer) };
    },
    soon: (callback: () => void) => void setImmediate(callback),
    random: () => Math.random(),
    uniqueId: () => randomUUID().replaceAll("-", ""),
  });

  /** Wall-clock time in ms since 1970. */
  get nowMs(): number {
    return startMs + this.#elapsedMs + this.#offsetMs;
  }

  /** How many timers are armed. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Moves time on, for instance by `1500` or `"5m"`, and fires what comes due on the way. */
  async advance(duration: Duration): Promise<void> {
    const ms = parseDuration(duration);
    if (ms === null) throw new Error(`not a duration: ${JSON.stringify(duration)}`);
    const untilMs = this.#elapsedMs + ms;
    await settled();
    for (let timer = this.#next(untilMs); timer !== null; timer = this.#next(untilMs)) {
      this.#elapsedMs = Math.max(this.#elapsedMs, this.#dueOf(timer));
      this.#timers.delete(timer);
      timer.callback();
      await settled(2);
    }
    this.#elapsedMs = untilMs;
    await settled();
  }

  /** Sets the wall clock to another time, as an administrator or NTP does. Monotonic time stays. */
  jump(ms: number): void {
    this.#offsetMs += ms;
  }

  #dueOf({ dueMs, isWall }: FakeTimer): number {
    return isWall ? dueMs - startMs - this.#offsetMs : dueMs;
  }

  #next(untilMs: number): FakeTimer | null {
    let next: FakeTimer | null = null;
    for (const timer of this.#timers) {
      const dueMs = this.#dueOf(timer);
      if (dueMs <= untilMs && (next === null || dueMs < this.#dueOf(next))) next = timer;
    }
    return next;
  }
}

/** Resolves when whatever needs no time has happened: promises, requests to a store, and what follows from them. */
export async function settled(rounds = 4): Promise<void> {
  for (let before = -1; before !== requestsBegun();) {
    before = requestsBegun();
    await requestsAnswered();
    for (let round = 0; round < rounds; round++) await macrotask();
  }
}
