/** Alarms: set, replaced, cancelled, in order, and told apart by their generation. */

import assert from "node:assert/strict";
import type { AlarmChange, StoredAlarm } from "../ports/object-store.ts";
import type { NumberedStore, ObjectStoreCase } from "./object-store-case.ts";
import { address, storedAlarm, write } from "./object-store-case.ts";

export const alarmCases: readonly ObjectStoreCase[] = [
  {
    name: "stores alarms with the revision that set them as their generation",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { alarms: [set("one", 100, { payload: '"ü"', rule: '{"every":"1h"}' })] }));
      await store.apply(write("a", { baseRevision: 1, alarms: [set("two", 50)] }));
      assert.deepEqual(await alarmsOf(store, "a"), [
        storedAlarm({ name: "two", dueAt: 50, generation: 2 }),
        storedAlarm({ name: "one", dueAt: 100, generation: 1, payload: '"ü"', rule: '{"every":"1h"}' }),
      ]);
      assert.deepEqual(await alarmsOf(store, "b"), []);
    },
  },
  {
    name: "replaces an alarm of the same name, with all that was known of it",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { alarms: [set("one", 100, { payload: "1", rule: '{"every":"1h"}' })] }));
      await store.apply(write("a", { baseRevision: 1, alarms: [set("one", 300)] }));
      assert.deepEqual(await alarmsOf(store, "a"), [storedAlarm({ name: "one", dueAt: 300, generation: 2 })]);
      await store.apply(write("a", { baseRevision: 2, alarms: [set("one", 300)] }));
      assert.deepEqual(await alarmsOf(store, "a"), [storedAlarm({ name: "one", dueAt: 300, generation: 3 })]);
      await store.apply(write("a", { baseRevision: 3, alarms: [attempted("one", 3, { status: "dead" })] }));
      await store.apply(write("a", { baseRevision: 4, alarms: [set("one", 400)] }));
      assert.deepEqual(await alarmsOf(store, "a"), [storedAlarm({ name: "one", dueAt: 400, generation: 5 })]);
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
        storedAlarm({ name: "three", dueAt: 3, generation: 2 }),
        storedAlarm({ name: "two", dueAt: 7, generation: 2 }),
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
      const { store: open } = store;
      assert.equal(await open.nextDueAfter(["counter"], -5), 8.64e15);
      assert.equal(await open.nextDueAfter(["counter"], 8.64e15), null);
      assert.equal((await open.dueAlarms({ type: "counter", tenant: null, dueBy: -5, limit: 9 })).length, 1);
    },
  },
  {
    name: "acknowledges an alarm of the generation that fired, and no other",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { alarms: [set("one", 1), set("two", 2)] }));
      await store.apply(write("a", { baseRevision: 1, alarms: [set("one", 9)] }));
      await store.apply(write("a", { baseRevision: 2, alarms: [acknowledge("one", 1), acknowledge("two", 1)] }));
      assert.deepEqual(await alarmsOf(store, "a"), [storedAlarm({ name: "one", dueAt: 9, generation: 2 })]);
      await store.apply(write("a", { baseRevision: 3, alarms: [acknowledge("one", 2), acknowledge("gone", 1)] }));
      assert.deepEqual(await alarmsOf(store, "a"), []);
    },
  },
  {
    name: "writes an attempt down for the generation that was started, and no other",
    async run(tested) {
      const store = await tested.open();
      const rule = '{"retry":{"attempts":3}}';
      const retried = { name: "one", dueAt: 40, scheduledAt: 1, generation: 1 };
      await store.apply(write("a", { alarms: [set("one", 1, { payload: "7", rule }), set("two", 2)] }));
      await store.apply(write("a", { baseRevision: 1, alarms: [set("two", 5)] }));
      await store.apply(
        write("a", {
          baseRevision: 2,
          alarms: [attempted("one", 1, { dueAt: 40 }), attempted("two", 1, { dueAt: 40 }), attempted("gone", 1)],
        }),
      );
      assert.deepEqual(await alarmsOf(store, "a"), [
        storedAlarm({ name: "two", dueAt: 5, generation: 2 }),
        // Whatever else the alarm is stays, its generation included: it is the same firing.
        storedAlarm({ ...retried, payload: "7", rule, attempts: 1, lastError: "it broke" }),
      ]);
    },
  },
  {
    name: "keeps dead alarms in the list of their object, and takes them off by every other change",
    async run(tested) {
      const store = await tested.open();
      const names = ["set", "cancelled", "acknowledged", "kept"];
      await store.apply(write("a", { alarms: names.map((name) => set(name, 1)) }));
      const deaths = names.map((name) => attempted(name, 1, { status: "dead", attempts: 12 }));
      await store.apply(write("a", { baseRevision: 1, alarms: deaths }));
      assert.deepEqual(
        (await alarmsOf(store, "a")).map(({ name, status, lastError }) => [name, status, lastError]),
        ["acknowledged", "cancelled", "kept", "set"].map((name) => [name, "dead", "it broke"]),
      );
      await store.apply(
        write("a", { baseRevision: 2, alarms: [set("set", 3), cancel("cancelled"), acknowledge("acknowledged", 1)] }),
      );
      assert.deepEqual(
        (await alarmsOf(store, "a")).map(({ name, status }) => [name, status]),
        [
          ["set", "set"],
          ["kept", "dead"],
        ],
      );
    },
  },
  {
    name: "redrives what is dead, and nothing else",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { alarms: [set("dead", 1, { payload: "7" }), set("alive", 2)] }));
      const death = attempted("dead", 1, { status: "dead", attempts: 12 });
      await store.apply(write("a", { baseRevision: 1, alarms: [death, attempted("alive", 1, { dueAt: 4 })] }));
      const redrives = ["dead", "alive", "gone"].map((name) => redrive(name, 99));
      await store.apply(write("a", { baseRevision: 2, state: null, alarms: redrives }));
      const [alive, dead] = await alarmsOf(store, "a");
      assert.deepEqual(
        alive,
        storedAlarm({ name: "alive", dueAt: 4, scheduledAt: 2, generation: 1, attempts: 1, lastError: "it broke" }),
      );
      assert.deepEqual(
        { ...dead, lastError: null },
        storedAlarm({ name: "dead", dueAt: 99, scheduledAt: 1, generation: 1, payload: "7" }),
      );
    },
  },
  {
    name: "leaves the alarms of a stale write as they are, whatever the change",
    async run(tested) {
      const store = await tested.open();
      await store.apply(write("a", { alarms: [set("one", 1), set("two", 2), set("three", 3), set("dead", 4)] }));
      await store.apply(write("a", { baseRevision: 1, alarms: [attempted("dead", 1, { status: "dead" })] }));
      const before = await alarmsOf(store, "a");
      const changes = [acknowledge("one", 1), attempted("two", 1), cancel("three"), redrive("dead", 9)];
      assert.deepEqual(await store.commit([write("a", { baseRevision: 1, alarms: changes })]), [0]);
      assert.deepEqual(await alarmsOf(store, "a"), before);
    },
  },
];

