/** Promise 9: with an idempotency key the same call is applied once, and its repeat gets the recorded reply. */

import { expect, test } from "vitest";
import { defineObject, destroy, fail, noreply, reply } from "../../src/index.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate, type Gate } from "../support/gate.ts";
import { codeOf, errorOf, watch } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

const initial: { balance: number; journal: string[] } = { balance: 0, journal: [] };
const gates = new Map<string, Gate>();
const Account = defineObject({
  type: "account",
  state: initial,
  handlers: {
    deposit: ({ state }, amount: number, note: string = "") =>
      reply(
        { balance: state.balance + amount },
        { balance: state.balance + amount, journal: [...state.journal, note] },
      ),
    depositSlowly: async ({ state }, amount: number, gateName: string) => {
      await gates.get(gateName)?.passed;
      return reply(state.balance + amount, { ...state, balance: state.balance + amount });
    },
    touch: ({ state }) => noreply({ ...state, journal: [...state.journal, "touched"] }),
    bulky: ({ state }, length: number) => reply("x".repeat(length), { ...state, balance: state.balance + 1 }),
    refuseAbove: ({ state }, limit: number) =>
      state.balance > limit ? fail("too much") : reply("ok", { ...state, balance: state.balance + 1 }),
    get: ({ state }) => reply(state.balance),
    close: ({ state }) => reply("closed", state, destroy()),
  },
});

async function startAccounts(stores: TestStores) {
  const clock = new FakeClock();
  const disk = await stores.create();
  const store = new FaultyStore(disk.open());
  const options = { objects: [Account], environment: clock.environment };
  const runtime = await start({ ...options, store });
  const restart = async () => {
    await runtime.stop();
    return await start({ ...options, store: disk.open() });
  };
  return { clock, store, runtime, restart };
}

