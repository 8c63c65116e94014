/** A runtime in virtual time: what it does with time, and what a test can see of an object. */

import { expect, onTestFinished, test } from "vitest";
import { defineObject, noreply, reply, schedule } from "../../src/index.ts";
import { createTestRuntime, type TestRuntimeOptions } from "../../src/testing/index.ts";
import { codeOf } from "../support/outcome-of.ts";
import { stores } from "../support/stores.ts";
import { Account, Rate } from "./account.ts";

async function begin(options: Partial<TestRuntimeOptions> = {}) {
  const t = await createTestRuntime({ objects: [Account, Rate], ...options });
  onTestFinished(() => t.stop());
  return { t, account: t.get(Account, "a"), object: t.object(Account, "a") };
}

const messageOf = (error: unknown): string => (error as Error).message;

test("time stands still until it is moved", async () => {
  const { t } = await begin();
  expect(t.now()).toEqual(new Date(Date.UTC(2030, 0, 1)));
  await t.advance("1h");
  await t.advance(500);
  expect(t.now()).toEqual(new Date(Date.UTC(2030, 0, 1, 1, 0, 0, 500)));
  await t.advanceTo(new Date(Date.UTC(2030, 1, 1)));
  expect(t.now()).toEqual(new Date(Date.UTC(2030, 1, 1)));
  await t.advanceTo(new Date(0));
  expect(t.now()).toEqual(new Date(Date.UTC(2030, 1, 1)));
  await expect(t.advance("soon" as "1s")).rejects.toMatchObject({ code: "INVALID_OPTION" });
});

test("time begins when the test says", async () => {
  const { t } = await begin({ start: new Date(Date.UTC(2026, 1, 28, 23, 59, 59)) });
  await t.advance("1s");
  expect(t.now().toISOString()).toBe("2026-03-01T00:00:00.000Z");
});

test("alarms fire when they are due, in order, at their times", async () => {
  const { t, account } = await begin();
  await account.plan([
    ["second", 30],
    ["note", 20],
    ["first", 10],
  ]);
  await t.advance("9999ms");
  expect(await account.balance()).toBe(0);
  await t.advance(1);
  expect(await account.balance()).toBe(10);
  await t.advance("5s");
  expect(await account.balance()).toBe(110);
  await t.advance("30s");
  expect(await t.object(Account, "a").persisted()).toMatchObject({
    balance: 110,
    log: ["2030-01-01T00:00:20.000Z 1 /account/a/note/1"],
  });
});

test("thirty days pass at once, and an object that slept through them is there", async () => {
  const { t, account } = await begin();
  await account.deposit(3);
  await account.plan([["second", 30 * 86_400]]);
  await t.advance("30d");
  expect(await account.balance()).toBe(103);
});

test("timeouts are virtual too", async () => {
  const { t, account } = await begin();
  t.faults.delay("load", "10s");
  const call = account.deposit();
  const ending = codeOf(call);
  await t.advance("4999ms");
  await t.advance("11ms");
  expect(await ending).toBe("CALL_TIMEOUT");
});

test("objects hibernate and leave in virtual time", async () => {
  const { t } = await begin();
  const Sleeper = defineObject({
    type: "sleeper",
    state: {},
    handlers: { poke: () => reply("awake") },
    hibernateAfter: "1m",
    shutdownAfter: "1h",
  });
  const other = await createTestRuntime({ objects: [Sleeper] });
  await other.get(Sleeper, "s").poke();
  await other.advance("2m");
  expect(other.runtime.locate(Sleeper, "s")?.phase).toBe("hibernated");
  await other.advance("2h");
  expect(other.runtime.locate(Sleeper, "s")).toBeNull();
  await other.stop();
  await t.settle();
});

test("chance is decided by the seed", async () => {
  const retryAt = async (seed: number): Promise<string | undefined> => {
    const { t, account, object } = await begin({ seed });
    await account.plan([["broken", 1]]);
    await t.advance("1s");
    return (await object.alarms())[0]?.at.toISOString();
  };
  const first = await retryAt(1);
  expect(await retryAt(1)).toBe(first);
  expect(await retryAt(2)).not.toBe(first);
});

test("a test waits for a condition in virtual time", async () => {
  const { t, account } = await begin();
  await account.plan([["second", 3]]);
  await t.eventually(async () => (await account.balance()) === 100);
  expect(t.now().getTime() - Date.UTC(2030, 0, 1)).toBeLessThanOrEqual(3_050);
  await expect(t.eventually(() => false, { timeout: "1m", interval: "1s" })).rejects.toThrow(
    "The condition did not become true within 1m. It came to false.",
  );
});

test.each(stores)("two test runtimes share nothing but a store: $name", async (kind) => {
  const disk = await kind.create();
  const first = await begin({ store: disk.open() });
  await first.account.deposit(4);
  await first.t.stop();
  const second = await begin({ store: disk.open() });
  expect(await second.account.balance()).toBe(4);
  const other = await begin();
  expect(await other.account.balance()).toBe(0);
});

