/** Changes are numbered: each is made once, and in order, or not at all. */

import assert from "node:assert/strict";
import { assertFails, write } from "./object-store-case.ts";
import { untilKnown, type OwnershipStoreCase } from "./ownership-store-case.ts";

export const changeCases: readonly OwnershipStoreCase[] = [
  {
    name: "does not make a change again that is sent again under its number",
    async run(tested) {
      const node = await tested.join();
      const other = await tested.join();
      await other.acquire(6);
      const change = { change: "acquire", slots: [5, 6] } as const;
      await node.ownership.change(1, change);
      await node.assertOwned([5, node.name, 1], [6, other.name, 1]);
      await other.release({ slot: 6, epoch: 1 });
      for (let attempt = 0; attempt < 3; attempt++) await node.ownership.change(1, change);
      await node.assertOwned([5, node.name, 1]);
      assert.equal(node.ownership.lastNumber, 1);
      await node.ownership.change(2, change);
      await node.assertOwned([5, node.name, 1], [6, node.name, 2]);
    },
  },
  {
    name: "does not make another change under a number that is taken",
    async run(tested) {
      const node = await tested.join();
      await node.acquire(5);
      await node.ownership.change(1, { change: "acquire", slots: [6] });
      await node.ownership.change(1, { change: "release", slots: [{ slot: 5, epoch: 1 }] });
      await node.ownership.change(1, { change: "drain" });
      await node.assertOwned([5, node.name, 1]);
      assert.equal((await node.rowOf(node))?.draining, false);
    },
  },
  {
    name: "makes a change once that is sent twice at the same time",
    async run(tested) {
      const node = await tested.join();
      for (let number = 1; number <= 10; number++) {
        const send = () => untilKnown(() => node.ownership.change(number, { change: "acquire", slots: [number] }));
        await Promise.all([send(), send(), send()]);
      }
      await node.assertOwned(...Array.from({ length: 10 }, (_, index) => [index + 1, node.name, 1] as const));
      assert.deepEqual({ ...(await node.ownership.beat()) }, { beat: 1, batchNumber: 0, changeNumber: 10 });
    },
  },
  {
    name: "refuses a change whose number leaves a gap",
    async run(tested) {
      const node = await tested.join();
      const refused = async (number: number): Promise<void> => {
        const { ownership } = node;
        await assertFails(ownership.change(number, { change: "acquire", slots: [8] }), "lost");
        await assertFails(ownership.change(number, { change: "release", slots: [{ slot: 5, epoch: 1 }] }), "lost");
        await assertFails(ownership.change(number, { change: "drain" }), "lost");
      };
      // Nothing was sent yet, so this is no repetition.
      await refused(0);
      await refused(2);
      await node.acquire(5);
      await refused(3);
      await refused(1_000);
      assert.equal(node.ownership.lastNumber, 1);
      await node.assertOwned([5, node.name, 1]);
      assert.equal((await node.rowOf(node))?.draining, false);
      // It has lost nothing: the next number is still the next one.
      await node.acquire(6);
      await node.assertOwned([5, node.name, 1], [6, node.name, 1]);
    },
  },
  {
    name: "changes nothing for a message that arrives late, under a number that is past",
    async run(tested) {
      const node = await tested.join();
      const other = await tested.join();
      await node.acquire(5);
      await node.release({ slot: 5, epoch: 1 });
      await node.acquire(6);
      await node.release({ slot: 6, epoch: 1 });
      const late = [
        [1, { change: "acquire", slots: [5] }],
        [2, { change: "acquire", slots: [5] }],
        [3, { change: "acquire", slots: [5, 6] }],
        [1, { change: "drain" }],
      ] as const;
      // Nobody waits for the answer any more, so it may be any.
      for (const [number, change] of late) await node.ownership.change(number, change).catch(() => undefined);
      await other.assertOwned();
      assert.equal((await other.rowOf(node))?.draining, false);
      await node.acquire(7);
      assert.deepEqual({ ...(await node.ownership.beat()) }, { beat: 1, batchNumber: 0, changeNumber: 5 });
    },
  },
  {
    name: "counts a change of which nothing applied",
    async run(tested) {
      const node = await tested.join();
      const other = await tested.join();
      await other.acquire(1);
      await node.acquire(1);
      await node.acquire();
      await node.release({ slot: 1, epoch: 1 }, { slot: 2, epoch: 0 });
      await node.release();
      await node.handOver(other.name);
      await node.change({ change: "evict", node: "somebody", beat: 0 });
      await node.change({ change: "evict", node: other.name, beat: 0 });
      assert.equal(node.ownership.lastNumber, 7);
      assert.equal((await node.ownership.beat()).changeNumber, 7);
      await node.assertOwned([1, other.name, 1]);
      assert.equal((await node.ownership.nodes()).length, 2);
    },
  },
  {
    name: "counts the changes of each node, and apart from its batches",
    async run(tested) {
      const nodes = [await tested.join(), await tested.join()];
      for (const [index, node] of nodes.entries()) {
        await node.commit(write(`a${index}`));
        await node.commit(write(`b${index}`));
        await node.ownership.change(1, { change: "acquire", slots: [index] });
        await node.commit(write(`c${index}`));
        await node.ownership.change(2, { change: "acquire", slots: [10 + index] });
        assert.deepEqual([node.objects.store.lastNumber, node.ownership.lastNumber], [3, 2]);
      }
      assert.equal((await nodes[0]?.owned())?.length, 4);
    },
  },
];