onEveryStore("idempotency", (stores) => {
  test("a repeat gets the recorded reply, and nothing is applied twice", async () => {
    const { store, runtime, restart } = await startAccounts(stores);
    const stub = runtime.get(Account, "a", { idempotencyKey: "k1" });
    expect(await stub.deposit(5)).toEqual({ balance: 5 });
    await runtime.get(Account, "a").deposit(1);
    expect(await stub.deposit(5)).toEqual({ balance: 5 });
    await runtime.deactivate(Account, "a");
    expect(await stub.deposit(5)).toEqual({ balance: 5 });
    expect(store.applied).toHaveLength(2);
    const again = await restart();
    expect(await again.get(Account, "a", { idempotencyKey: "k1" }).deposit(5)).toEqual({ balance: 5 });
    expect(await again.get(Account, "a").get()).toBe(6);
  });

  test("repeats at the same moment: one turn, one reply for all, and each gets its own copy", async () => {
    const { store, runtime } = await startAccounts(stores);
    const calls = Array.from({ length: 20 }, () => runtime.get(Account, "a", { idempotencyKey: "k" }).deposit(5));
    const replies = await Promise.all(calls);
    expect(replies).toEqual(calls.map(() => ({ balance: 5 })));
    expect(new Set(replies).size).toBe(20);
    expect(store.applied).toHaveLength(1);
    expect(await runtime.get(Account, "a").get()).toBe(5);
  });

  test("undefined is a reply like any other", async () => {
    const { runtime, restart } = await startAccounts(stores);
    const first = await runtime.call("account", "a", "touch", [], { idempotencyKey: "k" });
    const again = await restart();
    const repeat = await again.call("account", "a", "touch", [], { idempotencyKey: "k" });
    expect([first, repeat]).toEqual([undefined, undefined]);
    expect(await again.peek(Account, "a")).toEqual({ balance: 0, journal: ["touched"] });
  });

  test("the key of another call is refused: other handler, other arguments; other objects do not share it", async () => {
    const { runtime, restart } = await startAccounts(stores);
    const options = { idempotencyKey: "k" };
    await runtime.get(Account, "a", options).deposit(5, "rent");
    const reused = await errorOf(runtime.get(Account, "a", options).deposit(6, "rent"));
    expect(reused).toMatchObject({ code: "IDEMPOTENCY_KEY_REUSED", outcome: "not-applied", retryable: false });
    expect(await codeOf(runtime.get(Account, "a", options).touch())).toBe("IDEMPOTENCY_KEY_REUSED");
    expect(await runtime.get(Account, "b", options).deposit(6)).toEqual({ balance: 6 });
    expect(await runtime.get(Account, "a", { ...options, tenant: "t" }).deposit(7)).toEqual({ balance: 7 });
    const again = await restart();
    expect(await codeOf(again.get(Account, "a", options).deposit(6, "rent"))).toBe("IDEMPOTENCY_KEY_REUSED");
    expect(await again.get(Account, "a").get()).toBe(5);
  });

  test("the key of another call that is still running is refused too", async () => {
    const { runtime } = await startAccounts(stores);
    gates.set("g1", gate());
    const options = { idempotencyKey: "k" };
    const running = runtime.get(Account, "a", options).depositSlowly(5, "g1");
    await settled();
    expect(await codeOf(runtime.get(Account, "a", options).depositSlowly(6, "g1"))).toBe("IDEMPOTENCY_KEY_REUSED");
    gates.get("g1")?.open();
    expect(await running).toBe(5);
  });

  test("a call that failed applied nothing and recorded nothing: its repeat runs", async () => {
    const { store, runtime } = await startAccounts(stores);
    await runtime.get(Account, "a").deposit(10);
    const stub = runtime.get(Account, "a", { idempotencyKey: "k" });
    expect(await codeOf(stub.refuseAbove(5))).toBe("HANDLER_FAILED");
    store.failNextCommit("refused");
    const other = runtime.get(Account, "a", { idempotencyKey: "k2" });
    expect(await codeOf(other.deposit(1))).toBe("COMMIT_FAILED");
    await runtime.get(Account, "a").deposit(-8);
    expect(await stub.refuseAbove(5)).toBe("ok");
    expect(await other.deposit(1)).toEqual({ balance: 4 });
    expect(await other.deposit(1)).toEqual({ balance: 4 });
  });

  test("a repeat after a timeout joins the call that still runs, and gets its reply", async () => {
    const { clock, runtime } = await startAccounts(stores);
    gates.set("g2", gate());
    const first = errorOf(runtime.get(Account, "a", { idempotencyKey: "k", timeout: 100 }).depositSlowly(5, "g2"));
    await clock.advance(200);
    expect(await first).toMatchObject({ code: "CALL_TIMEOUT", outcome: "unknown" });
    const repeat = runtime.get(Account, "a", { idempotencyKey: "k", timeout: "1m" }).depositSlowly(5, "g2");
    await settled();
    expect(watch(repeat).settled).toBe(false);
    gates.get("g2")?.open();
    expect(await repeat).toBe(5);
    expect(await runtime.get(Account, "a").get()).toBe(5);
  });

  test("a repeat that joined a running call and times out, or is given up, is unknown: the call goes on", async () => {
    const { clock, runtime } = await startAccounts(stores);
    gates.set("g3", gate());
    const key = { idempotencyKey: "k" };
    const first = errorOf(runtime.get(Account, "a", { ...key, timeout: 100 }).depositSlowly(5, "g3"));
    await settled();
    const repeat = errorOf(runtime.get(Account, "a", { ...key, timeout: 200 }).depositSlowly(5, "g3"));
    const controller = new AbortController();
    const aborted = errorOf(runtime.get(Account, "a", { ...key, signal: controller.signal }).depositSlowly(5, "g3"));
    await settled();
    controller.abort();
    await clock.advance(300);
    expect(await first).toMatchObject({ code: "CALL_TIMEOUT", outcome: "unknown" });
    expect(await repeat).toMatchObject({ code: "CALL_TIMEOUT", outcome: "unknown" });
    expect(await aborted).toMatchObject({ code: "CALL_ABORTED", outcome: "unknown" });
    gates.get("g3")?.open();
    expect(await runtime.get(Account, "a", { ...key, timeout: "1m" }).depositSlowly(5, "g3")).toBe(5);
    expect(await runtime.get(Account, "a").get()).toBe(5);
  });

  test("the first of several under one key gives up while it waits: the others still get their reply", async () => {
    const { clock, runtime } = await startAccounts(stores);
    gates.set("g4", gate());
    const blocking = runtime.get(Account, "a", { timeout: "1m" }).depositSlowly(1, "g4");
    await settled();
    const first = errorOf(runtime.get(Account, "a", { idempotencyKey: "k", timeout: 100 }).deposit(5));
    const second = runtime.get(Account, "a", { idempotencyKey: "k", timeout: "1m" }).deposit(5);
    await clock.advance(200);
    expect(await first).toMatchObject({ code: "CALL_TIMEOUT", outcome: "unknown" });
    gates.get("g4")?.open();
    await blocking;
    expect(await second).toEqual({ balance: 6 });
  });

  test("a repeat of a call that was taken back before it started is a new call", async () => {
    const { clock, runtime } = await startAccounts(stores);
    gates.set("g5", gate());
    const blocking = runtime.get(Account, "a", { timeout: "1m" }).depositSlowly(1, "g5");
    await settled();
    const first = errorOf(runtime.get(Account, "a", { idempotencyKey: "k", timeout: 100 }).deposit(5));
    await clock.advance(200);
    expect(await first).toMatchObject({ code: "CALL_TIMEOUT", outcome: "not-applied" });
    const second = runtime.get(Account, "a", { idempotencyKey: "k", timeout: "1m" }).deposit(5);
    gates.get("g5")?.open();
    await blocking;
    expect(await second).toEqual({ balance: 6 });
  });

  test("a result larger than 64 KiB is not kept, and the repeat says so", async () => {
    const { runtime, restart } = await startAccounts(stores);
    const stub = runtime.get(Account, "a", { idempotencyKey: "k" });
    expect(await stub.bulky(100_000)).toHaveLength(100_000);
    expect(await errorOf(stub.bulky(100_000))).toMatchObject({ code: "RESULT_NOT_RECORDED", retryable: false });
    const again = await restart();
    const repeat = again.get(Account, "a", { idempotencyKey: "k" });
    expect(await codeOf(repeat.bulky(100_000))).toBe("RESULT_NOT_RECORDED");
    expect(await again.get(Account, "a").get()).toBe(1);
  });

  test("a record is kept for 24 hours", async () => {
    const { clock, runtime, restart } = await startAccounts(stores);
    await runtime.get(Account, "a", { idempotencyKey: "k" }).deposit(5);
    const again = await restart();
    await clock.advance("23h");
    expect(await again.get(Account, "a", { idempotencyKey: "k" }).deposit(5)).toEqual({ balance: 5 });
    await again.deactivate(Account, "a");
    await clock.advance("2h");
    expect(await again.get(Account, "a", { idempotencyKey: "k" }).deposit(5)).toEqual({ balance: 10 });
  });

  test("a destroyed object forgets its keys; the destruction itself can be repeated", async () => {
    const { runtime } = await startAccounts(stores);
    await runtime.get(Account, "a", { idempotencyKey: "k" }).deposit(5);
    const closing = runtime.get(Account, "a", { idempotencyKey: "bye" });
    expect(await closing.close()).toBe("closed");
    expect(await runtime.get(Account, "a", { idempotencyKey: "k" }).deposit(5)).toEqual({ balance: 5 });
    expect(await closing.close()).toBe("closed");
    expect(await runtime.get(Account, "a").get()).toBe(5);
  });

  test("a key that cannot be looked up is LOAD_FAILED and applies nothing", async () => {
    const { store, runtime } = await startAccounts(stores);
    await runtime.get(Account, "a").deposit(1);
    store.failReplies("retry");
    const failed = await errorOf(runtime.get(Account, "a", { idempotencyKey: "k" }).deposit(5));
    expect(failed).toMatchObject({ code: "LOAD_FAILED", retryable: true, outcome: "not-applied" });
    store.failReplies(null);
    expect(await runtime.get(Account, "a", { idempotencyKey: "k" }).deposit(5)).toEqual({ balance: 6 });
  });

  test("500 keys on one hot object, each three times, in any order: each applied once", async () => {
    const { runtime, restart } = await startAccounts(stores);
    const keys = Array.from({ length: 1_500 }, (_, index) => `k${(index * 7) % 500}`);
    const first = keys.map((key) => runtime.get(Account, "a", { idempotencyKey: key }).deposit(1, key));
    const replies = await Promise.all(first);
    const byKey = new Map(keys.map((key, index) => [key, replies[index]]));
    expect(await runtime.get(Account, "a").get()).toBe(500);
    const again = await restart();
    const repeated = await Promise.all(
      keys.map((key) => again.get(Account, "a", { idempotencyKey: key }).deposit(1, key)),
    );
    expect(repeated).toEqual(keys.map((key) => byKey.get(key)));
    expect(await again.get(Account, "a").get()).toBe(500);
  });
});
