/** Ownership: one owner at a time, and nothing for whoever has lost it. */

import assert from "node:assert/strict";
import type { NumberedStore, ObjectStoreCase } from "./object-store-case.ts";
import { address, assertFails, storedAlarm, write } from "./object-store-case.ts";

export const ownershipCases: readonly ObjectStoreCase[] = [
  {
    name: "refuses a second owner while it is open",
    async run(tested) {
      const store = await tested.open();
      await assertFails(tested.open(tested.subject.reopen?.() ?? tested.subject.store), "retry", "STORE_LOCKED");
      await store.apply(write("a"));
    },
  },
  {
    name: "refuses every call after it was closed",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a"));
      await store.store.close();
      await assertAllLost(store);
    },
  },
  {
    name: "can be closed twice",
    async run(tested) {
      const store = await tested.open();
      await Promise.all([store.store.close(), store.store.close()]);
      await store.store.close();
    },
  },
  {
    name: "keeps everything for the next owner, who begins a count of its own",
    async run(tested) {
      const { reopen } = tested.subject;
      if (reopen === undefined) return;
      const first = await tested.open();
      const reply = { key: "k", fingerprint: "f", result: "1", expiresAt: Number.MAX_SAFE_INTEGER };
      const alarm = { change: "set", name: "n", dueAt: 5, payload: '"x"', rule: '{"every":"1h"}' } as const;
      await first.apply(write("a", { state: '{"count":1}', stateVersion: 2, alarms: [alarm], replies: [reply] }));
      await first.apply(write("b", { state: "2" }));
      await first.store.close();

      const second = await tested.open(reopen());
      await second.assertStored("a", { revision: 1, state: '{"count":1}', stateVersion: 2 });
      const alarms = await second.store.listAlarms(address("a"));
      assert.deepEqual(
        alarms.map((stored) => ({ ...stored })),
        [storedAlarm({ name: "n", dueAt: 5, generation: 1, payload: '"x"', rule: '{"every":"1h"}' })],
      );
      assert.deepEqual({ ...(await second.store.findReply(address("a"), "k", 0)) }, reply);
      // Not an answer to the first owner's batch of the same number: this one is applied.
      await second.apply(write("a", { baseRevision: 1, state: '{"count":2}' }));
      await second.apply(write("b", { baseRevision: 1, state: "3" }));
      await second.assertStored("a", { revision: 2, state: '{"count":2}', stateVersion: 1 });
      await second.assertStored("b", { revision: 2, state: "3", stateVersion: 1 });
    },
  },
  {
    name: "counts an attempt for every alarm that is due, if its owner died",
    async run(tested) {
      const { reopen, forgetClosing } = tested.subject;
      if (reopen === undefined) return;
      const now = Math.floor(tested.environment.now());
      const first = await tested.open();
      const alarm = (name: string, dueAt: number) =>
        ({ change: "set", name, dueAt, payload: null, rule: null }) as const;
      const set = [alarm("dead", 0), alarm("due", now - 1_000), alarm("later", now + 3_600_000)];
      await first.apply(write("a", { alarms: set }));
      const death = { change: "attempted", name: "dead", generation: 1, dueAt: 0, attempts: 3 } as const;
      await first.apply(write("a", { baseRevision: 1, alarms: [{ ...death, status: "dead", lastError: "it broke" }] }));
      const attempts = async (store: NumberedStore): Promise<unknown> =>
        (await store.store.listAlarms(address("a"))).map((stored) => [stored.name, stored.attempts, stored.generation]);
      const before = [
        ["dead", 3, 1],
        ["due", 0, 1],
        ["later", 0, 1],
      ];
      await first.store.close();
      const second = await tested.open(reopen());
      assert.deepEqual(await attempts(second), before, "an owner that closes the store has not died");
      await second.store.close();
      if (forgetClosing === undefined) return;
      await forgetClosing.call(tested.subject);
      const third = await tested.open(reopen());
      const after = [["dead", 3, 1], ["due", 1, 1], ...before.slice(2)];
      assert.deepEqual(await attempts(third), after);
      const [, due] = await third.store.listAlarms(address("a"));
      assert.deepEqual([due?.dueAt, due?.scheduledAt, due?.status], [now - 1_000, now - 1_000, "set"]);
      assert.match(due?.lastError ?? "", /died/);
      await third.store.close();
      assert.deepEqual(await attempts(await tested.open(reopen())), after, "it is counted once");
    },
  },
  {
    name: "writes nothing for an owner that was followed by another one",
    async run(tested) {
      const { reopen } = tested.subject;
      if (reopen === undefined) return;
      const first = await tested.open();
      await first.apply(write("a", { state: "1" }));
      await first.store.close();
      const second = await tested.open(reopen());
      await assertAllLost(first);
      // Nor does a late `close` take the right to write from its successor.
      await first.store.close();
      await assertFails(tested.open(reopen()), "retry", "STORE_LOCKED");
      await second.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
      await second.apply(write("a", { baseRevision: 1, state: "2" }));
    },
  },
  {
    name: "writes nothing once it was taken over",
    async run(tested) {
      const { takeOver } = tested.subject;
      if (takeOver === undefined) return;
      const store = await tested.open();
      await store.apply(write("a", { state: "1", replies: [{ key: "k", fingerprint: "", result: "", expiresAt: 1 }] }));
      await takeOver.call(tested.subject);
      const sweep = { now: 100, tombstonesBefore: 100, limit: 10 };
      await assertFails(store.store.sweep(sweep), "lost", "STORE_TAKEN_OVER");
      const batch = store.batch([write("a", { baseRevision: 1, state: "2" }), write("b")]);
      await assertFails(store.store.commit(batch), "lost", "STORE_TAKEN_OVER");
      await assertFails(store.store.commit(batch), "lost", "STORE_TAKEN_OVER");
      const { reopen } = tested.subject;
      if (reopen === undefined) return;
      await store.store.close();
      const next = await tested.open(reopen());
      await next.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
      await next.assertStored("b", null);
      assert.notEqual(await next.store.findReply(address("a"), "k", 1), null);
    },
  },
];

async function assertAllLost(numbered: NumberedStore): Promise<void> {
  const { store } = numbered;
  const lost = (call: Promise<unknown>) => assertFails(call, "lost", "STORE_TAKEN_OVER");
  await lost(store.commit(numbered.batch([write("a", { baseRevision: 1 })])));
  await lost(store.load([address("a")]));
  await lost(store.findReply(address("a"), "k", 0));
  await lost(store.listAlarms(address("a")));
  await lost(store.dueAlarms({ type: "counter", tenant: null, dueBy: 0, limit: 1 }));
  await lost(store.nextDueAfter(["counter"], 0));
  await lost(store.dueTenants("counter", 0));
  await lost(store.alarmTypes());
  await lost(store.deadAlarms({ tenant: "", type: "counter", after: null, limit: 1 }));
  await lost(store.listObjects({ tenant: "", type: "counter", after: null, limit: 1 }));
  await lost(store.sweep({ now: 0, tombstonesBefore: 0, limit: 1 }));
}
