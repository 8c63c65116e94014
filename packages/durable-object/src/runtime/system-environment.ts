/** The real time, timers and randomness. The only file of the engine that asks the system for them. */

import { randomUUID } from "node:crypto";
import type { Environment, Timer } from "../core/environment.ts";

/** The longest delay `setTimeout` takes; a longer one would fire at once. */
const longestDelayMs = 2 ** 31 - 1;

/** How soon a wall clock that was moved is noticed. */
const clockLookMs = 1_000;

/** The environment of a running application. */
export const systemEnvironment: Environment = Object.freeze({
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms: number, callback: () => void, keepsAlive = false): Timer {
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      const stepMs = Math.min(Math.max(leftMs, 0), longestDelayMs);
      timer = setTimeout(() => (leftMs > stepMs ? wait(leftMs - stepMs) : callback()), stepMs);
      if (!keepsAlive) timer.unref();
    };
    wait(ms);
    return { cancel: () => clearTimeout(timer) };
  },
  at(timeMs: number, callback: () => void): Timer {
    const left = (): number => Math.min(timeMs - Date.now(), clockLookMs);
    const look = (): void => {
      if (timeMs <= Date.now()) callback();
      else timer = systemEnvironment.after(left(), look);
    };
    let timer = systemEnvironment.after(left(), look);
    return { cancel: () => timer.cancel() };
  },
  soon(callback: () => void): void {
    setImmediate(callback);
  },
  random: () => Math.random(),
  uniqueId: () => randomUUID().replaceAll("-", ""),
});
