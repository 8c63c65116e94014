/** What a test can have go wrong, and what becomes of calls, states and alarms then. */

import { expect, onTestFinished, test } from "vitest";
import { createTestRuntime } from "../../src/testing/index.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, type TestStores } from "../support/stores.ts";
import { Account, Rate } from "./account.ts";

async function begin(stores: TestStores) {
  const t = await createTestRuntime({ objects: [Account, Rate], store: (await stores.create()).open() });
  onTestFinished(() => t.stop());
  return { t, account: t.get(Account, "a"), object: t.object(Account, "a") };
}

onEveryStore("faults", (stores) => {
  test("a commit that fails rolls back", async () => {
    const { t, account, object } = await begin(stores);
    await account.deposit(5);
    t.faults.failNextCommit();
    expect(await errorOf(account.deposit(1))).toMatchObject({ code: "COMMIT_FAILED", outcome: "not-applied" });
    expect(t.faults.pending).toEqual([]);
    expect(await account.balance()).toBe(5);
    await object.assertPersisted({ balance: 5 });
    expect(await account.deposit(1)).toBe(6);
  });

  test("a commit of one object fails, and not those of the others with it", async () => {
    const { t, account } = await begin(stores);
    const other = t.get(Account, "b");
    await Promise.all([account.deposit(1), other.deposit(1)]);
    t.faults.failNextCommit({ of: { type: Account, id: "a" } });
    expect(await Promise.all([codeOf(account.deposit(1)), codeOf(other.deposit(1))])).toEqual(["COMMIT_FAILED", "ok"]);
    expect([await account.balance(), await other.balance()]).toEqual([1, 2]);
  });

  test("a store that is full", async () => {
    const { t, account } = await begin(stores);
    t.faults.failNextCommit({ full: true });
    expect(await codeOf(account.deposit(1))).toBe("STORE_FULL");
    expect(await account.deposit(1)).toBe(1);
  });

  test("a load that fails", async () => {
    const { t, account } = await begin(stores);
    t.faults.failNextLoad();
    expect(await errorOf(account.deposit(1))).toMatchObject({ code: "LOAD_FAILED", outcome: "not-applied" });
    expect(await account.deposit(1)).toBe(1);
  });

  test("a crash before the commit: nothing was applied, and the caller cannot know", async () => {
    const { t, account, object } = await begin(stores);
    await account.deposit(5);
    t.faults.crashBefore("commit");
    expect(await errorOf(account.deposit(1))).toMatchObject({ code: "REPLY_LOST", outcome: "unknown" });
    expect(await errorOf(account.balance())).toMatchObject({ code: "RUNTIME_STOPPED", outcome: "not-applied" });
    await t.restart();
    await object.assertPersisted({ balance: 5 });
    expect(await account.balance()).toBe(5);
  });

  test("a crash between commit and reply: a retry under the same key is not applied twice", async () => {
    const { t } = await begin(stores);
    const careful = t.get(Account, "a", { idempotencyKey: "order 7" });
    t.faults.crashAfter("commit");
    expect(await codeOf(careful.deposit(5))).toBe("REPLY_LOST");
    await t.restart();
    await t.object(Account, "a").assertPersisted({ balance: 5 });
    expect(await careful.deposit(5)).toBe(5);
    await t.object(Account, "a").assertPersisted({ balance: 5 });
  });

  test("a crash while the object is loaded", async () => {
    const { t, account } = await begin(stores);
    t.faults.crashAfter("load");
    expect(await codeOf(account.deposit(5))).toBe("REPLY_LOST");
    await t.restart();
    expect(await account.deposit(5)).toBe(5);
  });

  test("a reply that is lost: the call was applied, and the runtime lives on", async () => {
    const { t, account } = await begin(stores);
    t.faults.loseReply();
    expect(await errorOf(account.deposit(5))).toMatchObject({ code: "REPLY_LOST", outcome: "unknown" });
    expect(await account.balance()).toBe(5);
  });

  test.each([true, false])("a commit of which nobody knows is found out: applied %s", async (applied) => {
    const { t, account, object } = await begin(stores);
    t.faults.unknownCommit({ applied });
    const call = account.deposit(5);
    await t.advance("2s");
    expect(await call).toBe(5);
    await object.assertPersisted({ balance: 5 });
  });

  test("a commit that takes its time holds the reply", async () => {
    const { t, account, object } = await begin(stores);
    t.faults.delay("commit", "2s");
    let answered = false;
    const call = account.deposit(5).finally(() => (answered = true));
    await t.advance("1999ms");
    expect(answered).toBe(false);
    expect(await object.persisted()).toBeNull();
    await t.advance("1ms");
    expect(await call).toBe(5);
  });

  test("an alarm that dies with its process is started again, and counts an attempt", async () => {
    const { t, account, object } = await begin(stores);
    await account.plan([["note", 10]]);
    t.faults.crashBefore("commit");
    await t.advance("10s");
    await t.restart();
    await t.settle();
    expect((await object.persisted())?.log).toHaveLength(1);
    expect((await object.persisted())?.log[0]).toContain(" 2 /account/a/note/1");
    await object.refuteAlarmScheduled("note");
  });

  test("the state of an alarm and its acknowledgement are one commit", async () => {
    const { t, account, object } = await begin(stores);
    await account.plan([["second", 10]]);
    t.faults.crashAfter("commit");
    await t.advance("10s");
    await t.restart();
    await t.advance("1d");
    await object.assertPersisted({ balance: 100 });
  });

  test("what was not committed is not there after a restart, and timers of the dead do not ring", async () => {
    const { t, account } = await begin(stores);
    await account.deposit(1);
    const call = codeOf(account.deposit(1));
    t.crash();
    expect(await call).toBe("REPLY_LOST");
    await t.advance("1d");
    expect(() => t.runtime).toThrow(expect.objectContaining({ code: "RUNTIME_STOPPED" }));
    await t.restart();
    expect(await account.balance()).toBe(1);
    await t.restart();
    expect(await account.balance()).toBe(1);
  });

  test("a commit that has landed cannot fail any more", async () => {
    const { t, account } = await begin(stores);
    await account.deposit(1);
    t.faults.unknownCommit({ applied: true });
    t.faults.failNextCommit();
    const call = account.deposit(1);
    await t.advance("2s");
    expect(await call).toBe(2);
    expect(await codeOf(account.deposit(1))).toBe("COMMIT_FAILED");
    expect(await account.deposit(1)).toBe(3);
  });

  test("the same id of another tenant does not fail", async () => {
    const { t, account } = await begin(stores);
    t.faults.failNextCommit({ of: { type: "account", id: "a" } });
    expect(await t.get(Account, "a", { tenant: "acme" }).deposit(1)).toBe(1);
    expect(await codeOf(account.deposit(1))).toBe("COMMIT_FAILED");
  });

  test("an alarm that is fired by hand ends with the process", async () => {
    const { t, account, object } = await begin(stores);
    await account.plan([["second", 60]]);
    t.faults.crashAfter("commit");
    expect(await codeOf(object.fireAlarm("second"))).toBe("REPLY_LOST");
    await t.restart();
    await object.assertPersisted({ balance: 100 });
  });

  test("an alarm that is called off before it starts does not fire, by hand neither", async () => {
    const { t, account, object } = await begin(stores);
    await account.plan([["audit", 60]]);
    t.faults.delay("commit", "1s");
    const cancelled = account.unplan();
    const fired = object.fireAlarm("audit");
    await t.advance("2s");
    await Promise.all([cancelled, fired]);
    expect((await object.persisted())?.log).toEqual([]);
  });

  test("a process that dies while it stops has stopped", async () => {
    const { t, account } = await begin(stores);
    t.faults.delay("commit", "1s");
    t.faults.crashBefore("commit");
    const first = codeOf(account.deposit(1));
    await t.settle();
    const second = codeOf(account.deposit(1));
    await t.stop();
    expect([await first, await second].every((code) => code !== "MAILBOX_FULL")).toBe(true);
  });

  test("faults that have not happened are listed, and can be called off", async () => {
    const { t, account } = await begin(stores);
    t.faults.crashBefore("load");
    t.faults.failNextCommit();
    t.faults.loseReply();
    expect(t.faults.pending).toEqual(["fail commit", "crash before load", "lost reply"]);
    t.faults.clear();
    expect(await account.deposit(1)).toBe(1);
    expect(() => t.faults.delay("commit", "soon" as "1s")).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
  });
});
