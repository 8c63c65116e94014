/**
 * The suite that every object store passes: the port `ObjectStore`, as tests.
 *
 * Each case gets a store of its own that is empty, opens it, and asks only what the port says. Where an
 * adapter can do something that not every adapter can (be opened again after it was closed, lose its
 * ownership to somebody else), the cases for it run only if the subject offers it.
 */

import { alarmCases } from "./object-store-alarms.ts";
import type { ObjectStoreCase, ObjectStoreSubject } from "./object-store-case.ts";
import { TestedStore } from "./object-store-case.ts";
import { commitCases } from "./object-store-commits.ts";
import { deletionCases } from "./object-store-deletion.ts";
import { dueAlarmCases } from "./object-store-due-alarms.ts";
import { listingCases } from "./object-store-listing.ts";
import { ownershipCases } from "./object-store-ownership.ts";
import { replyCases } from "./object-store-replies.ts";
import { statementCases } from "./object-store-statements.ts";
import { textCases } from "./object-store-texts.ts";

export type { ObjectStoreSubject };

/** What the suite is run on. */
export interface ObjectStoreSuite {
  /** Stands before the name of each test, for instance `"sqlite"`. */
  readonly name: string;
  /** Makes a store that is empty and not open. Called once for each test. */
  create(): Promise<ObjectStoreSubject>;
  /** The `test` function of vitest, jest or `node:test`. */
  readonly test: (name: string, run: () => Promise<void>) => unknown;
}

/**
 * Declares one test for each rule of the port {@link ObjectStore}.
 *
 * @param suite - the name, the factory of stores, and the runner's `test`
 *
 * @example
 * ```ts
 * import { test } from "node:test";
 * import { memory } from "durable-object/memory";
 * import { objectStoreSuite } from "durable-object/testing";
 *
 * objectStoreSuite({
 *   name: "memory",
 *   test,
 *   async create() {
 *     const store = memory();
 *     return { store, reopen: () => store, dispose: async () => {} };
 *   },
 * });
 * ```
 */
export function objectStoreSuite(suite: ObjectStoreSuite): void {
  for (const { name, run } of cases) {
    suite.test(`${suite.name}: ${name}`, async () => {
      const subject = await suite.create();
      try {
        const tested = new TestedStore(subject);
        try {
          await run(tested);
        } finally {
          await tested.closeAll();
        }
      } finally {
        await subject.dispose();
      }
    });
  }
}

const cases: readonly ObjectStoreCase[] = [
  ...commitCases,
  ...ownershipCases,
  ...alarmCases,
  ...dueAlarmCases,
  ...replyCases,
  ...deletionCases,
  ...listingCases,
  ...textCases,
  ...statementCases,
];
