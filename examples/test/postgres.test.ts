/** The same shop on PostgreSQL: the demonstration with a real server, where this machine has one. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findPostgres, PostgresServer } from "../../packages/durable-object/test/support/postgres-server.ts";
import { demonstrate } from "../demonstration.ts";
import { ShopProcess } from "../shop-process.ts";
import { readCounters, summarise } from "../shop-rows.ts";
import { describeDatabase, isDatabase } from "../store.ts";
import { killInToolCall, wholeConversation } from "./killed-agent.ts";

const plan = { clients: 8, beforeMs: 400, afterMs: 200 };
const bin = findPostgres();
const firstPort = 31_000 + 100 * Math.floor(Math.random() * 10);

test("a database is shown without the password of its URL", () => {
  const url = "postgres://app:secret@db.example:6432/orders?sslmode=require";
  expect(isDatabase(url)).toBe(true);
  expect(describeDatabase(url)).toBe("schema durable_object_example of orders at db.example:6432");
  expect(isDatabase("/data/shop.db")).toBe(false);
});

describe.skipIf(bin === null)("on PostgreSQL", () => {
  let server: PostgresServer;
  beforeAll(async () => void (server = await PostgresServer.create(bin ?? "")));
  afterAll(() => server.dispose());

  test("everything acknowledged is found after a kill, once, and read in SQL while no server runs", async () => {
    const place = server.url();
    const shop = new ShopProcess(place, firstPort);
    await shop.start();
    try {
      const atEnd = await demonstrate(shop, place, plan, {
        writing() {},
        killed: (_pid, atOnce) => expect(atOnce).toMatchObject({ lost: 0 }),
        finished() {},
      });
      expect(atEnd).toEqual({ acknowledged: atEnd.found, found: atEnd.found, lost: 0, extra: 0 });
      expect(atEnd.found).toBeGreaterThan(0);
      expect(await shop.stop()).toEqual({ code: 0, signal: null });
      expect(await summarise(place)).toEqual({ counters: plan.clients, counted: atEnd.found, carts: 0, orders: 0 });
      expect((await readCounters(place)).size).toBe(plan.clients);
    } finally {
      await shop.kill();
    }
  }, 60_000);

  test("the agent goes on after a kill in a tool call: only its store is another one", async () => {
    const { model, tool, said, exitCode } = await killInToolCall({ DATABASE_URL: server.url() });
    expect(said).toEqual(wholeConversation);
    expect(new Set(model).size).toBe(model.length);
    expect(tool).toEqual([tool[0], tool[0]]);
    expect(exitCode).toBe(0);
  });
});
