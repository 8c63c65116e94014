/**
 * The suite that every scheduler passes: the port `Scheduler`, as tests.
 *
 * Each case gets a scheduler and an empty store, sets alarms, has the scheduler hear of every commit as a
 * runtime does, and holds each delivery to what is always true of one. What is expected to happen may take a
 * minute, of virtual time unless the scheduler needs the real one; so a scheduler that only looks every few
 * minutes, and does not wake for what it hears, fails.
 */

import { TestedScheduler, type SchedulerCase, type SchedulerSubject } from "./scheduler-case.ts";
import { changedCases } from "./scheduler-changes.ts";
import { deliveryCases } from "./scheduler-deliveries.ts";
import { dueCases } from "./scheduler-due.ts";
import { realTime, virtualTime } from "./scheduler-time.ts";

export type { SchedulerSubject };

/** What the suite is run on. */
export interface SchedulerSuite {
  /** Stands before the name of each test, for instance `"polling on sqlite"`. */
  readonly name: string;
  /**
   * How time passes. Virtual time, the default, stands still until everything has happened that it lets happen,
   * and is right for schedulers that take their time from the environment. Others, for instance those on top of
   * a job queue, need the real one.
   */
  readonly time?: "virtual" | "real";
  /** Makes a scheduler, and a store that is empty and not open. Called once for each test. */
  create(): Promise<SchedulerSubject>;
  /** The `test` function of vitest, jest or `node:test`. In real time a test takes up to ten seconds. */
  readonly test: (name: string, run: () => Promise<void>) => unknown;
}

/**
 * Declares one test for each rule of the port {@link Scheduler}.
 *
 * @param suite - the name, the factory of schedulers and stores, and the runner's `test`
 *
 * @example
 * ```ts
 * import { test } from "node:test";
 * import { polling } from "durable-object";
 * import { memory } from "durable-object/memory";
 * import { schedulerSuite } from "durable-object/testing";
 *
 * schedulerSuite({
 *   name: "polling",
 *   test,
 *   create: async () => ({ scheduler: polling(), store: memory(), dispose: async () => {} }),
 * });
 * ```
 */
export function schedulerSuite(suite: SchedulerSuite): void {
  for (const { name, run } of cases) {
    suite.test(`${suite.name}: ${name}`, async () => {
      const subject = await suite.create();
      // The process has something to wait for, as a server has: timers of a scheduler need not keep it alive.
      const alive = setInterval(() => {}, 60_000);
      try {
        const tested = await TestedScheduler.open(subject, suite.time === "real" ? realTime() : virtualTime());
        try {
          await run(tested);
          await tested.stop();
          tested.assertFaultless();
        } finally {
          await tested.close();
        }
      } finally {
        clearInterval(alive);
        await subject.dispose();
      }
    });
  }
}

const cases: readonly SchedulerCase[] = [...dueCases, ...changedCases, ...deliveryCases];
