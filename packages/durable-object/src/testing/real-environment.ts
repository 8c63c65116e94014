/** The real clock, real timers and real chance, for suites that test what is outside the engine. */

import { randomBytes } from "node:crypto";
import type { Environment } from "../core/environment.ts";

/** An environment of the real world. */
export function realEnvironment(): Environment {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    after(ms, callback) {
      const timer = setTimeout(callback, ms).unref();
      return { cancel: () => clearTimeout(timer) };
    },
    at(timeMs, callback) {
      const timer = setTimeout(callback, timeMs - Date.now()).unref();
      return { cancel: () => clearTimeout(timer) };
    },
    soon: (callback) => void setImmediate(callback),
    random: () => Math.random(),
    uniqueId: () => randomBytes(16).toString("hex"),
  };
}
