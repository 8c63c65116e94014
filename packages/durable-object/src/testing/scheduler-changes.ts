/** What a scheduler hears of commits: it wakes for what is set, and what was changed does not fire as it was. */

import assert from "node:assert/strict";
import { address } from "./object-store-case.ts";
import type { SchedulerCase } from "./scheduler-case.ts";
import { isHandled, setMany } from "./scheduler-due.ts";

export const changedCases: readonly SchedulerCase[] = [
  {
    name: "wakes for alarms that are set while it has nothing to do",
    async run(tested) {
      tested.start();
      await tested.time.pass(500);
      await tested.set("soon", tested.nowMs + 300);
      await tested.until("it is delivered", () => isHandled(tested, "soon"));
      await tested.set("at once", tested.nowMs);
      await tested.until("it is delivered", () => isHandled(tested, "at once"));
      await tested.set("overdue", tested.nowMs - 5_000);
      await tested.until("it is delivered", () => isHandled(tested, "overdue"));
    },
  },
  {
    name: "wakes for an alarm that is set before the one it waits for",
    async run(tested) {
      await tested.set("tomorrow", tested.nowMs + 86_400_000);
      tested.start();
      await tested.time.pass(200);
      const earlyAt = tested.nowMs + tested.time.aheadMs;
      await tested.set("late", earlyAt + 300);
      await tested.set("early", earlyAt);
      await tested.until("both are delivered", () => isHandled(tested, "early") && isHandled(tested, "late"));
      assert.deepEqual(
        tested.deliveries.map(({ alarm }) => alarm.address.id),
        ["early", "late"],
      );
    },
  },
  {
    name: "delivers an alarm when it is due that is moved, nearer or further",
    async run(tested) {
      const firstAt = tested.nowMs + tested.time.aheadMs;
      await tested.set("further", firstAt);
      await tested.set("nearer", firstAt + 86_400_000);
      tested.start();
      await tested.time.pass(100);
      await tested.set("further", firstAt + 600);
      await tested.set("nearer", firstAt + 300);
      await tested.until("both are delivered", () => isHandled(tested, "nearer") && isHandled(tested, "further"));
      assert.equal(tested.deliveries.length, 2);
    },
  },
  {
    name: "does not deliver what was cancelled or deleted before it was due",
    async run(tested) {
      const dueAt = tested.nowMs + tested.time.aheadMs;
      for (const id of ["cancelled", "all cancelled", "deleted", "stays"]) await tested.set(id, dueAt);
      tested.start();
      await tested.time.pass(100);
      await tested.change("cancelled", { change: "cancel", name: "ring" });
      await tested.commit([
        { at: address("all cancelled"), parts: { cancelAllAlarms: true } },
        { at: address("deleted"), parts: { deleted: true, state: null } },
      ]);
      await tested.until("what stays is delivered", () => isHandled(tested, "stays"));
      await tested.pause();
      assert.equal(tested.deliveries.length, 2);
    },
  },
  {
    name: "revokes what it has delivered when it is moved, cancelled or deleted",
    async run(tested) {
      const gate = tested.gate();
      tested.handle = (delivery) => gate.passed.then(() => tested.acknowledge(delivery));
      const { nowMs } = tested;
      const ids = ["moved", "set again", "cancelled", "all cancelled", "deleted", "put off", "stays"];
      for (const id of ids) await tested.set(id, nowMs - 1_000);
      tested.start();
      await tested.until("all are delivered", () => tested.deliveries.length === ids.length);
      await tested.set("moved", nowMs + 900);
      await tested.set("set again", nowMs - 1_000);
      await tested.change("cancelled", { change: "cancel", name: "ring" });
      const attempt = { change: "attempted", name: "ring", generation: 1, status: "set", attempts: 1 } as const;
      await tested.change("put off", { ...attempt, dueAt: nowMs + 900, lastError: null });
      await tested.commit([
        { at: address("all cancelled"), parts: { cancelAllAlarms: true } },
        { at: address("deleted"), parts: { deleted: true, state: null } },
      ]);
      for (const id of ids) {
        const [delivery] = tested.of(id);
        assert.equal((delivery?.revoked ?? 0) > 0, id !== "stays", `"${id}" is revoked if it was changed`);
      }
      gate.open();
      const again = ["moved", "set again", "put off"];
      await tested.until("what is set is delivered as it is", () =>
        again.every((id) => tested.of(id).length === 2 && tested.of(id)[1]?.isOver === true),
      );
      await tested.pause();
      for (const id of ids) assert.equal(tested.of(id).length, again.includes(id) ? 2 : 1, `deliveries of "${id}"`);
    },
  },
  {
    name: "delivers what is set anew while an earlier delivery goes on",
    async run(tested) {
      const gate = tested.gate();
      tested.handle = async (delivery) => {
        if (delivery.alarm.generation === 1) await gate.passed;
        return await tested.acknowledge(delivery);
      };
      await tested.set("object", tested.nowMs - 1_000);
      tested.start();
      await tested.until("it is delivered", () => tested.deliveries.length === 1);
      await tested.set("object", tested.nowMs);
      await tested.time.pass(500);
      gate.open();
      await tested.until("it is delivered as it is now", () => tested.of("object")[1]?.isOver === true);
      assert.equal(tested.of("object")[1]?.alarm.generation, 2);
      await tested.pause();
      assert.equal(tested.of("object").length, 2);
    },
  },
  {
    name: "revokes nothing else: no other alarm, object, type or tenant",
    async run(tested) {
      const gate = tested.gate();
      tested.handle = (delivery) => gate.passed.then(() => tested.acknowledge(delivery));
      const { nowMs } = tested;
      const others = [address("y"), address("x", "cart"), address("x", "counter", "acme")];
      const later = { change: "set", name: "chime", dueAt: nowMs + 86_400_000, payload: null, rule: null } as const;
      for (const at of [address("x"), ...others]) await tested.set(at, nowMs - 1_000);
      tested.start(["counter", "cart"]);
      await tested.until("all are delivered", () => tested.deliveries.length === 4);
      const revoked = (): readonly string[] => {
        const deliveries = tested.deliveries.filter((delivery) => delivery.revoked > 0);
        return deliveries.map(({ alarm: { address: at, name } }) => `${at.tenant}/${at.type}/${at.id} ${name}`);
      };
      await tested.change("x", later);
      assert.deepEqual(revoked(), []);
      await tested.change("x", { change: "cancel", name: "ring" });
      assert.deepEqual(revoked(), ["/counter/x ring"]);
      gate.open();
      await tested.until("the others are handled", () => tested.deliveries.every(({ isOver }) => isOver));
      await tested.pause();
      // And the one that the pause waits for.
      assert.equal(tested.deliveries.length, 5);
    },
  },
  {
    name: "does not deliver as it was what is changed while it waits among many",
    async run(tested) {
      const gate = tested.gate();
      tested.handle = (delivery) => gate.passed.then(() => tested.acknowledge(delivery));
      const { nowMs } = tested;
      const many = 1_500;
      await setMany(tested, many, "", nowMs - 10_000);
      tested.start();
      await tested.until("it has begun", () => tested.deliveries.length > 0);
      await tested.time.pass(100);
      // Some of these were delivered, and others wait, if it does not deliver all at once.
      const changed = [0, 1, 700, 701, many - 2, many - 1].map((number) => `many-${number}`);
      const before = new Map(changed.map((id) => [id, tested.of(id)]));
      for (const [index, id] of changed.entries()) {
        if (index % 2 === 0) await tested.set(id, nowMs + 600);
        else await tested.change(id, { change: "cancel", name: "ring" });
      }
      assert.ok(
        [...before.values()].flat().every(({ revoked }) => revoked > 0),
        "what was delivered of them is revoked",
      );
      gate.open();
      await tested.until("the others are handled, and those that were moved", () => tested.waiting === 0);
      await tested.pause();
      for (const [index, id] of changed.entries()) {
        const deliveries = tested.of(id).length - (before.get(id)?.length ?? 0);
        assert.equal(deliveries, index % 2 === 0 ? 1 : 0, `deliveries of ${id} after it was changed`);
      }
    },
  },
  {
    name: "does not deliver as it was what is changed while the store is being asked",
    async run(tested) {
      const { nowMs } = tested;
      for (const id of ["moved", "cancelled", "stays"]) await tested.set(id, nowMs - 1_000);
      const gate = tested.gate();
      tested.answers = gate.passed;
      tested.start();
      await tested.until("it has asked", () => tested.reads > 0);
      // The answer is on its way when they change.
      await tested.set("moved", nowMs + 900);
      await tested.change("cancelled", { change: "cancel", name: "ring" });
      await tested.set("new", nowMs + 600);
      gate.open();
      await tested.until("the others are delivered", () => isHandled(tested, "stays") && isHandled(tested, "new"));
      await tested.until("what was moved is delivered", () => isHandled(tested, "moved"));
      assert.equal(tested.deliveries.length, 3);
    },
  },
  {
    name: "delivers the other alarms of an object of which one is changed while the store is being asked",
    async run(tested) {
      await tested.set("object", tested.nowMs - 1_000, "ring");
      await tested.set("object", tested.nowMs - 1_000, "chime");
      const gate = tested.gate();
      tested.answers = gate.passed;
      tested.start();
      await tested.until("it has asked", () => tested.reads > 0);
      await tested.change("object", { change: "cancel", name: "ring" });
      gate.open();
      await tested.until("the other one is delivered", () => isHandled(tested, "object", "chime"));
      assert.equal(tested.deliveries.length, 1);
    },
  },
];