/** A new setting. */
export function set(
  name: string,
  dueAt: number,
  parts: { readonly payload?: string; readonly rule?: string } = {},
): AlarmChange {
  return { change: "set", name, dueAt, payload: parts.payload ?? null, rule: parts.rule ?? null };
}

/** An attempt that failed; the alarm is due again at 50, unless said otherwise. */
export function attempted(
  name: string,
  generation: number,
  parts: { readonly dueAt?: number; readonly attempts?: number; readonly status?: "set" | "dead" } = {},
): AlarmChange {
  const { dueAt = 50, attempts = 1, status = "set" } = parts;
  return { change: "attempted", name, generation, dueAt, attempts, status, lastError: "it broke" };
}

function cancel(name: string): AlarmChange {
  return { change: "cancel", name };
}

function acknowledge(name: string, generation: number): AlarmChange {
  return { change: "acknowledge", name, generation };
}

function redrive(name: string, dueAt: number): AlarmChange {
  return { change: "redrive", name, dueAt };
}

async function alarmsOf({ store }: NumberedStore, id: string): Promise<readonly StoredAlarm[]> {
  return (await store.listAlarms(address(id))).map((alarm) => ({ ...alarm }));
}

async function namesOf(store: NumberedStore, id: string): Promise<readonly string[]> {
  return (await alarmsOf(store, id)).map((alarm) => alarm.name);
}
