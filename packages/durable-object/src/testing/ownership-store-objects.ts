/** Objects that several nodes write: each with batches of its own, and all on the same revisions. */

import assert from "node:assert/strict";
import { slotCount, slotOf } from "../core/slot.ts";
import { set } from "./object-store-alarms.ts";
import { address, write } from "./object-store-case.ts";
import { allSlots, type OwnershipStoreCase, type TestedNode } from "./ownership-store-case.ts";

export const objectCases: readonly OwnershipStoreCase[] = [
  {
    name: "applies the commits of several nodes at once",
    async run(tested) {
      const nodes = [await tested.join(), await tested.join(), await tested.join()];
      for (let round = 0; round < 10; round++) {
        const stale = await Promise.all(
          nodes.map((node, index) =>
            node.commit(
              write(`own-${index}`, { baseRevision: round, state: `${round}` }),
              write(`new-${index}-${round}`, { state: `${round}` }),
            ),
          ),
        );
        assert.deepEqual(stale, [[], [], []]);
      }
      for (const [index, node] of nodes.entries()) {
        assert.equal(node.objects.store.lastNumber, 10);
        await nodes[0]?.objects.assertStored(`own-${index}`, { revision: 10, state: "9", stateVersion: 1 });
        for (let round = 0; round < 10; round++) {
          const expected = { revision: 1, state: `${round}`, stateVersion: 1 };
          await nodes[2]?.objects.assertStored(`new-${index}-${round}`, expected);
        }
      }
    },
  },
  {
    name: "shows each node what the others have committed",
    async run(tested) {
      const writer = await tested.join();
      const reader = await tested.join();
      const reply = { key: "k", fingerprint: "f", result: "1", expiresAt: Number.MAX_SAFE_INTEGER };
      await writer.commit(write("a", { state: "1", alarms: [set("n", 5)], replies: [reply] }));
      const { store } = reader.objects;
      await reader.objects.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
      assert.deepEqual({ ...(await store.findReply(address("a"), "k", 0)) }, reply);
      const alarms = await store.listAlarms(address("a"));
      assert.deepEqual(
        alarms.map(({ name, dueAt, generation }) => [name, dueAt, generation]),
        [["n", 5, 1]],
      );
      await reader.acquire(slotOf(address("a")));
      const due = await store.dueAlarms({ type: "counter", tenant: null, dueBy: 5, limit: 9 });
      assert.deepEqual(
        due.map(({ name, suspect }) => [name, suspect]),
        [["n", false]],
      );
      await writer.commit(write("a", { baseRevision: 1, deleted: true }));
      assert.deepEqual(await store.listAlarms(address("a")), []);
    },
  },
  {
    name: "shows each node the due alarms of its own slots, and when its next one is due",
    async run(tested) {
      const nodes = [await tested.join(), await tested.join()] as const;
      const [one, two] = nodes;
      const ids = Array.from({ length: 40 }, (_, index) => `object-${index}`);
      const isOdd = (id: string): boolean => slotOf(address(id)) % 2 === 1;
      const times = (id: string): number => (isOdd(id) ? 20 : 10);
      await one.commit(
        ...ids.map((id) => write(id, { state: "1", alarms: [set("due", times(id)), set("later", 100 + times(id))] })),
      );
      const query = { type: "counter", tenant: null, dueBy: 50, limit: 1_000 };
      const seen = async ({ objects: { store } }: TestedNode) => {
        const due = await store.dueAlarms(query);
        const next = await store.nextDueAfter(["counter"], 50);
        const tenants = await store.dueTenants("counter", 50);
        return [due.map((alarm) => alarm.address.id).sort(), next, tenants.length];
      };
      assert.deepEqual(await seen(one), [[], null, 0]);
      await one.acquire(...allSlots.filter((slot) => slot % 2 === 0));
      await two.acquire(...allSlots.filter((slot) => slot % 2 === 1));
      assert.deepEqual(await seen(one), [ids.filter((id) => !isOdd(id)).sort(), 110, 1]);
      assert.deepEqual(await seen(two), [ids.filter(isOdd).sort(), 120, 1]);
      assert.equal((await two.objects.store.alarmTypes()).length, 1);
      await two.release(...(await two.ownership.slots()).filter(({ owner }) => owner === two.name));
      assert.deepEqual(await seen(two), [[], null, 0]);
    },
  },
  {
    name: "refuses a write on a revision that another node has followed",
    async run(tested) {
      const one = await tested.join();
      const two = await tested.join();
      await one.commit(write("a", { state: "1" }));
      assert.deepEqual(await two.commit(write("a", { baseRevision: 1, state: "2" })), []);
      assert.deepEqual(await one.commit(write("a", { baseRevision: 1, state: '"x"' }), write("b")), [0]);
      assert.deepEqual(await two.commit(write("b", { state: '"x"' })), [0]);
      await one.objects.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
      await one.objects.assertStored("b", { revision: 1, state: "{}", stateVersion: 1 });
    },
  },
  {
    name: "lets one win of two nodes that write an object at once",
    async run(tested) {
      const nodes = [await tested.join(), await tested.join()];
      for (let revision = 0; revision < 10; revision++) {
        const stale = await Promise.all(
          nodes.map((node, index) => node.commit(write("a", { baseRevision: revision, state: `${index}` }))),
        );
        assert.equal(stale.flat().length, 1, "one of the two is stale");
        const winner = stale.findIndex(({ length }) => length === 0);
        await nodes[0]?.objects.assertStored("a", { revision: revision + 1, state: `${winner}`, stateVersion: 1 });
      }
    },
  },
  {
    name: "answers each node about its own batches",
    async run(tested) {
      const one = await tested.join();
      const two = await tested.join();
      await one.commit(write("a", { state: "1" }));
      const ofOne = one.objects.batch([write("a", { baseRevision: 1, state: "2" })]);
      await one.objects.store.commit(ofOne);
      // The same numbers, and nothing to do with them.
      await two.commit(write("b", { state: "1" }));
      const ofTwo = two.objects.batch([write("a", { baseRevision: 1, state: '"x"' }), write("b", { state: '"x"' })]);
      assert.equal(ofTwo.number, ofOne.number);
      for (let attempt = 0; attempt < 2; attempt++) {
        assert.deepEqual([...(await two.objects.store.commit(ofTwo)).stale], [0, 1]);
        assert.deepEqual([...(await one.objects.store.commit(ofOne)).stale], []);
      }
      await one.objects.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
      await one.objects.assertStored("b", { revision: 1, state: "1", stateVersion: 1 });
    },
  },
  {
    name: "suspects the due alarms of an evicted node's objects, and no others",
    async run(tested) {
      const victim = await tested.join();
      const judge = await tested.join();
      const [mine, others] = [idIn(0, slotCount / 2), idIn(slotCount / 2, slotCount)];
      await victim.acquire(...allSlots.slice(0, slotCount / 2));
      await judge.acquire(...allSlots.slice(slotCount / 2));
      const [past, future] = [tested.nowMs - 3_600_000, tested.nowMs + 365 * 86_400_000];
      const alarms = [set("due", past), set("set", past), set("later", future)];
      await victim.commit(write(mine, { alarms }));
      await judge.commit(write(others, { alarms }));
      assert.deepEqual(await suspects(judge, future), []);
      await tested.passLease(judge);
      await judge.evict(victim);
      assert.deepEqual(await suspects(judge, future), [`${mine} due`, `${mine} set`]);
      // What it is otherwise stays as it is, and whoever sets it clears it.
      const [due] = await judge.objects.store.listAlarms(address(mine));
      assert.deepEqual([due?.name, due?.dueAt, due?.attempts, due?.generation], ["due", past, 0, 1]);
      await judge.commit(write(mine, { baseRevision: 1, alarms: [set("set", past)] }));
      assert.deepEqual(await suspects(judge, future), [`${mine} due`]);
    },
  },
  {
    name: "suspects no alarm of a node that leaves, or that owns nothing when it is evicted",
    async run(tested) {
      const leaving = await tested.join();
      const idle = await tested.join();
      const judge = await tested.join();
      await leaving.acquire(...allSlots);
      const past = tested.nowMs - 3_600_000;
      await leaving.commit(write("a", { alarms: [set("n", past)] }), write("b", { alarms: [set("n", past)] }));
      await leaving.ownership.leave();
      await tested.passLease(judge);
      await judge.evict(idle);
      assert.deepEqual(await suspects(judge, past), []);
    },
  },
];

/** An id whose slot is one of these. */
function idIn(from: number, to: number): string {
  for (let number = 0; ; number++) {
    const slot = slotOf(address(`object-${number}`));
    if (slot >= from && slot < to) return `object-${number}`;
  }
}

/** The suspects in its own slots, and in those that have no owner. */
async function suspects(node: TestedNode, dueBy: number): Promise<readonly string[]> {
  await node.acquire(...allSlots);
  const due = await node.objects.store.dueAlarms({ type: "counter", tenant: null, dueBy, limit: 100 });
  return due
    .filter(({ suspect }) => suspect)
    .map(({ address: { id }, name }) => `${id} ${name}`)
    .sort();
}
