/**
 * Time and chance, as the engine receives them. Nothing in the engine reads a clock, starts a timer or
 * rolls a die by itself: all of it comes in through one value of this type, so that a test can own it.
 */

/** A timer that can be called off. */
export interface Timer {
  cancel(): void;
}

/** The engine's only source of time, timers and randomness. */
export interface Environment {
  /** Wall-clock time in ms since 1970. May jump. For what is stored and shown. */
  now(): number;
  /** Milliseconds since some fixed point; never goes back. For deadlines and durations. */
  monotonic(): number;
  /**
   * Runs `callback` once, after at least `ms` milliseconds.
   *
   * @param keepsAlive - whether the process may not end before; default false
   */
  after(ms: number, callback: () => void, keepsAlive?: boolean): Timer;
  /**
   * Runs `callback` once the wall clock shows `timeMs` or later, also if the clock is moved meanwhile; at most a
   * second late then.
   *
   * @param timeMs - wall-clock time in ms since 1970
   */
  at(timeMs: number, callback: () => void): Timer;
  /** Runs `callback` once everything that is ready to run now has run: the moment a batch is closed. */
  soon(callback: () => void): void;
  /** A number in [0, 1). */
  random(): number;
  /** A new identifier, unique across processes: 32 hexadecimal digits. */
  uniqueId(): string;
}
