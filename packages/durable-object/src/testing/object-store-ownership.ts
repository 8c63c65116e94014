/** Ownership: one owner at a time, and nothing for whoever has lost it. */

import assert from "node:assert/strict";
import { attempted, set } from "./object-store-alarms.ts";
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
    name: "suspects every alarm that is due, if the owner before died",
    async run(tested) {
      const { reopen } = tested.subject;
      if (reopen === undefined) return;
      const now = Math.floor(tested.environment.now());
      const later = now + 3_600_000;
      const names = ["due", "set", "attempted"];
      const first = await tested.open();
      const alarms = [...names.map((name) => set(name, now - 1_000)), set("later", later)];
      await first.apply(write("a", { alarms }));
      const suspects = async ({ store }: NumberedStore): Promise<unknown> => {
        const due = await store.dueAlarms({ type: "counter", tenant: null, dueBy: later, limit: 9 });
        return due.filter(({ suspect }) => suspect).map(({ name, attempts }) => `${name} ${attempts}`);
      };
      assert.deepEqual(await suspects(first), []);
      await first.store.close();
      const second = await tested.open(reopen());
      assert.deepEqual(await suspects(second), [], "an owner that closes the store has not died");
      await second.store.abandon();
      const third = await tested.open(reopen());
      assert.deepEqual([...((await suspects(third)) as string[])].sort(), ["attempted 0", "due 0", "set 0"]);
      // What it is otherwise stays as it is.
      const [alarm] = await third.store.listAlarms(address("a"));
      assert.deepEqual([alarm?.dueAt, alarm?.attempts, alarm?.generation], [now - 1_000, 0, 1]);
      const changes = [set("set", now - 1_000), attempted("attempted", 1, { dueAt: now - 1_000 })];
      await third.apply(write("a", { baseRevision: 1, alarms: changes }));
      assert.deepEqual(await suspects(third), ["due 0"]);
      await third.store.close();
      assert.deepEqual(await suspects(await tested.open(reopen())), ["due 0"], "it is one until something is done");
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
