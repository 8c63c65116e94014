/** Listing: pages in order of the ids' bytes, one tenant and one type at a time. */

import assert from "node:assert/strict";
import type { NumberedStore, ObjectStoreCase } from "./object-store-case.ts";
import { address, write } from "./object-store-case.ts";

export const listingCases: readonly ObjectStoreCase[] = [
  {
    name: "lists objects with their revision and times",
    async run(tested) {
      const store = await tested.open();
      await store.commit([write("a"), write("b", { state: null })], 1_000);
      await store.commit([write("a", { baseRevision: 1 })], 2_000);
      await store.commit([write("a", { baseRevision: 9 })], 3_000);
      const listed = await store.store.listObjects({ tenant: "", type: "counter", after: null, limit: 10 });
      assert.deepEqual(
        listed.map((listing) => ({ ...listing })),
        [
          { id: "a", revision: 2, createdAt: 1_000, updatedAt: 2_000 },
          { id: "b", revision: 1, createdAt: 1_000, updatedAt: 1_000 },
        ],
      );
    },
  },
  {
    name: "pages through ids in the order of their bytes",
    async run(tested) {
      const store = await tested.open();
      const ids = ["b", "a", "Z", "10", "9", "a b", "ä", "\uFF5E", "\u{1F600}", "\u{1F600}b", "z'; --", "%", "_"];
      await store.apply(...ids.map((id) => write(id)));
      const sorted = ids.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
      assert.deepEqual(await idsOf(store, null, 100), sorted);
      const paged: string[] = [];
      for (let after: string | null = null; ; after = paged.at(-1) ?? null) {
        const page = await idsOf(store, after, 4);
        paged.push(...page);
        if (page.length < 4) break;
      }
      assert.deepEqual(paged, sorted);
      assert.deepEqual(await idsOf(store, "a", 2), sorted.slice(sorted.indexOf("a") + 1).slice(0, 2));
      assert.deepEqual(await idsOf(store, "\u{1F600}b", 2), []);
      // An `after` that is not stored is a place all the same.
      assert.deepEqual((await idsOf(store, "aa", 1))[0], "b");
    },
  },
  {
    name: "does not list deleted objects, and fills the page with others",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a"), write("b"), write("c"));
      await store.apply(write("b", { baseRevision: 1, deleted: true }));
      assert.deepEqual(await idsOf(store, null, 2), ["a", "c"]);
    },
  },
  {
    name: "keeps tenants and types apart, whatever they are called",
    async run(tested) {
      const store = await tested.open();
      const addresses = [
        address("x", "b", "a"),
        address("x", "b", "A"),
        address("x", "b", ""),
        address("x", "ab", ""),
        address("b", "x", "a"),
        address("b/x", "a", ""),
        address("x", "B", "a"),
        address("x", "b", "a/b"),
        address("x", "b", "a b"),
      ];
      await store.apply(...addresses.map((at, index) => write(at, { state: `${index}`, ...withParts(index) })));
      const loaded = await store.store.load(addresses);
      assert.deepEqual(
        loaded.map((stored) => stored?.state),
        addresses.map((_, index) => `${index}`),
      );
      await store.apply(write(address("x", "b", "a"), { baseRevision: 1, deleted: true }));
      for (const [index, at] of addresses.entries()) {
        const alarms = await store.store.listAlarms(at);
        assert.deepEqual(
          alarms.map((alarm) => alarm.dueAt),
          index === 0 ? [] : [index],
        );
        assert.equal((await store.store.findReply(at, "k", 0))?.result, index === 0 ? undefined : `${index}`);
        const listed = await store.store.listObjects({ tenant: at.tenant, type: at.type, after: null, limit: 9 });
        assert.deepEqual(
          listed.map((listing) => listing.id),
          index === 0 ? [] : [at.id],
        );
      }
    },
  },
];

function withParts(index: number): Parameters<typeof write>[1] {
  return {
    alarms: [{ change: "set", name: "n", dueAt: index, payload: null, rule: null }],
    replies: [{ key: "k", fingerprint: "f", result: `${index}`, expiresAt: 1e13 }],
  };
}

async function idsOf({ store }: NumberedStore, after: string | null, limit: number): Promise<readonly string[]> {
  const listed = await store.listObjects({ tenant: "", type: "counter", after, limit });
  return listed.map((listing) => listing.id);
}
