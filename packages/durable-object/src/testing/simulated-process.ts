/**
 * A process in a simulated world: its clocks are not quite right, it can be paused for a while (by its
 * garbage collector, or its machine), and it can die in the middle of whatever it was doing.
 */

import type { Environment, Timer } from "../core/environment.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

/** When simulated worlds begin, in ms since 1970. */
const beginningMs = Date.UTC(2030, 0, 1);
/** As with real timers, none is shorter. */
const shortestTimerMs = 1;
/** How soon a process notices that its wall clock was moved. */
const clockLookMs = 1_000;

/** A process, and the environment of what runs in it. */
export class SimulatedProcess {
  readonly world: SimulatedWorld;
  readonly name: string;
  readonly environment: Environment;
  /** How fast its clock goes. */
  readonly #rate: number;
  /** By how much its wall clock is wrong, in ms. */
  #offsetMs: number;
  readonly #bornMs: number;
  /** What waits for the end of a pause; null while it runs. */
  #waiting: (() => void)[] | null = null;
  #dead = false;
  #timers = 0;

  /** @param skew - whether its clocks are wrong at all */
  constructor(world: SimulatedWorld, name: string, skew: boolean) {
    this.world = world;
    this.name = name;
    this.#rate = skew ? world.between(0.995, 1.005) : 1;
    this.#offsetMs = skew ? world.between(-300, 300) : 0;
    this.#bornMs = world.nowMs;
    this.environment = {
      now: () => Math.floor(beginningMs + this.#offsetMs + world.nowMs * this.#rate),
      monotonic: () => (world.nowMs - this.#bornMs) * this.#rate,
      after: (ms, callback) => this.#after(ms, callback),
      at: (timeMs, callback) => this.#at(timeMs, callback),
      soon: (callback) => void world.after(0, () => this.run(callback)),
      random: () => world.random(),
      uniqueId: () => world.uniqueId(),
    };
  }

  get isDead(): boolean {
    return this.#dead;
  }

  get isPaused(): boolean {
    return this.#waiting !== null;
  }

  /** How many of its timers are running. */
  get timers(): number {
    return this.#timers;
  }

  /** Runs something in the process: now, after its pause, or never. */
  run(callback: () => void): void {
    if (this.#dead) return;
    if (this.#waiting === null) callback();
    else this.#waiting.push(callback);
  }

  pause(): void {
    this.#waiting ??= [];
  }

  resume(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const callback of waiting) this.world.after(0, () => this.run(callback));
  }

  kill(): void {
    this.#dead = true;
    this.#waiting = null;
  }

  /** Somebody sets its wall clock. */
  moveClock(ms: number): void {
    this.#offsetMs += ms;
  }

  #after(ms: number, callback: () => void): Timer {
    let open = true;
    const close = (): void => {
      if (open) this.#timers -= 1;
      open = false;
    };
    this.#timers += 1;
    const callOff = this.world.after(Math.max(shortestTimerMs, ms) / this.#rate, () =>
      this.run(() => {
        if (!open) return;
        close();
        callback();
      }),
    );
    return {
      cancel: () => {
        close();
        callOff();
      },
    };
  }

  #at(timeMs: number, callback: () => void): Timer {
    const { environment } = this;
    const left = (): number => Math.min(timeMs - environment.now(), clockLookMs);
    const look = (): void => {
      if (timeMs <= environment.now()) callback();
      else timer = environment.after(left(), look);
    };
    let timer = environment.after(left(), look);
    return { cancel: () => timer.cancel() };
  }
}
