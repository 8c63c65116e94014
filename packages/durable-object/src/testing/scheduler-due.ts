/** What is delivered, and when: all that is due, nothing early, in order, and everybody's. */

import assert from "node:assert/strict";
import { address } from "./object-store-case.ts";
import type { SchedulerCase, TestedScheduler } from "./scheduler-case.ts";

/** More than a scheduler reads at a time. */
const flood = 2_500;

export const dueCases: readonly SchedulerCase[] = [
  {
    name: "delivers what was due before it started, what comes due after, and nothing early",
    async run(tested) {
      const { nowMs } = tested;
      await tested.set("overdue", nowMs - 86_400_000);
      await tested.set("due", nowMs);
      await tested.set("soon", nowMs + 400);
      await tested.set("later", nowMs + 900);
      await tested.set("tomorrow", nowMs + 86_400_000);
      await tested.set("in a hundred years", nowMs + 36_525 * 86_400_000);
      tested.start();
      await tested.until("what is due is delivered", () => isHandled(tested, "overdue") && isHandled(tested, "due"));
      await tested.until("what came due is delivered", () => isHandled(tested, "soon") && isHandled(tested, "later"));
      assert.equal(tested.deliveries.length, 4);
    },
  },
  {
    name: "hands over the alarm as it is stored",
    async run(tested) {
      const at = address("東京 \u{1F600}", "counter", "acme");
      const { nowMs } = tested;
      const setting = {
        change: "set",
        name: "it's",
        dueAt: nowMs,
        payload: '{"a":[1,"ä"]}',
        rule: '{"every":60000}',
      } as const;
      await tested.change(at, setting);
      tested.start();
      await tested.until("it is delivered", () => tested.deliveries.length > 0);
      const [delivery] = tested.deliveries;
      assert.deepEqual(
        { ...delivery?.alarm, address: { ...delivery?.alarm.address } },
        {
          address: at,
          name: "it's",
          dueAt: nowMs,
          scheduledAt: nowMs,
          generation: 1,
          payload: '{"a":[1,"ä"]}',
          rule: '{"every":60000}',
          attempts: 0,
          status: "set",
          lastError: null,
          suspect: false,
        },
      );
    },
  },
  {
    name: "delivers in the order in which alarms are due",
    async run(tested) {
      const { nowMs } = tested;
      // Neither the order of their ids nor that in which they were set.
      const places = Array.from({ length: 40 }, (_, index) => (index * 17) % 40);
      for (const place of places) await tested.set(`object-${(place * 23) % 40}`, nowMs - 10_000 + place);
      tested.start();
      await tested.until("all are delivered", () => tested.deliveries.length === 40);
      const dueAts = tested.deliveries.map(({ alarm }) => alarm.dueAt);
      assert.deepEqual(
        dueAts,
        dueAts.toSorted((left, right) => left - right),
      );
    },
  },
  {
    name: "delivers several alarms of one object, each once",
    async run(tested) {
      const { nowMs } = tested;
      const names = ["a", "b", "c", "d"];
      const set = names.map((name, index) => {
        return { change: "set", name, dueAt: nowMs + index * 150, payload: null, rule: null } as const;
      });
      await tested.change("object", ...set);
      tested.start();
      await tested.until("all are delivered", () => names.every((name) => isHandled(tested, "object", name)));
      await tested.pause();
      for (const name of names) assert.equal(tested.of("object", name).length, 1, `"${name}" is delivered once`);
    },
  },
  {
    name: "delivers more than it reads at a time, each once",
    async run(tested) {
      await setMany(tested, flood, "", tested.nowMs - 5_000);
      tested.start();
      await tested.until("all are delivered", () => tested.deliveries.length >= flood);
      await tested.pause();
      assert.equal(tested.deliveries.length, flood + 1);
      assert.equal(new Set(tested.deliveries.map(({ alarm }) => alarm.address.id)).size, flood + 1);
    },
  },
  {
    name: "gives each type and tenant its share, whatever the others have",
    async run(tested) {
      const { nowMs } = tested;
      await setMany(tested, flood, "loud", nowMs - 3_600_000);
      // They came due after the whole flood.
      const quiet = [
        address("x", "counter", "quiet"),
        address("x", "counter"),
        address("x", "cart", "loud"),
        address("x", "cart", "quiet"),
        address("x", "a-type", "loud"),
      ];
      for (const at of quiet) await tested.set(at, nowMs - 1_000);
      tested.start(["counter", "cart", "a-type"]);
      await tested.until("the few are delivered", () => quiet.every((at) => tested.of(at).length > 0));
      const loud = tested.deliveries.findLastIndex(({ alarm }) => alarm.address.id === "x");
      assert.ok(loud < flood / 2, `${loud} of the many came first`);
      await tested.until("the many are delivered", () => tested.deliveries.length === flood + quiet.length);
    },
  },
  {
    name: "leaves alarms of types alone that it does not know, and says so",
    async run(tested) {
      const stranger = address("x", "stranger");
      const { nowMs } = tested;
      await tested.set(stranger, nowMs - 1_000);
      await tested.set(address("y", "stranger"), nowMs - 1_000);
      await tested.set("known", nowMs - 500);
      tested.start();
      await tested.until("what is known is delivered", () => isHandled(tested, "known"));
      await tested.until("it says so", () => tested.warnings.some((warning) => warning.includes("stranger")));
      await tested.pause();
      await tested.stop();
      assert.equal(tested.of(stranger).length, 0);
      // They were left as they were, for whoever knows them.
      tested.start(["stranger"]);
      await tested.until("who knows them gets them", () => isHandled(tested, stranger));
    },
  },
  {
    name: "does not deliver what is dead, and delivers it once it is redriven",
    async run(tested) {
      const { nowMs } = tested;
      await tested.set("object", nowMs - 2_000);
      const death = { change: "attempted", name: "ring", generation: 1, attempts: 12, lastError: "it broke" } as const;
      await tested.change("object", { ...death, dueAt: nowMs - 1_000, status: "dead" });
      tested.start();
      await tested.pause();
      assert.equal(tested.of("object").length, 0);
      await tested.change("object", { change: "redrive", name: "ring", dueAt: tested.nowMs });
      await tested.until("it is delivered", () => isHandled(tested, "object"));
    },
  },
];

/** Whether an alarm was delivered, and that is over. */
export function isHandled(tested: TestedScheduler, id: Parameters<TestedScheduler["of"]>[0], name = "ring"): boolean {
  return tested.of(id, name).some(({ isOver }) => isOver);
}

/** Sets an alarm on each of many objects, one millisecond apart. */
export async function setMany(tested: TestedScheduler, count: number, tenant: string, dueAt: number): Promise<void> {
  for (let from = 0; from < count; from += 500) {
    const numbers = Array.from({ length: Math.min(500, count - from) }, (_, index) => from + index);
    await tested.commit(
      numbers.map((number) => ({
        at: address(`many-${number}`, "counter", tenant),
        parts: { alarms: [{ change: "set", name: "ring", dueAt: dueAt + number, payload: null, rule: null }] },
      })),
    );
  }
}
