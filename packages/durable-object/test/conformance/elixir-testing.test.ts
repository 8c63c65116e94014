/**
 * What the testing helpers of the Elixir library `durable_object` do, row by row (area TEST), and the
 * weakness W-TS-1: the same here, or what this library does instead;
 * docs/decisions/0003-conformance-differences.md lists the latter.
 */

import { expect, onTestFinished, test } from "vitest";
import { defineObject, noreply, reply, schedule } from "../../src/index.ts";
import {
  createTestRuntime,
  effects,
  eventually,
  nextState,
  perform,
  performAlarm,
  reason,
  result,
} from "../../src/testing/index.ts";
import { Account } from "../testing/account.ts";

async function begin() {
  const t = await createTestRuntime({ objects: [Account] });
  onTestFinished(() => t.stop());
  return { t, account: t.get(Account, "a"), object: t.object(Account, "a") };
}

test("TEST-1: tests share nothing, so they may run at the same time", async () => {
  const deposits = Array.from({ length: 20 }, async (_, index) => {
    const { account, object } = await begin();
    await account.deposit(index);
    return (await object.persisted())?.balance ?? 0;
  });
  expect(await Promise.all(deposits)).toEqual(Array.from({ length: 20 }, (_, index) => index));
});

test("TEST-2: perform returns what the handler returns", () => {
  const outcome = perform(Account, "deposit", [], { state: { balance: 5, name: "test" } });
  expect([result(outcome), nextState(outcome)]).toEqual([6, { balance: 6, name: "test", log: [] }]);
  expect(reason(perform(Account, "withdraw", [1]))).toMatchObject({ code: "too_much" });
  expect(() => perform(Account, "nonexistent" as "deposit", [])).toThrow(
    expect.objectContaining({ code: "UNKNOWN_HANDLER" }),
  );
  expect(effects(perform(Account, "withdraw", [1], { state: { balance: 1 } }))).toHaveLength(1);
});

test("TEST-3: performAlarm returns what the alarm's handler returns", () => {
  expect(nextState(performAlarm(Account, "second"))).toMatchObject({ balance: 100 });
  expect(() => performAlarm(Account, "nonexistent" as "first")).toThrow(
    expect.objectContaining({ code: "UNKNOWN_ALARM" }),
  );
});

test("TEST-4: assertAlarmScheduled, and within a time", async () => {
  const { account, object } = await begin();
  await expect(object.assertAlarmScheduled("audit")).rejects.toThrow(
    'Expected the alarm "audit" of account/a to be scheduled.',
  );
  await account.plan([["audit", 5]]);
  await object.assertAlarmScheduled("audit");
  await object.assertAlarmScheduled("audit", { within: 5_000 });
  await expect(object.assertAlarmScheduled("audit", { within: 1_000 })).rejects.toThrow(
    'Expected the alarm "audit" of account/a to be scheduled within 1000ms.',
  );
});

test("TEST-5: refuteAlarmScheduled", async () => {
  const { account, object } = await begin();
  await object.refuteAlarmScheduled("audit");
  await account.plan([["audit", 5]]);
  await expect(object.refuteAlarmScheduled("audit")).rejects.toThrow(
    'Expected no alarm "audit" of account/a to be scheduled.',
  );
});

test("TEST-6: all alarms, the next one first", async () => {
  const { t, account, object } = await begin();
  expect(await object.alarms()).toEqual([]);
  await account.plan([
    ["second", 20],
    ["first", 10],
  ]);
  const atMs = t.now().getTime();
  expect((await object.alarms()).map(({ name, at }) => [name, at])).toEqual([
    ["first", new Date(atMs + 10_000)],
    ["second", new Date(atMs + 20_000)],
  ]);
});

test("TEST-7: fireAlarm runs it now, starts the object, and takes it away unless it was set anew", async () => {
  const { t, account, object } = await begin();
  await account.plan([
    ["first", 3_600],
    ["again", 3_600],
  ]);
  await t.runtime.deactivate(Account, "a");
  await object.fireAlarm("first");
  await object.refuteAlarmScheduled("first");
  await object.fireAlarm("again");
  await object.assertAlarmScheduled("again", { within: "1s" });
  await object.assertPersisted({ balance: 11 });
  await expect(object.fireAlarm("audit")).rejects.toThrow('Expected the alarm "audit" of account/a to be scheduled.');
  await account.plan([["broken", 60]]);
  await expect(object.fireAlarm("broken")).rejects.toMatchObject({
    code: "HANDLER_FAILED",
    reason: { why: "it is broken" },
  });
});

