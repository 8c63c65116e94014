/**
 * The suite that every transport passes: the port `Transport`, as tests.
 *
 * Each case opens a few nodes that reach each other, in this process, in real time. Nothing is expected to be
 * fast; but what is to fail at once is awaited without a deadline of its own, so a transport that only notices
 * when the time is up fails by the deadline of the runner.
 */

import { TestedTransport, type TransportCase, type TransportSubject } from "./transport-case.ts";
import { failureCases } from "./transport-failures.ts";
import { messageCases } from "./transport-messages.ts";

export type { TransportSubject };

/** What the suite is run on. */
export interface TransportSuite {
  /** Stands before the name of each test, for instance `"nats"`. */
  readonly name: string;
  /** Makes a transport that no node has opened. Called once for each test. */
  create(): Promise<TransportSubject>;
  /** The `test` function of vitest, jest or `node:test`. */
  readonly test: (name: string, run: () => Promise<void>) => unknown;
}

/**
 * Declares one test for each rule of the port {@link Transport}.
 *
 * @param suite - the name, the factory of transports, and the runner's `test`
 *
 * @example
 * ```ts
 * import { test } from "node:test";
 * import { memoryTransport } from "durable-object/memory";
 * import { transportSuite } from "durable-object/testing";
 *
 * transportSuite({
 *   name: "memory",
 *   test,
 *   create: async () => ({ transport: memoryTransport(), dispose: async () => {} }),
 * });
 * ```
 */
export function transportSuite(suite: TransportSuite): void {
  for (const { name, run } of cases) {
    suite.test(`${suite.name}: ${name}`, async () => {
      const subject = await suite.create();
      // The process has something to wait for, as a server has: timers of a transport need not keep it alive.
      const alive = setInterval(() => {}, 60_000);
      try {
        const tested = new TestedTransport(subject);
        try {
          await run(tested);
          tested.assertNothingTwice();
        } finally {
          await tested.closeAll();
        }
      } finally {
        clearInterval(alive);
        await subject.dispose();
      }
    });
  }
}

const cases: readonly TransportCase[] = [...messageCases, ...failureCases];
