/** Eviction: a node goes that shows no sign of life, and whatever it still sends is refused. */

import assert from "node:assert/strict";
import { assertFails, write } from "./object-store-case.ts";
import { untilKnown, type OwnershipStoreCase, type TestedNode } from "./ownership-store-case.ts";

export const evictionCases: readonly OwnershipStoreCase[] = [
  {
    name: "does not evict a node whose lease is not over",
    async run(tested) {
      const victim = await tested.join();
      const other = await tested.join();
      await victim.acquire(1);
      await other.evict(victim);
      await victim.ownership.beat();
      await other.evict(victim);
      await assertLives(victim);
      await other.assertOwned([1, victim.name, 1]);
    },
  },
  {
    name: "does not evict a node that has renewed its lease since it was looked at",
    async run(tested) {
      const victim = await tested.join();
      const other = await tested.join();
      await victim.acquire(1);
      const seen = (await other.rowOf(victim))?.beat ?? -1;
      await victim.ownership.beat();
      await tested.passLease(other);
      // Its lease is over, but it has shown a sign of life that the other one does not know of.
      await other.change({ change: "evict", node: victim.name, beat: seen });
      await other.change({ change: "evict", node: victim.name, beat: seen + 2 });
      await assertLives(victim);
      await other.assertOwned([1, victim.name, 1]);
    },
  },
  {
    name: "evicts by force a node whose lease is not over, if it has not renewed it since it was looked at",
    async run(tested) {
      const victim = await tested.join();
      const other = await tested.join();
      await victim.acquire(1);
      const seen = (await other.rowOf(victim))?.beat ?? -1;
      await victim.ownership.beat();
      await other.change({ change: "evict", node: victim.name, beat: seen, force: true });
      await assertLives(victim);
      await other.change({
        change: "evict",
        node: victim.name,
        beat: (await other.rowOf(victim))?.beat ?? -1,
        force: true,
      });
      await victim.assertGone();
      await other.assertOwned();
    },
  },
  {
    name: "evicts a node whose lease is over, with all it has",
    async run(tested) {
      const victim = await tested.join();
      const other = await tested.join();
      await victim.acquire(1, 2, 3);
      await other.acquire(4);
      await victim.commit(write("a", { state: "1" }));
      await tested.passLease(other);
      await other.evict(victim);
      await victim.assertGone();
      assert.equal(await other.rowOf(victim), null);
      await other.assertOwned([4, other.name, 1]);
      await other.acquire(2, 3);
      await other.assertOwned([2, other.name, 2], [3, other.name, 2], [4, other.name, 1]);
      await other.objects.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
      await other.objects.assertStored("written by a node that is gone", null);
      // It does not come back by itself, and has nothing to give back.
      await victim.ownership.leave();
      await victim.assertGone();
      await other.assertOwned([2, other.name, 2], [3, other.name, 2], [4, other.name, 1]);
      assert.equal((await other.ownership.nodes()).length, 1);
    },
  },
  {
    name: "applies nothing of an evicted node's batches and changes, neither new nor sent again",
    async run(tested) {
      const victim = await tested.join();
      const other = await tested.join();
      await victim.commit(write("a", { state: "1" }));
      const applied = victim.objects.batch([write("b", { state: "1" })]);
      await victim.objects.store.commit(applied);
      await victim.acquire(7);
      await tested.passLease(other);
      await other.evict(victim);
      await other.commit(write("a", { baseRevision: 1, state: "2" }));
      // It may hear that this one was applied, because it was; but not that it was not.
      await untilKnown(() => victim.objects.store.commit(applied)).then(
        ({ stale }) => assert.deepEqual([...stale], []),
        (error: unknown) => assertFails(Promise.reject(error as Error), "lost", "STORE_TAKEN_OVER"),
      );
      const writes = [write("a", { baseRevision: 2, state: "3" }), write("c")];
      const next = { number: applied.number + 1, at: 1, writes };
      for (let attempt = 0; attempt < 3; attempt++) {
        await assertFails(victim.objects.store.commit(next), "lost", "STORE_TAKEN_OVER");
      }
      await assertFails(victim.ownership.change(1, { change: "acquire", slots: [7] }), "lost", "STORE_TAKEN_OVER");
      await assertFails(victim.ownership.change(2, { change: "acquire", slots: [7] }), "lost", "STORE_TAKEN_OVER");
      await other.objects.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
      await other.objects.assertStored("b", { revision: 1, state: "1", stateVersion: 1 });
      await other.objects.assertStored("c", null);
      await other.assertOwned();
    },
  },
  {
    name: "has nothing to evict where the node is gone",
    async run(tested) {
      const victim = await tested.join();
      const left = await tested.join();
      const other = await tested.join();
      await left.ownership.leave();
      await tested.passLease(other);
      await other.evict(victim);
      await other.change({ change: "evict", node: victim.name, beat: 0 });
      await other.change({ change: "evict", node: left.name, beat: 0 });
      await assertLives(other);
      assert.equal((await other.ownership.nodes()).length, 1);
    },
  },
  {
    name: "evicts a node once for all who want it gone",
    async run(tested) {
      const victim = await tested.join();
      const others = [await tested.join(), await tested.join(), await tested.join()] as const;
      await victim.acquire(1);
      await tested.passLease(...others);
      await Promise.all(others.map((other) => other.change({ change: "evict", node: victim.name, beat: 0 })));
      await victim.assertGone();
      for (const other of others) await assertLives(other);
      await others[0].assertOwned();
    },
  },
  {
    name: "lets one win of two nodes that evict each other",
    async run(tested) {
      for (let round = 0; round < 5; round++) {
        const [one, two] = [await tested.join(), await tested.join()];
        await one.acquire(1);
        await two.acquire(2);
        await tested.passLease();
        const ends = await Promise.allSettled([
          one.change({ change: "evict", node: two.name, beat: 0 }),
          two.change({ change: "evict", node: one.name, beat: 0 }),
        ]);
        assert.deepEqual(ends.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
        const [winner, loser, slot] = ends[0].status === "fulfilled" ? [one, two, 1] : [two, one, 2];
        await loser.assertGone();
        const owned = await winner.owned();
        assert.deepEqual(
          owned.map(([each, owner]) => [each, owner]),
          [[slot, winner.name]],
        );
        await assertLives(winner);
        await winner.ownership.leave();
      }
    },
  },
  {
    name: "either applies the batch of a node that is evicted meanwhile, or refuses it",
    async run(tested) {
      const judge = await tested.join();
      for (let round = 0; round < 8; round++) {
        const victim = await tested.join();
        await tested.passLease(judge);
        const id = `a${round}`;
        const evict = () => judge.change({ change: "evict", node: victim.name, beat: 0 });
        const commit = () => victim.commit(write(id, { state: "1" }));
        // Whoever is asked first is not always the first.
        const [committed] = await (round % 2 === 0
          ? Promise.allSettled([commit(), evict()])
          : Promise.allSettled([evict(), commit()]).then((ends) => [ends[1]] as const));
        if (committed.status === "rejected") {
          await assertFails(Promise.reject(committed.reason as Error), "lost", "STORE_TAKEN_OVER");
          await judge.objects.assertStored(id, null);
        } else {
          await judge.objects.assertStored(id, { revision: 1, state: "1", stateVersion: 1 });
        }
        await victim.assertGone();
      }
    },
  },
  {
    name: "either renews the lease of a node that is to be evicted meanwhile, or evicts it",
    async run(tested) {
      const judge = await tested.join();
      for (let round = 0; round < 8; round++) {
        const victim = await tested.join();
        await victim.acquire(round);
        await tested.passLease(judge);
        const evict = () => judge.change({ change: "evict", node: victim.name, beat: 0 });
        const beat = () => untilKnown(() => victim.ownership.beat());
        const [beaten] = await (round % 2 === 0
          ? Promise.allSettled([beat(), evict()])
          : Promise.allSettled([evict(), beat()]).then((ends) => [ends[1]] as const));
        if (beaten.status === "rejected") {
          await assertFails(Promise.reject(beaten.reason as Error), "lost", "STORE_TAKEN_OVER");
          await victim.assertGone();
        } else {
          assert.equal((await judge.rowOf(victim))?.expired, false);
          await assertLives(victim);
        }
        const isOwned = (await judge.owned()).some(([slot]) => slot === round);
        assert.equal(isOwned, beaten.status === "fulfilled", "it has its slots exactly if it is a node");
      }
    },
  },
];

/** Checks that a node can do what nodes do. */
async function assertLives(node: TestedNode): Promise<void> {
  await node.ownership.beat();
  assert.equal((await node.rowOf(node))?.expired, false);
  assert.deepEqual(await node.commit(write(`written by ${node.name} ${node.objects.store.lastNumber}`)), []);
  await node.acquire();
}
