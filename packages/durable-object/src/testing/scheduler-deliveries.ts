/** What becomes of a delivery: it goes on, is put off, fails, or is the last one. */

import assert from "node:assert/strict";
import type { SchedulerCase } from "./scheduler-case.ts";
import { isHandled, setMany } from "./scheduler-due.ts";

export const deliveryCases: readonly SchedulerCase[] = [
  {
    name: "delivers an alarm once at a time, however long its handler takes",
    async run(tested) {
      const gate = tested.gate();
      tested.handle = async (delivery) => {
        if (delivery.alarm.address.id === "slow") await gate.passed;
        return await tested.acknowledge(delivery);
      };
      await tested.set("slow", tested.nowMs - 1_000);
      tested.start();
      await tested.until("it is delivered", () => tested.of("slow").length > 0);
      // The store goes on to list it while the scheduler looks for others.
      for (let round = 0; round < 3; round++) await tested.pause();
      assert.equal(tested.of("slow").length, 1);
      gate.open();
      await tested.until("it is handled", () => isHandled(tested, "slow"));
      await tested.pause();
      assert.equal(tested.of("slow").length, 1);
    },
  },
  {
    name: "delivers an alarm again that was put off, when it is due again",
    async run(tested) {
      const waits: number[] = [];
      tested.handle = async (delivery) => {
        const { address, name, generation, attempts } = delivery.alarm;
        if (address.id !== "retried" || attempts === 2) return await tested.acknowledge(delivery);
        const dueAt = tested.nowMs + 300;
        waits.push(dueAt);
        const attempt = { change: "attempted", name, generation, dueAt, status: "set", lastError: "it broke" } as const;
        await tested.change(address, { ...attempt, attempts: attempts + 1 });
        return new Error("it broke");
      };
      await tested.set("retried", tested.nowMs - 1_000);
      tested.start();
      await tested.until("it is handled", () => tested.of("retried")[2]?.isOver === true);
      assert.deepEqual(
        tested.of("retried").map(({ alarm }) => alarm.attempts),
        [0, 1, 2],
      );
      assert.deepEqual(
        tested
          .of("retried")
          .map(({ alarm }) => alarm.dueAt)
          .slice(1),
        waits,
      );
      await tested.pause();
      assert.equal(tested.of("retried").length, 3);
    },
  },
  {
    name: "delivers an alarm again that sets itself, as often as it does",
    async run(tested) {
      tested.handle = async (delivery) => {
        const { address, name, generation } = delivery.alarm;
        if (address.id !== "repeats" || tested.of("repeats").length === 5) return await tested.acknowledge(delivery);
        // As if it had been down: the next one is due already, every other time.
        const dueAt = tested.nowMs + (generation % 2 === 0 ? 200 : -200);
        await tested.change(address, { change: "set", name, dueAt, payload: null, rule: null });
        return null;
      };
      await tested.set("repeats", tested.nowMs);
      tested.start();
      await tested.until("it is handled", () => tested.of("repeats")[4]?.isOver === true);
      assert.deepEqual(
        tested.of("repeats").map(({ alarm }) => alarm.generation),
        [1, 2, 3, 4, 5],
      );
      await tested.pause();
      assert.equal(tested.of("repeats").length, 5);
    },
  },
  {
    name: "takes up again what could not be delivered, says so, and goes on with the others",
    async run(tested) {
      let failures = 0;
      tested.handle = async (delivery) => {
        if (delivery.alarm.address.id !== "unlucky" || failures === 3) return await tested.acknowledge(delivery);
        failures += 1;
        throw new Error("the object could not be loaded");
      };
      await tested.set("unlucky", tested.nowMs - 1_000);
      await tested.set("other", tested.nowMs - 500);
      tested.start();
      await tested.until("the others are handled", () => isHandled(tested, "other"));
      await tested.pause();
      await tested.until("it is handled", () => tested.of("unlucky")[3]?.isOver === true);
      await tested.pause();
      assert.equal(tested.of("unlucky").length, 4);
      assert.ok(
        tested.warnings.some((warning) => warning.includes("unlucky")),
        "it says so",
      );
    },
  },
  {
    name: "does not take up again what could not be delivered if it is gone",
    async run(tested) {
      tested.handle = async (delivery) => {
        if (delivery.alarm.address.id !== "unlucky") return await tested.acknowledge(delivery);
        throw new Error("the object could not be loaded");
      };
      await tested.set("unlucky", tested.nowMs - 1_000);
      tested.start();
      await tested.until("it is delivered", () => isHandled(tested, "unlucky"));
      await tested.change("unlucky", { change: "cancel", name: "ring" });
      const count = tested.of("unlucky").length;
      // Longer than anybody rests.
      await tested.set("much later", tested.nowMs + 3_000);
      await tested.until("later alarms are delivered", () => isHandled(tested, "much later"));
      assert.equal(tested.of("unlucky").length, count);
    },
  },
  {
    name: "goes on when the store cannot be asked, and says so",
    async run(tested) {
      tested.failingReads = 3;
      await tested.set("before", tested.nowMs - 1_000);
      tested.start();
      await tested.until("it is delivered", () => isHandled(tested, "before"));
      assert.ok(tested.warnings.length > 0, "it says so");
      tested.failingReads = 2;
      await tested.set("after", tested.nowMs + 300);
      await tested.until("it is delivered", () => isHandled(tested, "after"));
    },
  },
  {
    name: "waits for what it has begun when it is stopped, and begins nothing more",
    async run(tested) {
      const gate = tested.gate();
      tested.handle = (delivery) => gate.passed.then(() => tested.acknowledge(delivery));
      await setMany(tested, 1_500, "", tested.nowMs - 10_000);
      await tested.set("soon", tested.nowMs + 300);
      tested.start();
      await tested.until("it has begun", () => tested.deliveries.length > 0);
      await tested.time.pass(100);
      const begun = tested.deliveries.length;
      let isStopped = false;
      const stopped = tested.stop().then(() => (isStopped = true));
      await tested.set("new", tested.nowMs);
      await tested.time.pass(1_000);
      assert.ok(!isStopped, "it waits");
      gate.open();
      await tested.until("it has stopped", () => isStopped);
      await stopped;
      await tested.set("newer", tested.nowMs);
      await tested.time.pass(1_000);
      tested.assertFaultless();
      assert.equal(tested.deliveries.length, begun);
    },
  },
  {
    name: "revokes what it has begun also while it stops",
    async run(tested) {
      const gate = tested.gate();
      tested.handle = (delivery) => gate.passed.then(() => tested.acknowledge(delivery));
      await tested.set("moved", tested.nowMs - 1_000);
      await tested.set("stays", tested.nowMs - 1_000);
      tested.start();
      await tested.until("both are delivered", () => tested.deliveries.length === 2);
      const stopped = tested.stop();
      await tested.set("moved", tested.nowMs + 86_400_000);
      assert.deepEqual([tested.of("moved")[0]?.revoked !== 0, tested.of("stays")[0]?.revoked], [true, 0]);
      gate.open();
      await stopped;
    },
  },
  {
    name: "stops at once if it has begun nothing, or what it has begun fails",
    async run(tested) {
      tested.start();
      await tested.stop();
      await tested.time.pass(500);
      const gate = tested.gate();
      tested.handle = async () => {
        await gate.passed;
        throw new Error("the runtime closes");
      };
      await tested.set("unlucky", tested.nowMs - 1_000);
      tested.start();
      await tested.until("it is delivered", () => tested.deliveries.length === 1);
      const stopped = tested.stop();
      gate.open();
      await stopped;
      await tested.time.pass(3_000);
      tested.assertFaultless();
      assert.equal(tested.deliveries.length, 1);
    },
  },
  {
    name: "starts again for the next runtime, and finds what is left",
    async run(tested) {
      await tested.set("first", tested.nowMs);
      tested.start();
      await tested.until("it is delivered", () => isHandled(tested, "first"));
      await tested.stop();
      await tested.set("second", tested.nowMs - 1_000);
      await tested.set("third", tested.nowMs + 600);
      tested.start();
      await tested.until("both are delivered", () => isHandled(tested, "second") && isHandled(tested, "third"));
      assert.equal(tested.deliveries.length, 3);
    },
  },
];
