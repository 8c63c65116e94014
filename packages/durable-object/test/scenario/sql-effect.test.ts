/**
 * The application's own SQL in the commit of a turn: it is there together with the state, or neither is, and
 * a statement that fails takes nobody along.
 */

import { describe, expect, test } from "vitest";
import { memory } from "../../src/memory/index.ts";
import { StoreFailure } from "../../src/ports/object-store.ts";
import { defineShop, startShop, storesWithSql } from "../fixtures/sql-shop.ts";
import { settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { start } from "../support/stores.ts";

describe.each(storesWithSql)("SQL of the application ($name)", (kind) => {
  test("is there together with the state, also after a restart", async () => {
    const { Shop, runtime, store, rows, restart } = await startShop(kind);
    const before = store.sent.length;
    expect(await runtime.get(Shop, "a").order("1", "2")).toBe(1);
    expect(store.sent).toHaveLength(before + 1);
    expect(await rows()).toEqual(["1:new", "2:new"]);
    await runtime.get(Shop, "a").note("2", "paid");
    const again = await restart();
    expect(await rows()).toEqual(["1:new", "2:paid"]);
    expect(await again.get(Shop, "a").get()).toBe(1);
  });

  test("is executed in the order of the effects, and without a change of the state", async () => {
    const { Shop, runtime, rows } = await startShop(kind);
    await runtime.get(Shop, "a").both("1");
    expect(await rows()).toEqual(["1:second"]);
    expect(await runtime.peek(Shop, "a")).toEqual({ count: 0 });
  });

  test("a statement that fails leaves nothing of its turn, and says what the database said", async () => {
    const { Shop, runtime, rows } = await startShop(kind);
    const shop = runtime.get(Shop, "a");
    await runtime.get(Shop, "b").order("taken");
    await shop.increment();
    const error = await errorOf(shop.order("1", "taken", "2"));
    expect(error).toMatchObject({ code: "SQL_FAILED", outcome: "not-applied", retryable: false });
    expect(error.address).toEqual({ tenant: "", type: "shop", id: "a" });
    expect(error.message).toMatch(/shop\/a.*unique.*statement 2 of 3: "INSERT INTO test_/i);
    expect(error.cause).toBeInstanceOf(Error);
    expect((error.cause as Error).name).not.toBe("StoreFailure");
    expect(await rows()).toEqual(["taken:new"]);
    expect(await shop.get()).toBe(1);
    expect(await shop.alarms.list()).toEqual([]);
    expect(await shop.order("1")).toBe(2);
    expect(await shop.alarms.list()).toHaveLength(1);
  });

  test("calls of the same object before it and behind it succeed", async () => {
    const { Shop, runtime, rows } = await startShop(kind);
    await runtime.get(Shop, "b").order("taken");
    const shop = runtime.get(Shop, "a");
    await shop.get();
    const calls = [
      shop.increment(),
      shop.increment(),
      shop.order("1"),
      shop.order("taken"),
      shop.increment(),
      shop.order("taken"),
      shop.order("2"),
      shop.get(),
    ];
    const codes = await Promise.all(calls.map(codeOf));
    expect(codes).toEqual(["ok", "ok", "ok", "SQL_FAILED", "ok", "SQL_FAILED", "ok", "ok"]);
    const counts = (await Promise.allSettled(calls)).map((call) => (call.status === "fulfilled" ? call.value : null));
    expect(counts).toEqual([1, 2, 3, null, 4, null, 5, 5]);
    expect(await rows()).toEqual(["1:new", "2:new", "taken:new"]);
  });

  test("other objects in the same batch succeed, however many fail", async () => {
    const { Shop, runtime, store, rows } = await startShop(kind);
    await runtime.get(Shop, "b").order("taken");
    const ids = Array.from({ length: 60 }, (_, index) => `id-${index}`);
    await Promise.all(ids.map((id) => runtime.activate(Shop, id)));
    const fails = (index: number): boolean => [0, 7, 8, 30, 58, 59].includes(index);
    const before = store.sent.length;
    const codes = await Promise.all(
      ids.map((id, index) => codeOf(runtime.get(Shop, id).order(fails(index) ? "taken" : id))),
    );
    expect(store.sent[before]?.writes).toHaveLength(60);
    expect(codes).toEqual(ids.map((_, index) => (fails(index) ? "SQL_FAILED" : "ok")));
    expect(await rows()).toHaveLength(55);
    const states = await Promise.all(ids.map((id) => runtime.peek(Shop, id)));
    expect(states).toEqual(ids.map((_, index) => (fails(index) ? null : { count: 1 })));
  });

  test("a constraint that is checked at the end of the transaction fails its turn alone", async () => {
    const { Shop, runtime, store, rows, countLines } = await startShop(kind);
    const ids = Array.from({ length: 9 }, (_, index) => `id-${index}`);
    await Promise.all(ids.map((id) => runtime.get(Shop, id).get()));
    await runtime.get(Shop, "x").lineFirst("x");
    const before = store.sent.length;
    const codes = await Promise.all(
      ids.map((id, index) =>
        codeOf(index === 4 ? runtime.get(Shop, id).line("nowhere") : runtime.get(Shop, id).order(id)),
      ),
    );
    expect(store.sent[before]?.writes.length).toBeGreaterThan(1);
    expect(codes).toEqual(ids.map((_, index) => (index === 4 ? "SQL_FAILED" : "ok")));
    expect(await rows()).toHaveLength(9);
    expect(await countLines()).toBe(1);
    expect(await runtime.peek(Shop, "id-4")).toBeNull();
  });

  test("a turn with SQL waits for what was before it, and does not begin what comes behind", async () => {
    const { Shop, runtime, store, rows, ran } = await startShop(kind);
    const shop = runtime.get(Shop, "a");
    await shop.increment();
    ran.length = 0;
    const first = store.holdNextCommit();
    const calls = [shop.increment(), shop.order("1"), shop.increment()];
    await first.reached;
    await settled();
    // It ran on a state that is on its way, like any synchronous handler, but is no part of its write.
    expect(ran).toEqual(["increment", "order"]);
    const second = store.holdNextCommit();
    first.release();
    const batch = await second.reached;
    await settled();
    expect(batch.writes).toMatchObject([{ address: { id: "a" }, statements: [{ params: ["1", "new"] }] }]);
    expect(ran).toEqual(["increment", "order"]);
    expect(await shop.look()).toBe(2);
    expect(await rows()).toEqual([]);
    second.release();
    expect(await Promise.all(calls)).toEqual([2, 3, 4]);
    expect(await rows()).toEqual(["1:new"]);
    expect(ran).toEqual(["increment", "order", "increment"]);
  });

  test("turns that gathered before it stay out of its write, also where its handler often has no SQL", async () => {
    const { Shop, runtime, store, rows } = await startShop(kind);
    const shop = runtime.get(Shop, "a");
    await runtime.get(Shop, "b").order("taken");
    await shop.increment();
    const held = store.holdNextCommit();
    const calls = [shop.increment(), shop.maybe(null)];
    await held.reached;
    calls.push(shop.increment(), shop.maybe(null), shop.maybe("taken"), shop.maybe(null));
    held.release();
    expect(await Promise.all(calls.map(codeOf))).toEqual(["ok", "ok", "ok", "ok", "SQL_FAILED", "ok"]);
    expect(await calls.at(-1)).toBe(6);
    expect(await rows()).toEqual(["taken:new"]);
  });

  test("SQL on a state that is lost is not executed", async () => {
    const { Shop, runtime, store, rows } = await startShop(kind);
    const shop = runtime.get(Shop, "a");
    await shop.increment();
    const held = store.holdNextCommit("before", "refused");
    const first = codeOf(shop.increment());
    await held.reached;
    const second = errorOf(shop.order("1"));
    const third = shop.increment();
    await settled();
    held.release();
    expect(await first).toBe("COMMIT_FAILED");
    expect(await second).toMatchObject({ code: "COMMIT_FAILED", outcome: "not-applied", retryable: true });
    // It had not begun: it runs on the state that is back.
    expect(await third).toBe(2);
    expect(await rows()).toEqual([]);
  });

  test("an asynchronous handler may return SQL", async () => {
    const { Shop, runtime, rows, slow } = await startShop(kind);
    const shop = runtime.get(Shop, "a");
    const ordered = shop.orderSlowly("1");
    const behind = shop.increment();
    slow.open();
    expect(await Promise.all([ordered, behind])).toEqual([1, 2]);
    expect(await codeOf(shop.orderSlowly("1"))).toBe("SQL_FAILED");
    expect(await shop.get()).toBe(2);
    expect(await rows()).toEqual(["1:new"]);
  });

  test("a commit in doubt that is sent again executes it once", async () => {
    const { Shop, runtime, store, rows } = await startShop(kind);
    const shop = runtime.get(Shop, "a");
    await shop.increment();
    store.loseNextAnswer();
    store.loseNextAnswer();
    expect(await shop.order("1")).toBe(2);
    store.loseNextRequest();
    expect(await shop.order("2")).toBe(3);
    expect(await rows()).toEqual(["1:new", "2:new"]);
  });
});

test("a batch is split around the write that the store names, and the rest of it is sent in two parts", async () => {
  const { Shop } = defineShop("orders", "lines");
  const store = new FaultyStore(memory());
  const runtime = await start({ objects: [Shop], store });
  const ids = ["a", "b", "c", "d", "e", "f"];
  await Promise.all(ids.map((id) => runtime.get(Shop, id).get()));
  await runtime.get(Shop, "warm").increment();
  for (const [culprit, parts] of [
    [
      2,
      [
        ["a", "b"],
        ["d", "e", "f"],
      ],
    ],
    [0, [["b", "c", "d", "e", "f"]]],
    [5, [["a", "b", "c", "d", "e"]]],
  ] as const) {
    const before = store.sent.length;
    const cause = new Error("duplicate");
    store.failNextCommitWith(new StoreFailure("refused", "SQL_FAILED", "duplicate", { cause, write: culprit }));
    const codes = await Promise.all(ids.map((id) => codeOf(runtime.get(Shop, id).increment())));
    expect(codes).toEqual(ids.map((_, index) => (index === culprit ? "SQL_FAILED" : "ok")));
    const sent = store.sent.slice(before + 1).map(({ writes }) => writes.map(({ address }) => address.id));
    expect(sent).toEqual(parts);
  }
  // A store that names nobody it could mean is not taken at its word.
  store.failNextCommitWith(new StoreFailure("refused", "COMMIT_FAILED", "somebody", { write: 77 }));
  expect(await Promise.all(ids.map((id) => codeOf(runtime.get(Shop, id).increment())))).toEqual(ids.map(() => "ok"));
});
