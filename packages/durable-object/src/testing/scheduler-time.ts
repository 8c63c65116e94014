/** How time passes while a scheduler is tested: virtually, or as it does. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Environment } from "../core/environment.ts";
import { systemEnvironment } from "../runtime/system-environment.ts";
import { VirtualClock, virtualStart } from "./virtual-clock.ts";

/** The time of one case. */
export interface SchedulerTime {
  readonly environment: Environment;
  /** So far ahead that a case gets done with something before, however slow everything is. */
  readonly aheadMs: number;
  /** Lets so much time pass, and has everything happen that comes due. */
  pass(ms: number): Promise<void>;
  /** Does something that takes real time, such as a request to a store. */
  work<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** Time that stands still until a case moves it, and while a store works. */
export function virtualTime(): SchedulerTime {
  const clock = new VirtualClock(virtualStart.getTime(), 1);
  return {
    environment: clock.begin().environment,
    aheadMs: 300,
    pass: (ms) => clock.advance(ms),
    work: (work) => clock.work(work),
  };
}

/** Time as it is. */
export function realTime(): SchedulerTime {
  return { environment: systemEnvironment, aheadMs: 3_000, pass: (ms) => sleep(ms), work: (work) => work() };
}
