/** What a scheduler asks: which alarms are due, when the next one is, and which are dead. */

import assert from "node:assert/strict";
import type { AddressedAlarm, AlarmChange } from "../ports/object-store.ts";
import { attempted, set } from "./object-store-alarms.ts";
import type { NumberedStore, ObjectStoreCase } from "./object-store-case.ts";
import { address, storedAlarm, write } from "./object-store-case.ts";

export const dueAlarmCases: readonly ObjectStoreCase[] = [
  {
    name: "finds due alarms of one type, those due longest first, and no more than asked for",
    async run(tested) {
      const store = await tested.open();
      await store.apply(
        write("a", { alarms: [set("late", 30, { payload: "7", rule: '{"every":"1h"}' }), set("future", 31)] }),
        write("b", { alarms: [set("first", 10)] }),
        write("c", { alarms: [set("second", 20)] }),
        write(address("a", "other"), { alarms: [set("elsewhere", 1)] }),
      );
      const due = await dueOf(store, { dueBy: 30 });
      assert.deepEqual(
        due.map((alarm) => ({ ...alarm, address: { ...alarm.address } })),
        [
          { ...storedAlarm({ name: "first", dueAt: 10, generation: 1 }), address: address("b"), suspect: false },
          { ...storedAlarm({ name: "second", dueAt: 20, generation: 1 }), address: address("c"), suspect: false },
          {
            ...storedAlarm({ name: "late", dueAt: 30, generation: 1, payload: "7", rule: '{"every":"1h"}' }),
            address: address("a"),
            suspect: false,
          },
        ],
      );
      assert.deepEqual(namesOf(await dueOf(store, { dueBy: 30, limit: 2 })), ["first", "second"]);
      assert.deepEqual(namesOf(await dueOf(store, { dueBy: 9 })), []);
      assert.deepEqual(namesOf(await dueOf(store, { dueBy: 99, type: "other" })), ["elsewhere"]);
      assert.deepEqual(namesOf(await dueOf(store, { dueBy: 99, type: "unknown" })), []);
    },
  },
  {
    name: "finds due alarms of one tenant behind a flood of another one's",
    async run(tested) {
      const store = await tested.open();
      const flood = Array.from({ length: 50 }, (_, index) => write(`f${index}`, { alarms: [set("n", 1)] }));
      await store.apply(...flood, write(address("x", "counter", "quiet"), { alarms: [set("q", 2)] }));
      assert.equal((await dueOf(store, { dueBy: 9, limit: 40 })).length, 40);
      assert.deepEqual(namesOf(await dueOf(store, { dueBy: 9, tenant: "quiet" })), ["q"]);
      assert.equal((await dueOf(store, { dueBy: 9, tenant: "" })).length, 50);
      assert.deepEqual(await dueOf(store, { dueBy: 9, tenant: "nobody" }), []);
      assert.deepEqual(await dueOf(store, { dueBy: 1, tenant: "quiet" }), []);
    },
  },
  {
    name: "does not find what was cancelled, acknowledged, moved, deleted, or is dead",
    async run(tested) {
      const store = await tested.open();
      const names = ["cancelled", "acknowledged", "moved", "retried", "dead", "stays"];
      await store.apply(
        write("a", { alarms: names.map((name) => set(name, 1)) }),
        write("b", { alarms: [set("deleted", 1)] }),
      );
      const changes: readonly AlarmChange[] = [
        { change: "cancel", name: "cancelled" },
        { change: "acknowledge", name: "acknowledged", generation: 1 },
        set("moved", 60),
        attempted("retried", 1, { dueAt: 50 }),
        attempted("dead", 1, { dueAt: 1, status: "dead" }),
      ];
      await store.apply(
        write("a", { baseRevision: 1, alarms: changes }),
        write("b", { baseRevision: 1, deleted: true }),
      );
      assert.deepEqual(namesOf(await dueOf(store, { dueBy: 9 })), ["stays"]);
      assert.deepEqual(namesOf(await dueOf(store, { dueBy: 50 })), ["stays", "retried"]);
      assert.deepEqual(namesOf(await dueOf(store, { dueBy: 60 })), ["stays", "retried", "moved"]);
      await store.apply(write("a", { baseRevision: 2, alarms: [{ change: "redrive", name: "dead", dueAt: 0 }] }));
      assert.deepEqual(namesOf(await dueOf(store, { dueBy: 9 })), ["dead", "stays"]);
    },
  },
  {
    name: "says when the next alarm of some types is due",
    async run(tested) {
      const store = await tested.open();
      const { store: open } = store;
      assert.equal(await open.nextDueAfter(["counter"], -1e15), null);
      await store.apply(
        write("a", { alarms: [set("one", 10), set("two", 30), set("dead", 15)] }),
        write(address("b", "counter", "t"), { alarms: [set("one", 20)] }),
        write(address("a", "other"), { alarms: [set("one", 12)] }),
      );
      await store.apply(write("a", { baseRevision: 1, alarms: [attempted("dead", 1, { dueAt: 15, status: "dead" })] }));
      assert.equal(await open.nextDueAfter(["counter"], 0), 10);
      assert.equal(await open.nextDueAfter(["counter"], 9), 10);
      assert.equal(await open.nextDueAfter(["counter"], 10), 20);
      assert.equal(await open.nextDueAfter(["counter"], 20), 30);
      assert.equal(await open.nextDueAfter(["counter"], 30), null);
      assert.equal(await open.nextDueAfter(["counter", "other"], 10), 12);
      assert.equal(await open.nextDueAfter(["other", "counter"], 12), 20);
      assert.equal(await open.nextDueAfter([], 0), null);
      assert.equal(await open.nextDueAfter(["unknown"], 0), null);
    },
  },
  {
    name: "names the tenants with due alarms of a type",
    async run(tested) {
      const store = await tested.open();
      const tenants = ["", "b", "a", "\u{1F600}", "\uFF5E"];
      await store.apply(
        ...tenants.map((tenant) => write(address("x", "counter", tenant), { alarms: [set("n", 5), set("m", 6)] })),
        write(address("x", "counter", "later"), { alarms: [set("n", 6)] }),
        write(address("x", "other", "elsewhere"), { alarms: [set("n", 5)] }),
        write(address("x", "counter", "dead"), { alarms: [set("n", 5)] }),
      );
      await store.apply(
        write(address("x", "counter", "dead"), {
          baseRevision: 1,
          alarms: [attempted("n", 1, { dueAt: 5, status: "dead" })],
        }),
      );
      assert.deepEqual(new Set(await store.store.dueTenants("counter", 5)), new Set(tenants));
      assert.deepEqual(await store.store.dueTenants("counter", 4), []);
      assert.deepEqual(await store.store.dueTenants("unknown", 5), []);
    },
  },
  {
    name: "names the types that have alarms that are set, each once",
    async run(tested) {
      const store = await tested.open();
      assert.deepEqual(await store.store.alarmTypes(), []);
      await store.apply(
        write(address("a", "beta"), { alarms: [set("n", 5)] }),
        write(address("b", "beta", "t"), { alarms: [set("n", 5)] }),
        write(address("a", "alpha"), { alarms: [set("n", 1e15)] }),
        write(address("a", "none")),
      );
      assert.deepEqual([...(await store.store.alarmTypes())].sort(), ["alpha", "beta"]);
      await store.apply(write(address("a", "alpha"), { baseRevision: 1, cancelAllAlarms: true }));
      assert.deepEqual(await store.store.alarmTypes(), ["beta"]);
      const death = attempted("n", 1, { status: "dead" });
      await store.apply(write(address("a", "beta"), { baseRevision: 1, alarms: [death] }));
      await store.apply(write(address("b", "beta", "t"), { baseRevision: 1, alarms: [death] }));
      assert.deepEqual(await store.store.alarmTypes(), []);
    },
  },
  {
    name: "pages through dead alarms by the bytes of ids and names",
    async run(tested) {
      const store = await tested.open();
      const ids = ["b", "a", "\u{1F600}", "\uFF5E", "aa"];
      const names = ["n", "m", "\u{1F600}", "\uFF5E"];
      const others = [address("a", "other"), address("a", "counter", "t")];
      const all = [...ids.map((id) => address(id)), ...others];
      await store.apply(...all.map((at) => write(at, { alarms: [...names, "alive"].map((name) => set(name, 5)) })));
      const deaths = names.map((name) => attempted(name, 1, { status: "dead", attempts: 12 }));
      await store.apply(...all.map((at) => write(at, { baseRevision: 1, alarms: deaths })));
      const bytes = (text: string): Buffer => Buffer.from(text);
      const sort = (texts: readonly string[]): string[] =>
        texts.toSorted((left, right) => Buffer.compare(bytes(left), bytes(right)));
      const expected = sort(ids).flatMap((id) => sort(names).map((name) => `${id} ${name}`));
      const paged: string[] = [];
      let after: { id: string; name: string } | null = null;
      for (;;) {
        const page: readonly AddressedAlarm[] = await store.store.deadAlarms({
          tenant: "",
          type: "counter",
          after,
          limit: 3,
        });
        for (const alarm of page) {
          paged.push(`${alarm.address.id} ${alarm.name}`);
          assert.deepEqual([alarm.status, alarm.attempts, alarm.lastError], ["dead", 12, "it broke"]);
        }
        const last = page.at(-1);
        if (page.length < 3 || last === undefined) break;
        after = { id: last.address.id, name: last.name };
      }
      assert.deepEqual(paged, expected);
    },
  },
];

async function dueOf(
  { store }: NumberedStore,
  query: { readonly dueBy: number; readonly limit?: number; readonly tenant?: string; readonly type?: string },
): Promise<readonly AddressedAlarm[]> {
  const { dueBy, limit = 100, tenant = null, type = "counter" } = query;
  return await store.dueAlarms({ type, tenant, dueBy, limit });
}

function namesOf(alarms: readonly AddressedAlarm[]): readonly string[] {
  return alarms.map((alarm) => alarm.name);
}
