/**
 * The suite that every ownership store passes: the port `OwnershipStore`, as tests.
 *
 * Each case gets a store of its own without nodes, has some join, and asks only what the port says. What a
 * node writes is held to the rules of the port `ObjectStore` as well: a node has no less than one who owns a
 * store alone.
 */

import { alarmCases } from "./object-store-alarms.ts";
import { TestedStore, type ObjectStoreCase } from "./object-store-case.ts";
import { commitCases } from "./object-store-commits.ts";
import { deletionCases } from "./object-store-deletion.ts";
import { dueAlarmCases } from "./object-store-due-alarms.ts";
import { listingCases } from "./object-store-listing.ts";
import { replyCases } from "./object-store-replies.ts";
import { textCases } from "./object-store-texts.ts";
import { allSlots, TestedNodes, type OwnershipStoreCase, type OwnershipStoreSubject } from "./ownership-store-case.ts";
import { changeCases } from "./ownership-store-changes.ts";
import { evictionCases } from "./ownership-store-eviction.ts";
import { membershipCases } from "./ownership-store-membership.ts";
import { objectCases } from "./ownership-store-objects.ts";
import { slotCases } from "./ownership-store-slots.ts";

export type { OwnershipStoreSubject };

/** What the suite is run on. */
export interface OwnershipStoreSuite {
  /** Stands before the name of each test, for instance `"postgres"`. */
  readonly name: string;
  /** Makes a store that is empty and has no nodes. Called once for each test. */
  create(): Promise<OwnershipStoreSubject>;
  /** The `test` function of vitest, jest or `node:test`. */
  readonly test: (name: string, run: () => Promise<void>) => unknown;
}

/**
 * Declares one test for each rule of the port {@link OwnershipStore}.
 *
 * @param suite - the name, the factory of stores, and the runner's `test`
 *
 * @example
 * ```ts
 * ownershipStoreSuite({
 *   name: "my store",
 *   test,
 *   async create() {
 *     const database = await createEmptyDatabase();
 *     return {
 *       store: myStore(database.url),
 *       connect: () => myStore(database.url),
 *       passTime: (ms) => database.execute("UPDATE nodes SET expires_at = expires_at - ?", ms),
 *       dispose: () => database.drop(),
 *     };
 *   },
 * });
 * ```
 */
export function ownershipStoreSuite(suite: OwnershipStoreSuite): void {
  for (const { name, run } of [...cases, ...casesOfOneNode]) {
    suite.test(`${suite.name}: ${name}`, async () => {
      const subject = await suite.create();
      try {
        const tested = new TestedNodes(subject);
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

const cases: readonly OwnershipStoreCase[] = [
  ...membershipCases,
  ...slotCases,
  ...changeCases,
  ...evictionCases,
  ...objectCases,
];

/** What holds of a store that is open holds of the objects of a node. */
const casesOfOneNode: readonly OwnershipStoreCase[] = [
  ...commitCases,
  ...alarmCases,
  ...dueAlarmCases,
  ...replyCases,
  ...deletionCases,
  ...listingCases,
  ...textCases,
].map(({ name, run }: ObjectStoreCase) => ({
  name: `as a node: ${name}`,
  async run(tested) {
    const open = async () => {
      const node = await tested.join();
      await node.acquire(...allSlots);
      return node.objects.store;
    };
    await run(new TestedStore({ store: { name: tested.subject.store.name, open }, dispose: async () => {} }));
  },
}));
