/** Random histories: every store answers everything as the reference model in memory does. */

import type { Arbitrary } from "fast-check";
import { array, assert, asyncProperty, boolean, constant, constantFrom, integer, option, record } from "fast-check";
import { expect, test } from "vitest";
import { memory } from "../../src/memory/index.ts";
import type {
  AddressedAlarm,
  AlarmChange,
  CommitBatch,
  ObjectStore,
  ObjectWrite,
  OpenObjectStore,
} from "../../src/ports/object-store.ts";
import { address } from "../../src/testing/object-store-case.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { stores as kinds } from "../support/stores.ts";

const ids = ["a", "b", "\u{1F600}"] as const;
const keys = ["k", "l"] as const;
const time = integer({ min: 0, max: 20 });

/** A write; its base is given as a distance from the stored revision, which is mostly 0. */
const aWrite = record({
  behind: constantFrom(0, 0, 0, 0, 1, -1),
  state: option(constantFrom("1", "2", '"x"')),
  stateVersion: integer({ min: 1, max: 3 }),
  deleted: constantFrom(false, false, false, true),
  cancelAllAlarms: constantFrom(false, false, true),
  alarms: array(
    record({
      name: constantFrom(...keys),
      change: constantFrom("set", "set", "cancel", "acknowledge", "attempted", "redrive"),
      generation: integer({ min: 1, max: 4 }),
      dueAt: time,
      payload: option(constant('"p"')),
      rule: option(constant("{}")),
      attempts: integer({ min: 1, max: 3 }),
      dies: boolean(),
    }),
    { maxLength: 2 },
  ),
  replies: array(record({ key: constantFrom(...keys), result: option(constantFrom("", "1")), expiresAt: time }), {
    maxLength: 2,
  }),
});

const step = record({
  what: constantFrom("commit", "commit", "commit", "commit", "sendAgain", "sweep", "reopen"),
  at: time,
  writes: array(option(aWrite), { minLength: ids.length, maxLength: ids.length }),
  limit: integer({ min: 1, max: 3 }),
});

type Write = typeof aWrite extends Arbitrary<infer Value> ? Value : never;

function alarmChange(alarm: Write["alarms"][number]): AlarmChange {
  const { name, generation, dueAt, payload, rule, attempts, dies } = alarm;
  switch (alarm.change) {
    case "set":
      return { change: "set", name, dueAt, payload, rule };
    case "attempted": {
      const lastError = `after ${attempts}`;
      return { change: "attempted", name, generation, dueAt, attempts, status: dies ? "dead" : "set", lastError };
    }
    case "acknowledge":
      return { change: "acknowledge", name, generation };
    case "redrive":
      return { change: "redrive", name, dueAt };
    default:
      return { change: "cancel", name };
  }
}

function objectWrite(id: string, revision: number, { behind, alarms, replies, ...parts }: Write): ObjectWrite {
  return {
    ...parts,
    address: address(id),
    baseRevision: Math.max(0, revision - behind),
    state: parts.deleted ? null : parts.state,
    alarms: uniqueBy(alarms, ({ name }) => name).map(alarmChange),
    replies: uniqueBy(replies, ({ key }) => key).map((reply) => ({ ...reply, fingerprint: `f${reply.expiresAt}` })),
    statements: [],
  };
}

function uniqueBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): readonly Item[] {
  return [...new Map(items.map((item) => [keyOf(item), item])).values()];
}

function sortable(alarm: AddressedAlarm): string {
  return JSON.stringify(Object.entries(alarm).toSorted(([a], [b]) => a.localeCompare(b)));
}

/** Everything that can be seen of a store. */
async function view(store: OpenObjectStore): Promise<unknown> {
  const addresses = ids.map((id) => address(id));
  const replies = addresses.flatMap((at) => keys.map((key) => store.findReply(at, key, 10)));
  return {
    objects: await store.load(addresses),
    alarms: await Promise.all(addresses.map((at) => store.listAlarms(at))),
    replies: await Promise.all(replies),
    // In which order alarms come that are due at the same time is not said.
    due: (await store.dueAlarms({ type: "counter", tenant: null, dueBy: 12, limit: 99 })).map(sortable).sort(),
    next: await store.nextDueAfter(["counter", "other"], 12),
    tenants: await store.dueTenants("counter", 12),
    dead: await store.deadAlarms({ tenant: "", type: "counter", after: { id: "a", name: "k" }, limit: 3 }),
    listed: await store.listObjects({ tenant: "", type: "counter", after: "a", limit: 2 }),
    lastNumber: store.lastNumber,
  };
}

const others = kinds.filter(({ name }) => name !== "memory");

test.each(others)("random histories look the same in memory and in $name", { timeout: 60_000 }, async (kind) => {
  const environment = systemEnvironment;
  const open = (store: ObjectStore) => store.open({ environment, node: "tester" });
  await assert(
    asyncProperty(array(step, { maxLength: 25 }), async (steps) => {
      const model = memory();
      const disk = await kind.create();
      let stores = [await open(model), await open(disk.open())] as const;
      let last: CommitBatch | null = null;
      /** Does the same to both, and expects the same answer. */
      const both = async (act: (store: OpenObjectStore) => Promise<unknown>): Promise<void> => {
        const [expected, actual] = await Promise.all(stores.map((store) => act(store)));
        expect(actual).toEqual(expected);
      };
      for (const { what, at, writes, limit } of steps) {
        if (what === "commit") {
          const [first] = stores;
          const stored = await first.load(ids.map((id) => address(id)));
          const batch: CommitBatch = {
            number: first.lastNumber + 1,
            at,
            writes: writes.flatMap((write, index) =>
              write === null ? [] : [objectWrite(ids[index] ?? "", stored[index]?.revision ?? 0, write)],
            ),
          };
          last = batch;
          await both((store) => store.commit(batch));
        } else if (what === "sendAgain" && last !== null) {
          const batch = last;
          await both((store) => store.commit(batch));
        } else if (what === "sweep") {
          // Which ones a limit leaves is not said; so everything goes, in several rounds.
          for (let round = 0; round < 10; round++)
            await both((store) => store.sweep({ now: at, tombstonesBefore: at, limit }));
        } else if (what === "reopen") {
          for (const store of stores) await store.close();
          stores = [await open(model), await open(disk.open())];
          last = null;
        }
        await both(view);
      }
      for (const store of stores) await store.close();
    }),
    { numRuns: kind.name === "sqlite" ? 150 : 60 },
  );
});
