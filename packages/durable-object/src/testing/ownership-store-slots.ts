/** Slots: at most one owner at a time, and an epoch that rises with each. */

import assert from "node:assert/strict";
import { allSlots, type OwnershipStoreCase, type TestedNode } from "./ownership-store-case.ts";

export const slotCases: readonly OwnershipStoreCase[] = [
  {
    name: "gives a node the slots it asks for, if they are free",
    async run(tested) {
      const first = await tested.join();
      const second = await tested.join();
      await first.acquire(0, 512, 1_023);
      await first.assertOwned([0, first.name, 1], [512, first.name, 1], [1_023, first.name, 1]);
      await second.acquire(511, 512, 513);
      const owned = [
        [0, first.name, 1],
        [511, second.name, 1],
        [512, first.name, 1],
        [513, second.name, 1],
        [1_023, first.name, 1],
      ] as const;
      await first.assertOwned(...owned);
      // What it owns it does not get once more.
      await first.acquire(0, 512, 513);
      await first.assertOwned(...owned);
      await second.assertOwned(...owned);
    },
  },
  {
    name: "gives all slots at once",
    async run(tested) {
      const node = await tested.join();
      await node.acquire(...allSlots);
      await node.assertOwned(...allSlots.map((slot) => [slot, node.name, 1] as const));
      await node.release(...allSlots.map((slot) => ({ slot, epoch: 1 })));
      await node.assertOwned();
    },
  },
  {
    name: "gives each slot to one of the nodes that race for it",
    async run(tested) {
      const nodes = [await tested.join(), await tested.join(), await tested.join()] as const;
      // Each begins elsewhere, and they meet.
      const wanted = nodes.map((_, index) => [...allSlots.slice(index * 300), ...allSlots.slice(0, index * 300)]);
      await Promise.all(nodes.map((node, index) => node.acquire(...(wanted[index] ?? []))));
      const owned = await nodes[0].owned();
      assert.deepEqual(
        owned.map(([slot, , epoch]) => [slot, epoch]),
        allSlots.map((slot) => [slot, 1]),
      );
      const names = new Set(nodes.map(({ name }) => name));
      assert.ok(owned.every(([, owner]) => names.has(owner)));
      for (const node of nodes) assert.deepEqual(await node.owned(), owned, "everybody sees the same");
    },
  },
  {
    name: "raises the epoch with every owner, and lowers it never",
    async run(tested) {
      const first = await tested.join();
      const second = await tested.join();
      await first.acquire(9);
      await first.release({ slot: 9, epoch: 1 });
      await first.acquire(9);
      await first.assertOwned([9, first.name, 2]);
      await first.handOver(second.name, { slot: 9, epoch: 2 });
      await first.assertOwned([9, second.name, 3]);
      await second.handOver(first.name, { slot: 9, epoch: 3 });
      await first.assertOwned([9, first.name, 4]);
      await tested.passLease(second);
      await second.evict(first);
      await second.acquire(9, 10);
      await second.assertOwned([9, second.name, 5], [10, second.name, 1]);
      await second.ownership.leave();
      const third = await tested.join();
      await third.acquire(9);
      await third.assertOwned([9, third.name, 6]);
    },
  },
  {
    name: "frees only what a node owns, in the epoch it speaks of",
    async run(tested) {
      const node = await tested.join();
      const other = await tested.join();
      await node.acquire(1, 2, 3);
      await other.acquire(4);
      await node.release({ slot: 2, epoch: 1 });
      await node.acquire(2);
      await node.release(
        { slot: 1, epoch: 2 }, // not yet
        { slot: 2, epoch: 1 }, // not any more
        { slot: 3, epoch: 1 },
        { slot: 4, epoch: 1 }, // another one's
        { slot: 5, epoch: 0 }, // nobody's
      );
      await node.assertOwned([1, node.name, 1], [2, node.name, 2], [4, other.name, 1]);
      await other.acquire(5);
      await other.assertOwned([1, node.name, 1], [2, node.name, 2], [4, other.name, 1], [5, other.name, 1]);
    },
  },
  {
    name: "hands over only what a node owns, in the epoch it speaks of",
    async run(tested) {
      const node = await tested.join();
      const next = await tested.join();
      const third = await tested.join();
      await node.acquire(1, 2, 3);
      await third.acquire(4);
      await node.handOver(
        next.name,
        { slot: 1, epoch: 1 },
        { slot: 2, epoch: 7 },
        { slot: 4, epoch: 1 },
        { slot: 5, epoch: 0 },
      );
      await node.assertOwned([1, next.name, 2], [2, node.name, 1], [3, node.name, 1], [4, third.name, 1]);
      // It is not the owner any more, whatever it says.
      await node.release({ slot: 1, epoch: 1 }, { slot: 1, epoch: 2 });
      await node.handOver(third.name, { slot: 1, epoch: 1 }, { slot: 1, epoch: 2 });
      await node.assertOwned([1, next.name, 2], [2, node.name, 1], [3, node.name, 1], [4, third.name, 1]);
      await next.release({ slot: 1, epoch: 2 });
      await node.assertOwned([2, node.name, 1], [3, node.name, 1], [4, third.name, 1]);
    },
  },
  {
    name: "frees what is handed over to a node that is gone, or never was",
    async run(tested) {
      const node = await tested.join();
      const left = await tested.join();
      const evicted = await tested.join();
      await node.acquire(1, 2, 3, 4);
      await left.ownership.leave();
      await tested.passLease(node);
      await node.evict(evicted);
      await node.handOver(left.name, { slot: 1, epoch: 1 });
      await node.handOver(evicted.name, { slot: 2, epoch: 1 });
      await node.handOver("somebody", { slot: 3, epoch: 1 });
      await node.assertOwned([4, node.name, 1]);
      await node.acquire(1, 2, 3);
      await node.assertOwned([1, node.name, 2], [2, node.name, 2], [3, node.name, 2], [4, node.name, 1]);
    },
  },
  {
    name: "hands over to a node whose lease is over, as long as it is a node",
    async run(tested) {
      const node = await tested.join();
      const late = await tested.join();
      await node.acquire(1);
      await tested.passLease(node);
      await node.handOver(late.name, { slot: 1, epoch: 1 });
      await node.assertOwned([1, late.name, 2]);
    },
  },
  {
    name: "leaves no moment in which a slot that is handed over is free",
    async run(tested) {
      const node = await tested.join();
      const next = await tested.join();
      const greedy = await tested.join();
      const slots = allSlots.slice(0, 64);
      await node.acquire(...slots);
      for (const slot of slots) {
        await Promise.all([node.handOver(next.name, { slot, epoch: 1 }), greedy.acquire(slot)]);
      }
      await node.assertOwned(...slots.map((slot) => [slot, next.name, 2] as const));
    },
  },
  {
    name: "frees a slot for one of those who want it",
    async run(tested) {
      const node = await tested.join();
      const others = [await tested.join(), await tested.join()];
      const slots = allSlots.slice(100, 132);
      await node.acquire(...slots);
      for (const slot of slots) {
        const takes = others.map((other) => other.acquire(slot));
        await Promise.all([node.release({ slot, epoch: 1 }), ...takes]);
      }
      for (const [, owner, epoch] of await node.owned()) {
        assert.notEqual(owner, node.name);
        assert.equal(epoch, 2);
      }
      await others[0]?.acquire(...slots);
      assert.deepEqual(slotsOf(await node.owned()), slots);
    },
  },
];

function slotsOf(owned: Awaited<ReturnType<TestedNode["owned"]>>): readonly number[] {
  return owned.map(([slot]) => slot);
}
