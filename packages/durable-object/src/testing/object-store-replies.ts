/** Recorded replies: kept with the commit that applied the call, repeated, and forgotten in time. */

import assert from "node:assert/strict";
import type { RecordedReply } from "../ports/object-store.ts";
import type { NumberedStore, ObjectStoreCase } from "./object-store-case.ts";
import { address, write } from "./object-store-case.ts";

export const replyCases: readonly ObjectStoreCase[] = [
  {
    name: "finds a recorded reply with everything that was recorded",
    async run(tested) {
      const store = await tested.open();
      const replies = [
        reply("k1", { result: '"ü \u{1F600}"' }),
        reply("k2", { result: "", fingerprint: "" }),
        reply("k3", { result: null }),
      ];
      await store.apply(write("a", { replies }), write("b", { replies: [reply("k1", { result: "2" })] }));
      for (const recorded of replies) assert.deepEqual(await find(store, "a", recorded.key), recorded);
      assert.deepEqual(await find(store, "b", "k1"), reply("k1", { result: "2" }));
      assert.equal(await find(store, "a", "k4"), null);
      assert.equal(await find(store, "c", "k1"), null);
    },
  },
  {
    name: "keeps the reply that is recorded, and applies the rest of the write",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { replies: [reply("k", { result: "1" })] }));
      const again = [reply("k", { result: "2", fingerprint: "other", expiresAt: 9_000 }), reply("new")];
      await store.apply(write("a", { baseRevision: 1, state: "2", replies: again }));
      assert.deepEqual(await find(store, "a", "k"), reply("k", { result: "1" }));
      assert.deepEqual(await find(store, "a", "new"), reply("new"));
      await store.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
    },
  },
  {
    name: "does not find a reply that has expired, and records a new one in its place",
    async run(tested) {
      const store = await tested.open();
      const first = reply("k", { result: "1", expiresAt: 2_000 });
      const second = reply("k", { result: "2", expiresAt: 5_000 });
      await store.commit([write("a", { replies: [first] })], 1_000);
      assert.deepEqual(await find(store, "a", "k", 1_999), first);
      assert.equal(await find(store, "a", "k", 2_001), null);
      await store.commit([write("a", { baseRevision: 1, replies: [second] })], 1_999);
      assert.deepEqual(await find(store, "a", "k", 1_999), first);
      await store.commit([write("a", { baseRevision: 2, replies: [second] })], 2_001);
      assert.deepEqual(await find(store, "a", "k", 2_001), second);
    },
  },
  {
    name: "sweeps replies that have expired, a limited number at a time",
    async run(tested) {
      const store = await tested.open();
      const expiring = [1_000, 2_000, 3_000, 9_000].map((expiresAt) => reply(`k${expiresAt}`, { expiresAt }));
      await store.commit([write("a", { replies: expiring }), write("b", { replies: expiring })], 500);
      const sweep = (limit: number) => store.store.sweep({ now: 3_001, tombstonesBefore: 0, limit });
      assert.equal(await sweep(4), 4);
      assert.equal(await sweep(4), 2);
      assert.equal(await sweep(4), 0);
      assert.equal(await find(store, "a", "k3000", 0), null);
      assert.deepEqual(await find(store, "a", "k9000", 0), reply("k9000", { expiresAt: 9_000 }));
      assert.deepEqual(await find(store, "b", "k9000", 0), reply("k9000", { expiresAt: 9_000 }));
    },
  },
];

function reply(key: string, parts: Partial<RecordedReply> = {}): RecordedReply {
  return { key, fingerprint: "f", result: "1", expiresAt: 2e12, ...parts };
}

async function find({ store }: NumberedStore, id: string, key: string, now = 0): Promise<RecordedReply | null> {
  const found = await store.findReply(address(id), key, now);
  return found === null ? null : { ...found };
}
