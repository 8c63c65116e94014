/** Deletion: everything goes but a tombstone, so that nothing late can bring the object back. */

import assert from "node:assert/strict";
import type { ObjectStoreCase } from "./object-store-case.ts";
import { address, someTime, write } from "./object-store-case.ts";

const reply = { key: "k", fingerprint: "f", result: "1", expiresAt: Number.MAX_SAFE_INTEGER };
const alarm = { change: "set", name: "n", dueAt: 5, payload: null, rule: null } as const;
const remove = { deleted: true, state: null } as const;

export const deletionCases: readonly ObjectStoreCase[] = [
  {
    name: "deletes the state, the alarms and the replies, and keeps the revision",
    async run(tested) {
      const store = await tested.open();
      const parts = { state: '{"a":1}', alarms: [alarm], replies: [reply] };
      await store.apply(write("a", parts), write("b", parts));
      await store.apply(write("a", { ...remove, baseRevision: 1 }));
      await store.assertStored("a", { revision: 2, state: null, stateVersion: 1 });
      assert.deepEqual(await store.store.listAlarms(address("a")), []);
      assert.equal(await store.store.findReply(address("a"), "k", 0), null);
      await store.assertStored("b", { revision: 1, state: '{"a":1}', stateVersion: 1 });
      assert.equal((await store.store.listAlarms(address("b"))).length, 1);
      assert.notEqual(await store.store.findReply(address("b"), "k", 0), null);
    },
  },
  {
    name: "keeps a reply that the deleting call itself records",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { replies: [reply] }));
      const own = { ...reply, key: "delete" };
      await store.apply(write("a", { ...remove, baseRevision: 1, replies: [own] }));
      assert.equal(await store.store.findReply(address("a"), "k", 0), null);
      assert.deepEqual({ ...(await store.store.findReply(address("a"), "delete", 0)) }, own);
    },
  },
  {
    name: "does not let a late insert bring a deleted object back",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { state: "1" }));
      await store.apply(write("a", { ...remove, baseRevision: 1 }));
      assert.deepEqual(await store.commit([write("a", { state: "9", alarms: [alarm] })]), [0]);
      assert.deepEqual(await store.commit([write("a", { baseRevision: 1, state: "9" })]), [0]);
      await store.assertStored("a", { revision: 2, state: null, stateVersion: 1 });
      assert.deepEqual(await store.store.listAlarms(address("a")), []);
    },
  },
  {
    name: "goes on from the tombstone's revision, as a new object",
    async run(tested) {
      const store = await tested.open();
      await store.commit([write("a", { state: "1" })], 1_000);
      await store.commit([write("a", { ...remove, baseRevision: 1 })], 2_000);
      await store.commit([write("a", { baseRevision: 2, state: "2", stateVersion: 5 })], 3_000);
      await store.assertStored("a", { revision: 3, state: "2", stateVersion: 5 });
      const listed = await store.store.listObjects({ tenant: "", type: "counter", after: null, limit: 9 });
      assert.deepEqual(
        listed.map((listing) => ({ ...listing })),
        [{ id: "a", revision: 3, createdAt: 3_000, updatedAt: 3_000 }],
      );
      // It is no tombstone any more: nothing sweeps it.
      assert.equal(await store.store.sweep({ now: 0, tombstonesBefore: someTime, limit: 9 }), 0);
      await store.assertStored("a", { revision: 3, state: "2", stateVersion: 5 });
    },
  },
  {
    name: "goes on from a tombstone with a write that brings no state",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { state: "1" }));
      await store.apply(write("a", { ...remove, baseRevision: 1 }));
      await store.apply(write("a", { baseRevision: 2, state: null, alarms: [alarm] }));
      await store.assertStored("a", { revision: 3, state: null, stateVersion: 1 });
      assert.equal((await store.store.listAlarms(address("a"))).length, 1);
      const query = { tenant: "", type: "counter", after: null, limit: 9 };
      assert.equal((await store.store.listObjects(query)).length, 1);
    },
  },
  {
    name: "does not delete what has moved on",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { state: "1", alarms: [alarm] }));
      await store.apply(write("a", { baseRevision: 1, state: "2" }));
      assert.deepEqual(await store.commit([write("a", { ...remove, baseRevision: 1 })]), [0]);
      await store.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
      assert.equal((await store.store.listAlarms(address("a"))).length, 1);
    },
  },
  {
    name: "deletes what was never stored by leaving a tombstone",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", remove));
      await store.assertStored("a", { revision: 1, state: null, stateVersion: 1 });
      const query = { tenant: "", type: "counter", after: null, limit: 9 };
      assert.deepEqual(await store.store.listObjects(query), []);
    },
  },
  {
    name: "sweeps old tombstones and nothing else, a limited number at a time",
    async run(tested) {
      const store = await tested.open();
      const ids = ["a", "b", "c", "young", "alive"];
      await store.commit(
        ids.map((id) => write(id, { state: "1" })),
        1_000,
      );
      await store.commit(
        ["a", "b", "c"].map((id) => write(id, { ...remove, baseRevision: 1 })),
        2_000,
      );
      await store.commit([write("young", { ...remove, baseRevision: 1 })], 5_000);
      const sweep = () => store.store.sweep({ now: 0, tombstonesBefore: 4_000, limit: 2 });
      assert.equal(await sweep(), 2);
      assert.equal(await sweep(), 1);
      assert.equal(await sweep(), 0);
      for (const id of ["a", "b", "c"]) await store.assertStored(id, null);
      await store.assertStored("young", { revision: 2, state: null, stateVersion: 1 });
      await store.assertStored("alive", { revision: 1, state: "1", stateVersion: 1 });
      await store.apply(write("a", { state: '"new"' }));
    },
  },
];
