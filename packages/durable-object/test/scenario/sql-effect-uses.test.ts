/**
 * The application's own SQL beside everything else a turn can do: alarms, `afterLoad`, idempotency keys,
 * destruction. And what cannot be a statement, and where there is no SQL.
 */

import { DatabaseSync } from "node:sqlite";
import { describe, expect, test, vi } from "vitest";
import { defineObject, noreply, reply, sql } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import { defineShop, startShop, storesWithSql } from "../fixtures/sql-shop.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { start, stores } from "../support/stores.ts";

describe.each(storesWithSql)("SQL of the application, everywhere ($name)", (kind) => {
  test("with an idempotency key it is executed once, and a failure is not recorded", async () => {
    const { Shop, runtime, rows, restart } = await startShop(kind);
    await runtime.get(Shop, "b").order("1");
    const keyed = runtime.get(Shop, "a", { idempotencyKey: "k" });
    expect(await codeOf(keyed.order("1"))).toBe("SQL_FAILED");
    await runtime.get(Shop, "b").note("1", "moved");
    expect(await codeOf(keyed.order("1"))).toBe("SQL_FAILED");
    const other = runtime.get(Shop, "a", { idempotencyKey: "k2" });
    expect(await Promise.all([other.order("2"), other.order("2")])).toEqual([1, 1]);
    const again = await restart();
    expect(await again.get(Shop, "a", { idempotencyKey: "k2" }).order("2")).toBe(1);
    expect(await rows()).toEqual(["1:moved", "2:new"]);
  });

  test("with a destruction, also of an object that never was", async () => {
    const { Shop, runtime, rows } = await startShop(kind);
    await runtime.get(Shop, "a").increment();
    await runtime.get(Shop, "a").vanish("1");
    expect(await runtime.peek(Shop, "a")).toBeNull();
    expect(await codeOf(runtime.get(Shop, "b").vanish("1"))).toBe("SQL_FAILED");
    await runtime.get(Shop, "b").vanish("2");
    expect(await runtime.peek(Shop, "b")).toBeNull();
    expect(await rows()).toEqual(["1:new", "2:new"]);
    expect(await runtime.get(Shop, "b").increment()).toBe(1);
    // A destruction that failed has not happened.
    expect(await codeOf(runtime.get(Shop, "b").vanish("1"))).toBe("SQL_FAILED");
    expect(await runtime.get(Shop, "b").increment()).toBe(2);
  });

  test("SQL of an alarm that fails counts as an attempt, and the next one may do better", async () => {
    const { Shop, runtime, rows, ran } = await startShop(kind);
    await runtime.get(Shop, "b").order("bill 1");
    await runtime.get(Shop, "a").bill();
    await vi.waitFor(async () => expect(await rows()).toEqual(["bill 1:new", "bill 2:new"]), 15_000);
    await vi.waitFor(async () => expect(await runtime.get(Shop, "a").alarms.list()).toEqual([]), 15_000);
    expect(ran.filter((name) => name.startsWith("bill"))).toEqual(["bill 1", "bill 2"]);
    expect(await runtime.get(Shop, "a").get()).toBe(1);
  });

  test("SQL of an alarm that fails every time leaves it dead", async () => {
    const { Shop, runtime, rows } = await startShop(kind);
    await runtime.get(Shop, "b").order("bill 1", "bill 2");
    await runtime.get(Shop, "a").bill();
    await vi.waitFor(async () => expect(await runtime.alarms.dead(Shop)).toHaveLength(1), 15_000);
    const [dead] = await runtime.alarms.dead(Shop);
    expect(dead).toMatchObject({ id: "a", name: "bill", attempts: 2 });
    expect(dead?.lastError).toMatch(/unique/i);
    expect(await rows()).toHaveLength(2);
    expect(await runtime.peek(Shop, "a")).toEqual({ count: 0 });
  });

  test("SQL of afterLoad that fails fails the activation, and the next call tries again", async () => {
    const { Shop, runtime, disk, orders, rows } = await startShop(kind);
    await runtime.get(Shop, "b").order("loaded");
    await runtime.stop();
    const Loaded = defineObject({
      type: "loaded",
      state: { loads: 0 },
      afterLoad: ({ state }) =>
        noreply({ loads: state.loads + 1 }, sql(`INSERT INTO ${orders} (id, note) VALUES ('loaded', $1)`, ["x"])),
      handlers: { loads: ({ state }) => reply(state.loads) },
    });
    const again = await start({ objects: [Loaded, Shop], store: disk.open() });
    const error = await errorOf(again.get(Loaded, "a").loads());
    expect(error).toMatchObject({ code: "COMMIT_FAILED", outcome: "not-applied", cause: { code: "SQL_FAILED" } });
    expect(again.locate(Loaded, "a")).toBeNull();
    await again.get(Shop, "b").note("loaded", "still");
    expect(await codeOf(again.get(Loaded, "a").loads())).toBe("COMMIT_FAILED");
    expect(await rows()).toEqual(["loaded:still"]);
    expect(await again.peek(Loaded, "a")).toBeNull();
  });

  test("a statement or a parameter that cannot be is no outcome, and nothing is written", async () => {
    const { Shop, runtime, store, returned, orders } = await startShop(kind);
    const shop = runtime.get(Shop, "a");
    const insert = `INSERT INTO ${orders} VALUES ($1, $2)`;
    const wrong: readonly (readonly [unknown, unknown, RegExp])[] = [
      [5, [], /no text/],
      ["", [], /no statement/],
      ["BEGIN", [], /may not begin with "BEGIN"/],
      ["/* */ -- x\n commit", [], /may not begin with "commit"/],
      ["PRAGMA foreign_keys = OFF", [], /PRAGMA/],
      ["UPDATE durable_objects SET state = NULL", [], /names durable_objects/],
      ['DELETE FROM "durable_object_alarms"', [], /names durable_object_alarms/],
      [insert, "1", /no list/],
      [insert, ["1", undefined], /params\[1\] is undefined/],
      [insert, [Number.NaN, "x"], /params\[0\] is NaN/],
      [insert, ["1", new Date(0)], /Date/],
      [insert, ["1", { a: 1 }], /JSON text/],
      [insert, ["1", 2n ** 63n], /64 bits/],
      [insert, ["1", "a\u0000b"], /U\+0000/],
    ];
    const before = store.sent.length;
    for (const [text, params, why] of wrong) {
      returned.set("wrong", sql(text as string, params as readonly string[]));
      const error = await errorOf(shop.give("wrong"));
      expect(error).toMatchObject({ code: "INVALID_OUTCOME", outcome: "not-applied" });
      expect(error.message).toMatch(why);
    }
    expect(await codeOf(shop.lookAndWrite())).toBe("INVALID_OUTCOME");
    expect(store.sent).toHaveLength(before);
  });

  test("what a handler does to its parameters afterwards does not matter", async () => {
    const { Shop, runtime, store, returned, orders, rows } = await startShop(kind);
    const bytes = new Uint8Array([49, 50]);
    const params = ["1", "given", bytes];
    const text = `INSERT INTO ${orders} (id, note) SELECT $1, $2 FROM (SELECT $3 AS given) AS bytes`;
    returned.set("bytes", sql(kind.name === "postgres" ? text.replace("$3 AS", "$3::bytea AS") : text, params));
    await runtime.get(Shop, "a").increment();
    const held = store.holdNextCommit();
    const given = runtime.get(Shop, "a").give("bytes");
    const { writes } = await held.reached;
    bytes.fill(0);
    params[1] = "changed";
    held.release();
    await given;
    expect(writes[0]?.statements[0]?.params).toEqual(["1", "given", new Uint8Array([49, 50])]);
    expect(await rows()).toEqual(["1:given"]);
  });
});

