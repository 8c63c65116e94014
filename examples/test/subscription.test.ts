/** Thirty days, a crash and a failed commit, in virtual time. */

import { createTestRuntime } from "durable-object/testing";
import { expect, test } from "vitest";
import { Subscription } from "../subscription/subscription.ts";

test("a subscription ends thirty days after the last payment", async () => {
  await using t = await createTestRuntime({ objects: [Subscription] });
  const ann = t.get(Subscription, "ann");
  await ann.pay(900);
  await t.advance("29d");
  await ann.pay(900);
  await t.advance("29d");
  expect((await ann.look()).active).toBe(true);
  await t.advance("1d");
  expect(await ann.look()).toEqual({ paidCents: 1800, active: false });
});

test("a payment whose reply was lost in a crash is not taken twice", async () => {
  await using t = await createTestRuntime({ objects: [Subscription] });
  const payment = t.get(Subscription, "ann", { idempotencyKey: "payment 7" });
  t.faults.crashAfter("commit");
  await expect(payment.pay(900)).rejects.toMatchObject({ code: "REPLY_LOST", outcome: "unknown" });
  await t.restart();
  expect(await payment.pay(900)).toBe(900);
  await t.object(Subscription, "ann").assertPersisted({ paidCents: 900, active: true });
});

test("a payment that cannot be saved leaves nothing behind, not even its alarm", async () => {
  await using t = await createTestRuntime({ objects: [Subscription] });
  const ann = t.get(Subscription, "ann");
  t.faults.failNextCommit();
  await expect(ann.pay(900)).rejects.toMatchObject({ code: "COMMIT_FAILED", outcome: "not-applied" });
  expect(await ann.look()).toEqual({ paidCents: 0, active: false });
  await t.object(Subscription, "ann").refuteAlarmScheduled("expire");
});
