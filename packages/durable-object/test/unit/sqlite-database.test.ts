/** The settings of a connection, as SQLite reports them. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { configureConnection, configureJournal, openDatabase } from "../../src/sqlite/sqlite-database.ts";

test.each([
  ["full", 2],
  ["normal", 1],
] as const)("synchronous: %s", (synchronous, expected) => {
  const directory = mkdtempSync(join(tmpdir(), "durable-object-sqlite-"));
  const path = join(directory, "app.db");
  const database = openDatabase(path);
  onTestFinished(() => {
    database.close();
    rmSync(directory, { recursive: true });
  });
  const setting = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  // Not what is asked for, so that nothing passes by being the default.
  database.exec(`PRAGMA synchronous = ${synchronous === "full" ? "NORMAL" : "FULL"}`);
  configureConnection(database);
  configureJournal(database, synchronous, path);
  expect(setting("synchronous")).toBe(expected);
  expect(setting("journal_mode")).toBe("wal");
  expect(setting("fullfsync")).toBe(1);
  expect(setting("checkpoint_fullfsync")).toBe(1);
  expect(setting("trusted_schema")).toBe(0);
  expect(setting("busy_timeout")).toBe(100);
});

test("a file system that cannot do WAL is refused", () => {
  const database = openDatabase(":memory:");
  expect(() => configureJournal(database, "full", "/data/app.db")).toThrow(
    expect.objectContaining({ name: "StoreFailure", code: "STORE_UNAVAILABLE", kind: "lost" }),
  );
  database.close();
});