test("stubs have alarms and safe results, typed", async () => {
  const { account } = await begin();
  expect(await account.safe.withdraw(1)).toMatchObject({ ok: false, error: { reason: { code: "too_much", max: 0 } } });
  await account.alarms.schedule("audit", "1h");
  expect((await account.alarms.list()).map(({ name }) => name)).toEqual(["audit"]);
  expect(await account.alarms.cancel("audit")).toBe(true);
});

test("a stub with a bad id fails where it is made", async () => {
  const { t } = await begin();
  expect(() => t.get(Account, " ")).toThrow(expect.objectContaining({ code: "INVALID_ADDRESS" }));
  expect(() => t.object(Account, "")).toThrow(expect.objectContaining({ code: "INVALID_ADDRESS" }));
});

test("tenants are kept apart", async () => {
  const { t, account } = await begin();
  await t.get(Account, "a", { tenant: "acme" }).deposit(9);
  expect(await account.balance()).toBe(0);
  await t.object(Account, "a", { tenant: "acme" }).assertPersisted({ balance: 9 });
});

test("firing an alarm runs it now, and leaves the others and the time as they are", async () => {
  const { t, account, object } = await begin();
  await account.plan([
    ["first", 3_600],
    ["audit", 60],
  ]);
  const before = t.now();
  await object.fireAlarm("first");
  expect(t.now()).toEqual(before);
  expect((await object.alarms()).map(({ name }) => name)).toEqual(["second", "audit"]);
  await object.assertPersisted({ balance: 10 });
});

test("an alarm that repeats is set again after it was fired by hand", async () => {
  const Clock = defineObject({
    type: "clock",
    state: { ticks: 0 },
    handlers: { start: ({ state }) => noreply(state, schedule("tick", { every: "1h" })) },
    alarms: { tick: ({ state }) => noreply({ ticks: state.ticks + 1 }) },
  });
  await using t = await createTestRuntime({ objects: [Clock] });
  await t.get(Clock, "c").start();
  await t.object(Clock, "c").fireAlarm("tick");
  await t.object(Clock, "c").assertPersisted({ ticks: 1 });
  await t.object(Clock, "c").assertAlarmScheduled("tick");
  await t.advance("10h");
  const state = await t.object(Clock, "c").persisted();
  expect(state?.ticks).toBeGreaterThanOrEqual(10);
});

test("an alarm that fails says what it failed with, and stays", async () => {
  const { account, object } = await begin();
  await account.plan([["broken", 60]]);
  await expect(object.fireAlarm("broken")).rejects.toMatchObject({
    code: "HANDLER_FAILED",
    reason: { why: "it is broken" },
  });
  expect(await object.alarms()).toMatchObject([{ name: "broken", attempts: 1, status: "set" }]);
  // It does not spin.
  await expect(object.drainAlarms()).rejects.toMatchObject({ code: "HANDLER_FAILED" });
});

test("draining a chain that never ends names the loop", async () => {
  const { account, object } = await begin();
  await account.plan([["again", 1]]);
  const error = await object.drainAlarms({ max: 3 }).then(() => null, messageOf);
  expect(error).toBe(
    'After 3 alarms account/a still has alarms, the next one is "again". Is it a loop? Fired: again → again → again.',
  );
});

test("assertions tell what is there", async () => {
  const { account, object } = await begin();
  const failure = async (assertion: Promise<void>): Promise<string> => await assertion.then(() => "none", messageOf);
  expect(await failure(object.assertPersisted({ balance: 1 }))).toBe(
    "Expected account/a to be stored. Nothing is stored for it.",
  );
  expect(await failure(object.assertAlarmScheduled("audit"))).toBe(
    'Expected the alarm "audit" of account/a to be scheduled. Scheduled: nothing.',
  );
  await account.deposit(5);
  expect(await failure(object.assertPersisted({ balance: 10 }))).toBe(
    "Expected the stored state of account/a to have balance = 10. It has balance = 5.",
  );
  await object.assertPersisted({ balance: 5, name: "nobody", log: [] });
  await account.plan([["audit", 7_200]]);
  expect(await failure(object.assertAlarmScheduled("audit", { within: "1h" }))).toBe(
    'Expected the alarm "audit" of account/a to be scheduled within 1h. It is due in 2h, at 2030-01-01T02:00:00.000Z. Scheduled: audit (2030-01-01T02:00:00.000Z).',
  );
  await object.assertAlarmScheduled("audit", { within: "2h", at: new Date(Date.UTC(2030, 0, 1, 2)) });
  expect(await failure(object.assertAlarmScheduled("first"))).toContain("Scheduled: audit (2030-01-01T02:00:00.000Z).");
  expect(await failure(object.refuteAlarmScheduled("audit"))).toBe(
    'Expected no alarm "audit" of account/a to be scheduled. It is due at 2030-01-01T02:00:00.000Z.',
  );
  await object.refuteAlarmScheduled("first");
  const error: unknown = await object.assertPersisted({ balance: 10 }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: "AssertionError", actual: { balance: 5 }, expected: { balance: 10 } });
});