test("TEST-8: drainAlarms fires the earliest first, those that are set on the way too", async () => {
  const { account, object } = await begin();
  expect(await object.drainAlarms()).toBe(0);
  await account.plan([["first", 60]]);
  expect(await object.drainAlarms()).toBe(2);
  await object.assertPersisted({ balance: 110 });
  await account.plan([["again", 1]]);
  await expect(object.drainAlarms()).rejects.toThrow(/After 100 alarms account\/a still has alarms.*Is it a loop/);
});

test("TEST-9: assertPersisted", async () => {
  const { account, object } = await begin();
  await expect(object.assertPersisted({ balance: 10 })).rejects.toThrow("Nothing is stored for it");
  await account.deposit(5);
  await object.assertPersisted({ balance: 5 });
  await expect(object.assertPersisted({ balance: 10 })).rejects.toThrow(
    "Expected the stored state of account/a to have balance = 10. It has balance = 5.",
  );
});

test("TEST-10: persisted is the stored state as handlers see it, nested values too", async () => {
  const Nested = defineObject({
    type: "nested",
    state: { at: { deep: [] as readonly number[] } },
    handlers: { dig: () => noreply({ at: { deep: [1, 2] } }) },
  });
  await using t = await createTestRuntime({ objects: [Nested] });
  expect(await t.object(Nested, "n").persisted()).toBeNull();
  await t.get(Nested, "n").dig();
  expect(await t.object(Nested, "n").persisted()).toEqual({ at: { deep: [1, 2] } });
});

test("TEST-11: eventually looks at once, then again and again", async () => {
  let looks = 0;
  await eventually(() => ++looks > 0);
  expect(looks).toBe(1);
  await eventually(() => ++looks >= 3, { interval: 1 });
  expect(looks).toBe(3);
  await expect(eventually(() => false, { timeout: 40, interval: 10 })).rejects.toThrow(
    "The condition did not become true within 40ms.",
  );
  const { t } = await begin();
  looks = 0;
  // In virtual time the number of looks is exact.
  await expect(t.eventually(() => ++looks > 99, { timeout: 100, interval: 30 })).rejects.toThrow("within 100ms");
  expect(looks).toBe(5);
});

test("TEST-12: no store has to be configured: a test has its own", async () => {
  await using t = await createTestRuntime({ objects: [Account] });
  await t.get(Account, "a").deposit(1);
  await t.object(Account, "a").assertPersisted({ balance: 1 });
});

test("W-TS-1: exactly as many alarms as allowed is no loop", async () => {
  const { account, object } = await begin();
  await account.plan([["second", 60]]);
  expect(await object.drainAlarms({ max: 1 })).toBe(1);
});

test("an alarm that fails is told as a failure, and not as a loop", async () => {
  const { account, object } = await begin();
  await account.plan([["broken", 60]]);
  await expect(object.drainAlarms()).rejects.toMatchObject({
    code: "HANDLER_FAILED",
    reason: { why: "it is broken" },
    message: expect.not.stringContaining("loop"),
  });
});

test("time is virtual", async () => {
  const Trial = defineObject({
    type: "trial",
    state: { over: false },
    handlers: {
      begin: ({ state }) => noreply(state, schedule("end", "30d")),
      isOver: ({ state }) => reply(state.over),
    },
    alarms: { end: () => noreply({ over: true }) },
  });
  await using t = await createTestRuntime({ objects: [Trial] });
  await t.get(Trial, "a").begin();
  await t.advance("29d");
  expect(await t.get(Trial, "a").isOver()).toBe(false);
  await t.advance("1d");
  expect(await t.get(Trial, "a").isOver()).toBe(true);
});

test("an alarm that is fired by hand is not fired a second time by the scheduler", async () => {
  const { t, account, object } = await begin();
  await account.plan([["second", 60]]);
  await Promise.all([object.fireAlarm("second"), t.advance("60s")]);
  await object.assertPersisted({ balance: 100 });
});
