/** Alarms: set, replaced, cancelled, in order, and told apart by their generation. */

import assert from "node:assert/strict";
import type { AlarmChange, StoredAlarm } from "../ports/object-store.ts";
import type { NumberedStore, ObjectStoreCase } from "./object-store-case.ts";
import { address, write } from "./object-store-case.ts";

export const alarmCases: readonly ObjectStoreCase[] = [
  {
    name: "stores alarms with the revision that set them as their generation",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { alarms: [set("one", 100, '"ü"')] }));
      await store.apply(write("a", { baseRevision: 1, alarms: [set("two", 50)] }));
      assert.deepEqual(await alarmsOf(store, "a"), [
        { name: "two", dueAt: 50, generation: 2, payload: null },
        { name: "one", dueAt: 100, generation: 1, payload: '"ü"' },
      ]);
      assert.deepEqual(await alarmsOf(store, "b"), []);
    },
  },
  {
    name: "replaces an alarm of the same name",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { alarms: [set("one", 100, "1")] }));
      await store.apply(write("a", { baseRevision: 1, alarms: [set("one", 300)] }));
      assert.deepEqual(await alarmsOf(store, "a"), [{ name: "one", dueAt: 300, generation: 2, payload: null }]);
      await store.apply(write("a", { baseRevision: 2, alarms: [set("one", 300)] }));
      assert.deepEqual(await alarmsOf(store, "a"), [{ name: "one", dueAt: 300, generation: 3, payload: null }]);
    },
  },
  {
    name: "cancels one alarm and leaves the others",
    async run(tested) {
      const store = await tested.open();
      await store.apply(
        write("a", { alarms: [set("one", 1), set("two", 2)] }),
        write("b", { alarms: [set("one", 1)] }),
      );
      await store.apply(write("a", { baseRevision: 1, state: null, alarms: [cancel("one"), cancel("never set")] }));
      assert.deepEqual(await namesOf(store, "a"), ["two"]);
      assert.deepEqual(await namesOf(store, "b"), ["one"]);
    },
  },
  {
    name: "cancels all alarms before it sets new ones",
    async run(tested) {
      const store = await tested.open();
      await store.apply(
        write("a", { alarms: [set("one", 1), set("two", 2)] }),
        write("b", { alarms: [set("one", 1)] }),
      );
      await store.apply(
        write("a", { baseRevision: 1, cancelAllAlarms: true, alarms: [set("two", 7), set("three", 3)] }),
      );
      assert.deepEqual(await alarmsOf(store, "a"), [
        { name: "three", dueAt: 3, generation: 2, payload: null },
        { name: "two", dueAt: 7, generation: 2, payload: null },
      ]);
      await store.apply(write("a", { baseRevision: 2, cancelAllAlarms: true }));
      assert.deepEqual(await namesOf(store, "a"), []);
      assert.deepEqual(await namesOf(store, "b"), ["one"]);
    },
  },
  {
    name: "orders alarms by due time, then by the bytes of their names",
    async run(tested) {
      const store = await tested.open();
      const names = ["b", "a", "B", "\u{1F600}", "\uFF5E", "ä", "aa"];
      await store.apply(
        write("a", { alarms: [set("last", 9), ...names.map((name) => set(name, 5)), set("first", 1)] }),
      );
      assert.deepEqual(await namesOf(store, "a"), ["first", "B", "a", "aa", "b", "ä", "\uFF5E", "\u{1F600}", "last"]);
    },
  },
  {
    name: "keeps due times that are negative or far away",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { alarms: [set("far", 8.64e15), set("past", -5)] }));
      const alarms = await alarmsOf(store, "a");
      assert.deepEqual(
        alarms.map((alarm) => alarm.dueAt),
        [-5, 8.64e15],
      );
    },
  },
];

function set(name: string, dueAt: number, payload: string | null = null): AlarmChange {
  return { change: "set", name, dueAt, payload };
}

function cancel(name: string): AlarmChange {
  return { change: "cancel", name };
}

async function alarmsOf({ store }: NumberedStore, id: string): Promise<readonly StoredAlarm[]> {
  return (await store.listAlarms(address(id))).map((alarm) => ({ ...alarm }));
}

async function namesOf(store: NumberedStore, id: string): Promise<readonly string[]> {
  return (await alarmsOf(store, id)).map((alarm) => alarm.name);
}
