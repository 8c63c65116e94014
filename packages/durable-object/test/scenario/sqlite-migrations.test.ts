/** The tables: made once, recorded, and left alone where they are not ours or newer than the code. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { write } from "../../src/testing/object-store-case.ts";
import { failureOf, openStore, temporaryDirectory } from "../fixtures/sqlite-fixture.ts";

async function closedStore(sql = ""): Promise<string> {
  const path = join(temporaryDirectory(), "app.db");
  const store = await openStore(path);
  await store.apply(write("a", { state: "1" }));
  await store.store.close();
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
  return path;
}

test("migrations are recorded with time and checksum, and run once", async () => {
  const path = await closedStore();
  const database = new DatabaseSync(path);
  const recorded = database.prepare("SELECT * FROM durable_object_migrations").all();
  expect(recorded).toEqual([
    expect.objectContaining({
      version: 1,
      name: "objects, alarms, replies, owner, lanes",
      applied_at: expect.closeTo(Date.now(), -5),
      // Changes only if a released migration was edited, which must not happen.
      checksum: "252db37fed6eee6b3f00cabaa615db163440f093cc1cba3d56730dcebe4d46a8",
    }),
    expect.objectContaining({ version: 2, name: "alarms that fire" }),
  ]);
  await (await openStore(path)).assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
  expect(database.prepare("SELECT * FROM durable_object_migrations").all()).toEqual(recorded);
  database.close();
});

test("a database that is newer than the code is refused and not touched", async () => {
  const path = await closedStore(
    "INSERT INTO durable_object_migrations VALUES (3, 'to come', 0, 'x'); PRAGMA journal_mode = DELETE",
  );
  const before = readFileSync(path);
  const failure = await failureOf(openStore(path));
  expect(failure).toMatchObject({ kind: "lost", code: "STORE_TOO_NEW" });
  expect(failure.message).toContain("have version 3, this code knows 2");
  expect(readFileSync(path).equals(before)).toBe(true);
});

test("tables made by another migration of the same number are refused and not touched", async () => {
  const path = await closedStore("UPDATE durable_object_migrations SET checksum = 'x'");
  const before = readFileSync(path);
  const failure = await failureOf(openStore(path));
  expect(failure).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
  expect(failure.message).toContain("checksum");
  expect(readFileSync(path).equals(before)).toBe(true);
});

test("a table that lacks a column is refused", async () => {
  const path = await closedStore("ALTER TABLE durable_object_alarms DROP COLUMN payload");
  const failure = await failureOf(openStore(path));
  expect(failure).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
  expect(failure.message).toContain("payload");
});

test("a migration that fails leaves nothing behind", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const database = new DatabaseSync(path);
  database.exec("CREATE TABLE durable_object_owner (something_else TEXT)");
  const failure = await failureOf(openStore(path));
  expect(failure).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
  expect(failure.message).toContain("durable_object_owner already exists");
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  expect(tables).toEqual([{ name: "durable_object_owner" }]);
  database.close();
});

test("tables of the application live in the same file", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const database = new DatabaseSync(path);
  database.exec("CREATE TABLE users (id TEXT PRIMARY KEY); INSERT INTO users VALUES ('u')");
  database.close();
  await (await openStore(path)).apply(write("a"));
  const again = new DatabaseSync(path);
  expect(again.prepare("SELECT id FROM users").all()).toEqual([{ id: "u" }]);
  again.close();
});
