/** Commits: revisions, stale writes, batches, and the numbers that make sending one again safe. */

import assert from "node:assert/strict";
import type { ObjectStoreCase } from "./object-store-case.ts";
import { address, assertFails, write } from "./object-store-case.ts";

export const commitCases: readonly ObjectStoreCase[] = [
  {
    name: "loads nothing where nothing is stored",
    async run(tested) {
      const store = await tested.open();
      await store.assertStored("a", null);
      assert.deepEqual(await store.store.load([]), []);
    },
  },
  {
    name: "raises the revision by one with every commit",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { state: '{"count":1}' }));
      await store.assertStored("a", { revision: 1, state: '{"count":1}', stateVersion: 1 });
      await store.apply(write("a", { baseRevision: 1, state: '{"count":2}', stateVersion: 2 }));
      await store.assertStored("a", { revision: 2, state: '{"count":2}', stateVersion: 2 });
    },
  },
  {
    name: "loads in the order of the addresses, gaps included",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { state: "1" }), write("b", { state: "2" }));
      const loaded = await store.store.load([address("b"), address("missing"), address("a"), address("b")]);
      assert.deepEqual(
        loaded.map((stored) => stored?.state ?? null),
        ["2", null, "1", "2"],
      );
    },
  },
  {
    name: "reports a stale write, leaves its object alone, and applies the others",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { state: "1" }), write("b", { state: "1" }));
      const stale = await store.commit([
        write("a", { baseRevision: 1, state: "2" }),
        write("b", { baseRevision: 7, state: "2" }),
        write("c", { baseRevision: 1, state: "2" }),
        write("d", { state: "2" }),
      ]);
      assert.deepEqual(stale, [1, 2]);
      await store.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
      await store.assertStored("b", { revision: 1, state: "1", stateVersion: 1 });
      await store.assertStored("c", null);
      await store.assertStored("d", { revision: 1, state: "2", stateVersion: 1 });
    },
  },
  {
    name: "refuses a revision that is one behind as well as one ahead",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { state: "1" }));
      await store.apply(write("a", { baseRevision: 1, state: "2" }));
      assert.deepEqual(await store.commit([write("a", { baseRevision: 1, state: '"x"' })]), [0]);
      assert.deepEqual(await store.commit([write("a", { baseRevision: 3, state: '"x"' })]), [0]);
      await store.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
    },
  },
  {
    name: "lets the first of two inserts win",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { state: '"first"' }));
      assert.deepEqual(await store.commit([write("a", { state: '"second"' })]), [0]);
      await store.assertStored("a", { revision: 1, state: '"first"', stateVersion: 1 });
    },
  },
  {
    name: "stores all parts of a stale write, or none",
    async run(tested) {
      const store = await tested.open();
      const alarms = [{ change: "set", name: "kept", dueAt: 5, payload: null, rule: null }] as const;
      await store.apply(write("a", { alarms }));
      const reply = { key: "k", fingerprint: "f", result: "1", expiresAt: Number.MAX_SAFE_INTEGER };
      const stale = await store.commit([
        write("a", {
          baseRevision: 4,
          cancelAllAlarms: true,
          alarms: [{ change: "set", name: "new", dueAt: 6, payload: null, rule: null }],
          replies: [reply],
        }),
        write("a2", { baseRevision: 1, deleted: true, alarms, replies: [reply] }),
      ]);
      assert.deepEqual(stale, [0, 1]);
      assert.deepEqual(
        (await store.store.listAlarms(address("a"))).map((alarm) => alarm.name),
        ["kept"],
      );
      assert.equal(await store.store.findReply(address("a"), "k", 0), null);
      assert.deepEqual(await store.store.listAlarms(address("a2")), []);
      assert.equal(await store.store.findReply(address("a2"), "k", 0), null);
    },
  },
  {
    name: "keeps the state and its version where a write brings none",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { state: '{"count":1}', stateVersion: 3 }));
      await store.apply(write("a", { baseRevision: 1, state: null, stateVersion: 4 }));
      await store.assertStored("a", { revision: 2, state: '{"count":1}', stateVersion: 3 });
    },
  },
  {
    name: "stores an object without a state",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { state: null, stateVersion: 2 }));
      await store.assertStored("a", { revision: 1, state: null, stateVersion: 2 });
      await store.apply(write("a", { baseRevision: 1, state: "7", stateVersion: 2 }));
      await store.assertStored("a", { revision: 2, state: "7", stateVersion: 2 });
    },
  },
  {
    name: "commits 1,000 objects in one batch, twice",
    async run(tested) {
      const store = await tested.open();
      const ids = Array.from({ length: 1_000 }, (_, index) => `user-${index}`);
      await store.apply(...ids.map((id, index) => write(id, { state: `${index}` })));
      const stale = await store.commit(
        ids.map((id, index) => write(id, { baseRevision: index === 500 ? 9 : 1, state: `${index + 1_000}` })),
      );
      assert.deepEqual(stale, [500]);
      const loaded = await store.store.load(ids.map((id) => address(id)));
      assert.deepEqual(
        loaded.map((stored) => stored?.state),
        ids.map((_, index) => `${index === 500 ? 500 : index + 1_000}`),
      );
    },
  },
  {
    name: "numbers batches from the last one on",
    async run(tested) {
      const { store } = await tested.open();
      const first = store.lastNumber;
      await store.commit({ number: first + 1, at: 1, writes: [write("a")] });
      assert.equal(store.lastNumber, first + 1);
      await store.commit({ number: first + 2, at: 1, writes: [] });
      assert.equal(store.lastNumber, first + 2);
    },
  },
  {
    name: "does not apply a batch whose number leaves a gap or is past",
    async run(tested) {
      const store = await tested.open();
      // Nothing was sent yet, so this is no repetition.
      await assertFails(store.store.commit({ number: store.store.lastNumber, at: 1, writes: [write("b")] }), "lost");
      await store.apply(write("a", { state: "1" }));
      await store.apply(write("a", { baseRevision: 1, state: "2" }));
      const last = store.store.lastNumber;
      for (const number of [last + 2, last + 1_000, last - 1]) {
        const batch = { number, at: 1, writes: [write("a", { baseRevision: 2, state: "9" }), write("b")] };
        await assertFails(store.store.commit(batch), "lost");
      }
      assert.equal(store.store.lastNumber, last);
      await store.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
      await store.assertStored("b", null);
    },
  },
  {
    name: "answers a batch that is sent again as it did the first time, and applies it once",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { state: "1" }), write("b", { state: "1" }));
      await store.apply(write("b", { baseRevision: 1, state: "2" }));
      const batch = store.batch([
        write("a", { baseRevision: 1, state: "2" }),
        // Stale, although the stored revision is the one it would have led to.
        write("b", { baseRevision: 1, state: "3" }),
        write("c", { baseRevision: 5, state: "3" }),
      ]);
      for (let attempt = 0; attempt < 3; attempt++) {
        const { stale } = await store.store.commit(batch);
        assert.deepEqual([...stale], [1, 2]);
        assert.equal(store.store.lastNumber, batch.number);
      }
      await store.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
      await store.assertStored("b", { revision: 2, state: "2", stateVersion: 1 });
      await store.apply(write("a", { baseRevision: 2, state: "3" }));
      const clean = store.batch([write("a", { baseRevision: 3, state: "4" })]);
      assert.deepEqual([...(await store.store.commit(clean)).stale], []);
      assert.deepEqual([...(await store.store.commit(clean)).stale], []);
      await store.assertStored("a", { revision: 4, state: "4", stateVersion: 1 });
    },
  },
];