test("a memory store has no SQL, and says so", async () => {
  const { Shop } = defineShop("orders", "lines");
  const runtime = await start({ objects: [Shop], store: memory() });
  const codes = ["a", "b", "c"].map((id) =>
    codeOf(id === "b" ? runtime.get(Shop, id).order("1") : runtime.get(Shop, id).increment()),
  );
  expect(await Promise.all(codes)).toEqual(["ok", "SQL_FAILED", "ok"]);
  const error = await errorOf(runtime.get(Shop, "b").order("1"));
  expect(error.message).toMatch(/memory store has no SQL.*sqlite\(\)/);
  expect(await runtime.peek(Shop, "b")).toBeNull();
});

test.each([{ worker: false }, { worker: true }])("the cause is the error of SQLite: %j", async (options) => {
  const kind = stores.find(({ name }) => name === "sqlite");
  const disk = await kind?.create();
  const path = disk?.path ?? "";
  // The application's tables are there before the store is, and stay.
  const database = new DatabaseSync(path);
  database.exec(
    "CREATE TABLE orders (id TEXT PRIMARY KEY, note TEXT NOT NULL); INSERT INTO orders VALUES ('1', 'old')",
  );
  database.close();
  const { Shop } = defineShop("orders", "lines");
  const runtime = await start({ objects: [Shop], store: sqlite(path, { synchronous: "normal", ...options }) });
  const error = await errorOf(runtime.get(Shop, "a").order("1"));
  expect(error).toMatchObject({ code: "SQL_FAILED", cause: { code: "ERR_SQLITE_ERROR", errcode: 1555 } });
  expect(error.cause).toHaveProperty("message", "UNIQUE constraint failed: orders.id");
  expect(await codeOf(runtime.get(Shop, "a").order("2"))).toBe("ok");
  await runtime.stop();
  const after = new DatabaseSync(path, { readOnly: true });
  expect(after.prepare("SELECT id FROM orders ORDER BY id").all()).toMatchObject([{ id: "1" }, { id: "2" }]);
  after.close();
});
