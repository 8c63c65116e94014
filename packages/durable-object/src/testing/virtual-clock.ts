/**
 * Virtual time: it stands still until a test moves it, and whatever follows from a moment without taking
 * time has happened before the next one: promises, batches, requests to the store.
 *
 * A life is the environment of one runtime. Ending it takes its timers away, as the death of its process
 * would.
 */

// Not the globals: a test may have replaced them by fake timers.
import { setImmediate } from "node:timers";
import { setImmediate as macrotask } from "node:timers/promises";
import type { Environment } from "../core/environment.ts";

/** When virtual time begins, if a test does not say. */
export const virtualStart = new Date(Date.UTC(2030, 0, 1));

/** A timer that is set again at once, for ever, would keep time from moving. */
const mostTimersAtOneTime = 10_000;

interface VirtualTimer {
  readonly life: VirtualLife;
  /** In ms since virtual time began. */
  readonly dueMs: number;
  readonly callback: () => void;
}

/** The environment of one runtime, which can die. */
export interface VirtualLife {
  readonly environment: Environment;
  readonly isDead: boolean;
  end(): void;
}

/** Time that stands still until it is moved. */
export class VirtualClock {
  readonly #startMs: number;
  readonly #timers = new Set<VirtualTimer>();
  #elapsedMs = 0;
  /** Raised with whatever happens without taking time. */
  #activity = 0;
  /** Requests that are being answered, in real time. */
  #working = 0;
  #ids = 0;
  #chance: number;

  /** @param seed - decides what `random()` gives */
  constructor(startMs: number, seed: number) {
    this.#startMs = startMs;
    this.#chance = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
  }

  /** The time, in ms since 1970. */
  get nowMs(): number {
    return this.#startMs + this.#elapsedMs;
  }

  /** The environment of a new runtime. */
  begin(): VirtualLife {
    let isDead = false;
    const set = (dueMs: number, callback: () => void): { cancel(): void } => {
      const timer: VirtualTimer = { life, dueMs: Math.max(dueMs, this.#elapsedMs), callback };
      if (!isDead) this.#timers.add(timer);
      return { cancel: () => void this.#timers.delete(timer) };
    };
    const life: VirtualLife = {
      get isDead() {
        return isDead;
      },
      end: () => {
        isDead = true;
        for (const timer of this.#timers) if (timer.life === life) this.#timers.delete(timer);
      },
      environment: {
        now: () => this.nowMs,
        monotonic: () => this.#elapsedMs,
        after: (ms, callback) => set(this.#elapsedMs + ms, callback),
        at: (timeMs, callback) => set(timeMs - this.#startMs, callback),
        soon: (callback) => {
          this.#activity += 1;
          setImmediate(() => {
            if (!isDead) callback();
          });
        },
        random: () => this.#random(),
        uniqueId: () => (++this.#ids).toString(16).padStart(32, "0"),
      },
    };
    return life;
  }

  /** Has time wait for something that takes real time. */
  async work<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#activity += 1;
    this.#working += 1;
    try {
      return await work();
    } finally {
      this.#working -= 1;
      this.#activity += 1;
    }
  }

  /** Resolves after so much virtual time, for a life that is not over then. */
  sleep(life: VirtualLife, ms: number): Promise<void> {
    return new Promise((resolve) => life.environment.after(ms, resolve));
  }

  /** Moves time on, and has everything happen that comes due on the way, in order. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms;
    let atOneTime = 0;
    await this.settle();
    for (let timer = this.#next(untilMs); timer !== null; timer = this.#next(untilMs)) {
      atOneTime = timer.dueMs > this.#elapsedMs ? 0 : atOneTime + 1;
      if (atOneTime > mostTimersAtOneTime)
        throw new Error("Time does not move on: something is due at once, again and again. Is it an alarm?");
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs);
      this.#timers.delete(timer);
      timer.callback();
      await this.settle();
    }
    // Another one may have moved time further meanwhile.
    this.#elapsedMs = Math.max(this.#elapsedMs, untilMs);
  }

  /** Resolves when whatever takes no time has happened. */
  async settle(): Promise<void> {
    for (let before = -1; before !== this.#activity || this.#working > 0;) {
      before = this.#activity;
      await macrotask();
      await macrotask();
    }
  }

  #next(untilMs: number): VirtualTimer | null {
    let next: VirtualTimer | null = null;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (next === null || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }

  #random(): number {
    this.#chance = (this.#chance + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#chance ^ (this.#chance >>> 15), this.#chance | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
