/** Nodes: joining, leases, renewing them, leaving. */

import assert from "node:assert/strict";
import type { NodeRow } from "../ports/ownership-store.ts";
import { assertFails, write } from "./object-store-case.ts";
import {
  almostLeaseMs,
  beyondLeaseMs,
  leaseMs,
  type OwnershipStoreCase,
  type TestedNode,
} from "./ownership-store-case.ts";

export const membershipCases: readonly OwnershipStoreCase[] = [
  {
    name: "shows a node as it joined, without slots",
    async run(tested) {
      const process = { host: "host-2", boot: "b0a7", pid: 7 };
      const joining = tested.joining({ types: ["cart", "counter"], endpoint: "ws://host-2:4100/", process });
      const first = await tested.join(joining);
      const second = await tested.join();
      const fresh = { beat: 0, expired: false, draining: false };
      const { node, types, endpoint } = joining;
      assert.deepEqual(plain(await second.rowOf(first)), { node, types, endpoint, process, ...fresh });
      assert.deepEqual(plain(await first.rowOf(second)), {
        node: second.name,
        types: ["counter"],
        endpoint: null,
        process: { host: "host-1", boot: null, pid: 4_121 },
        ...fresh,
      });
      assert.equal((await first.ownership.nodes()).length, 2);
      await first.assertOwned();
      assert.equal(first.ownership.lastNumber, 0);
    },
  },
  {
    name: "keeps what a node says of itself to the last character",
    async run(tested) {
      const text = `it's "quoted", \\ {1,2} NULL $1 ? grüße 東京 \u{1F600} `;
      const types = [text, "a,b", "NULL", "{}"];
      const process = { host: text, boot: text, pid: 2_147_483_647 };
      const node = await tested.join({ types, endpoint: text, process });
      const row = plain(await node.rowOf(node));
      assert.deepEqual([row?.types, row?.endpoint, row?.process], [types, text, process]);
      const none = await tested.join({ types: [], process: { ...process, boot: "" }, endpoint: "" });
      const empty = plain(await none.rowOf(none));
      assert.deepEqual([empty?.types, empty?.endpoint, empty?.process.boot], [[], "", ""]);
    },
  },
  {
    name: "refuses a name that a node has, and that node goes on",
    async run(tested) {
      const first = await tested.join();
      await first.acquire(3);
      await assertFails(tested.join({ node: first.name, endpoint: "elsewhere" }), "refused");
      assert.equal((await first.rowOf(first))?.endpoint, null);
      await first.assertOwned([3, first.name, 1]);
      await first.commit(write("a"));
      assert.equal((await first.ownership.beat()).beat, 1);
    },
  },
  {
    name: "counts the beats of each node",
    async run(tested) {
      const first = await tested.join();
      const second = await tested.join();
      assert.equal((await first.ownership.beat()).beat, 1);
      assert.equal((await first.ownership.beat()).beat, 2);
      assert.equal((await second.ownership.beat()).beat, 1);
      assert.deepEqual([(await second.rowOf(first))?.beat, (await first.rowOf(second))?.beat], [2, 1]);
    },
  },
  {
    name: "lets a lease last for its length from the moment of joining",
    async run(tested) {
      const node = await tested.join();
      await assertExpired(tested.subject.passTime(almostLeaseMs), node, false);
      const later = await tested.join();
      await assertExpired(tested.subject.passTime(beyondLeaseMs - almostLeaseMs), node, true);
      assert.equal((await node.rowOf(later))?.expired, false);
    },
  },
  {
    name: "lets each lease last for its own length",
    async run(tested) {
      const short = await tested.join({ leaseMs: leaseMs / 10 });
      const long = await tested.join();
      await assertExpired(tested.subject.passTime(leaseMs / 2), short, true);
      assert.equal((await short.rowOf(long))?.expired, false);
      await short.ownership.beat();
      await assertExpired(tested.subject.passTime(leaseMs / 40), short, false);
      await assertExpired(tested.subject.passTime(leaseMs / 4), short, true);
    },
  },
  {
    name: "renews a lease for its whole length with each beat",
    async run(tested) {
      const node = await tested.join();
      const other = await tested.join();
      for (let round = 0; round < 3; round++) {
        await tested.subject.passTime(almostLeaseMs);
        await node.ownership.beat();
      }
      await assertExpired(tested.subject.passTime(almostLeaseMs), node, false);
      // Only its own.
      assert.equal((await node.rowOf(other))?.expired, true);
      await assertExpired(tested.subject.passTime(beyondLeaseMs - almostLeaseMs), node, true);
    },
  },
  {
    name: "takes everything from a node whose lease is over, as long as it is a node",
    async run(tested) {
      const node = await tested.join();
      await node.acquire(1);
      await tested.passLease();
      assert.deepEqual(await node.commit(write("a")), []);
      await node.acquire(2);
      await node.assertOwned([1, node.name, 1], [2, node.name, 1]);
      assert.equal((await node.rowOf(node))?.expired, true);
      await node.ownership.beat();
      assert.equal((await node.rowOf(node))?.expired, false);
    },
  },
  {
    name: "tells with each beat the numbers of the last batch and of the last change",
    async run(tested) {
      const node = await tested.join();
      const other = await tested.join();
      assert.deepEqual({ ...(await node.ownership.beat()) }, { beat: 1, batchNumber: 0, changeNumber: 0 });
      await node.commit(write("a"));
      await node.commit();
      await node.acquire(1);
      await other.commit(write("b"));
      assert.deepEqual({ ...(await node.ownership.beat()) }, { beat: 2, batchNumber: 2, changeNumber: 1 });
      await node.acquire(2);
      await node.release({ slot: 1, epoch: 1 });
      assert.deepEqual({ ...(await node.ownership.beat()) }, { beat: 3, batchNumber: 2, changeNumber: 3 });
      assert.deepEqual({ ...(await other.ownership.beat()) }, { beat: 1, batchNumber: 1, changeNumber: 0 });
    },
  },
  {
    name: "lets a node beat, commit and change at the same time",
    async run(tested) {
      const node = await tested.join();
      for (let round = 0; round < 10; round++) {
        await Promise.all([
          untilBeaten(node),
          node.commit(write("a", { baseRevision: round, state: `${round}` })),
          node.acquire(round),
          node.ownership.nodes(),
          node.ownership.slots(),
        ]);
      }
      assert.deepEqual({ ...(await node.ownership.beat()) }, { beat: 11, batchNumber: 10, changeNumber: 10 });
      assert.equal((await node.owned()).length, 10);
      await node.objects.assertStored("a", { revision: 10, state: "9", stateVersion: 1 });
    },
  },
  {
    name: "has a node leave, with all it has",
    async run(tested) {
      const leaving = await tested.join();
      const staying = await tested.join();
      await leaving.acquire(1, 2);
      await staying.acquire(3);
      await leaving.commit(write("a", { state: "1" }));
      await leaving.ownership.leave();
      await leaving.assertGone();
      assert.equal(await staying.rowOf(leaving), null);
      await staying.assertOwned([3, staying.name, 1]);
      // What it wrote stays, and what it sends once it has left is not written.
      await staying.objects.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
      await staying.objects.assertStored("written by a node that is gone", null);
      await leaving.ownership.leave();
      await staying.assertOwned([3, staying.name, 1]);
      assert.equal((await staying.ownership.nodes()).length, 1);
    },
  },
  {
    name: "keeps the row of a node that has closed its objects, or died",
    async run(tested) {
      const witness = await tested.join();
      for (const [slot, end] of (["close", "abandon"] as const).entries()) {
        const node = await tested.join();
        await node.acquire(slot);
        await node.commit(write(end, { state: "1" }));
        await node.objects.store[end]();
        assert.equal((await witness.rowOf(node))?.expired, false);
        assert.ok((await witness.owned()).some(([owned, owner]) => owned === slot && owner === node.name));
        await witness.objects.assertStored(end, { revision: 1, state: "1", stateVersion: 1 });
      }
      await witness.acquire(0, 1);
      assert.ok((await witness.owned()).every(([, owner]) => owner !== witness.name));
    },
  },
  {
    name: "shows that a node is draining, until it is gone",
    async run(tested) {
      const node = await tested.join();
      const other = await tested.join();
      await node.acquire(1);
      await node.change({ change: "drain" });
      await node.ownership.beat();
      assert.deepEqual([(await other.rowOf(node))?.draining, (await other.rowOf(other))?.draining], [true, false]);
      await other.assertOwned([1, node.name, 1]);
      await node.handOver(other.name, { slot: 1, epoch: 1 });
      await other.assertOwned([1, other.name, 2]);
    },
  },
  {
    name: "keeps objects and epochs when the last node leaves, and the next one counts from the beginning",
    async run(tested) {
      const first = await tested.join();
      await first.acquire(5, 6);
      await first.commit(write("a", { state: "1" }));
      await first.ownership.leave();
      const second = await tested.join();
      assert.deepEqual([second.ownership.lastNumber, second.objects.store.lastNumber], [0, 0]);
      await second.assertOwned();
      await second.acquire(6, 7);
      await second.assertOwned([6, second.name, 2], [7, second.name, 1]);
      assert.deepEqual(await second.commit(write("a", { baseRevision: 1, state: "2" })), []);
      await second.objects.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
    },
  },
];

async function untilBeaten({ ownership }: TestedNode): Promise<void> {
  await ownership.beat();
}

async function assertExpired(passed: Promise<void>, node: TestedNode, expected: boolean): Promise<void> {
  await passed;
  assert.equal((await node.rowOf(node))?.expired, expected);
}

/** A row without the prototypes, which the rows of some drivers have of their own. */
function plain(row: NodeRow | null): NodeRow | null {
  return row === null ? null : { ...row, types: [...row.types], process: { ...row.process } };
}
