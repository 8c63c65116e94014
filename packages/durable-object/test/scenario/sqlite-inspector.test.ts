/** Edges of looking at a SQLite file; what every store shows is in store-inspector.test.ts. */

import { readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { InspectedAlarmsQuery, StoreInspector } from "../../src/ports/store-inspector.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import { address, write } from "../../src/testing/object-store-case.ts";
import { failureOf, openStore, StoreProcess, temporaryDirectory, temporaryMount } from "../fixtures/sqlite-fixture.ts";
import { changeFile } from "../support/sqlite-schema.ts";

async function look(path: string): Promise<StoreInspector> {
  const inspector = await sqlite(path, { lockTimeout: 0 }).inspect();
  onTestFinished(() => inspector.close());
  return inspector;
}

const allAlarms: InspectedAlarmsQuery = { tenant: null, type: null, id: null, status: null, after: null, limit: 9 };
const allObjects = { tenant: null, type: null, after: null, limit: 9 };

test("tables of the version before are read as they are, and not brought up to date", async () => {
  const path = join(temporaryDirectory(), "app.db");
  changeFile(path, sqlite(path).migrationSql(0, 1));
  changeFile(
    path,
    `INSERT INTO durable_objects VALUES ('', 'counter', 'a', '1', 1, 1, 5, 6, NULL);
     INSERT INTO durable_object_alarms VALUES ('', 'counter', 'a', 'ring', 7, 1, NULL, NULL, 0, 'set', NULL);
     INSERT INTO durable_object_owner VALUES (1, 1, 'before', 999, 'host', 'node app.js', 4)`,
  );
  const inspector = await look(path);
  expect(await inspector.object(address("a"))).toMatchObject({ state: "1", createdAt: 5, updatedAt: 6 });
  expect(await inspector.alarms(allAlarms)).toMatchObject([{ name: "ring", dueAt: 7, scheduledAt: 7, suspect: false }]);
  expect(await inspector.counts()).toEqual([{ tenant: "", type: "counter", objects: 1, alarms: 1, dead: 0 }]);
  // Whether it was closed was not written down.
  expect(await inspector.owners()).toMatchObject([{ node: "before", pid: 999, alive: false }]);
  expect((await inspector.migrations()).map(({ state }) => state)).toEqual(["applied", "missing"]);
});

test("the file is not written, and nothing is created before its time", async () => {
  const directory = temporaryDirectory();
  const path = join(directory, "app.db");
  const missing = await look(path);
  expect(await missing.objects(allObjects)).toEqual([]);
  expect(readdirSync(directory)).toEqual([]);
  const store = await openStore(path);
  await store.apply(write("a", { state: "1" }));
  await store.store.close();
  const before = readFileSync(path);
  // What was not there is found once it is.
  expect(await missing.objects(allObjects)).toHaveLength(1);
  await missing.diagnose();
  await missing.close();
  expect(readFileSync(path).equals(before)).toBe(true);
  // What SQLite has put beside it is in nobody's way.
  await (await openStore(path)).assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
});

test("what an owner that died had committed is seen, though it is only in the log", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const child = await StoreProcess.start(path);
  await child.succeed({ step: "open" });
  await child.succeed({ step: "commit", batch: { number: 1, at: 1, writes: [write("a", { state: '"kept"' })] } });
  await child.crash();
  const inspector = await look(path);
  expect(await inspector.object(address("a"))).toMatchObject({ state: '"kept"' });
});

test("a page that is read holds up neither commits nor the end of the owner", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const store = await openStore(path);
  await store.apply(write("a", { state: "1" }));
  const inspector = await look(path);
  expect(await inspector.objects(allObjects)).toHaveLength(1);
  await store.apply(write("b", { state: "2" }));
  await store.store.close();
  expect(await inspector.objects(allObjects)).toHaveLength(2);
  await openStore(path);
});

test("a file on a disk that cannot be written is read, if no log lies beside it", async ({ skip }) => {
  const { directory, remountReadOnly } = temporaryMount("4m", skip);
  const path = join(directory, "backup.db");
  const store = await openStore(path);
  await store.apply(write("a", { state: "1" }));
  await store.store.close();
  remountReadOnly();
  const inspector = await look(path);
  expect(await inspector.objects(allObjects)).toHaveLength(1);
  expect((await inspector.diagnose()).filter(({ level }) => level === "error")).toMatchObject([
    { check: "permissions" },
  ]);
  expect(await failureOf(inspector.migrate())).toMatchObject({ code: "STORE_READ_ONLY" });
});

test("one file has one owner by all its names", async () => {
  const directory = temporaryDirectory();
  await openStore(join(directory, "app.db"));
  symlinkSync(join(directory, "app.db"), join(directory, "other.db"));
  const inspector = await look(join(directory, "other.db"));
  expect(inspector.location).toBe(join(directory, "app.db"));
  expect(await inspector.owners()).toMatchObject([{ pid: process.pid, alive: true }]);
  expect(await failureOf(inspector.migrate())).toMatchObject({ code: "STORE_LOCKED" });
});

test("what is no database, and a directory that is missing, are refused at once", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "note.txt"), "nothing that SQLite knows ".repeat(50));
  expect(await failureOf(sqlite(join(directory, "note.txt")).inspect())).toMatchObject({ code: "STORE_CORRUPT" });
  expect(await failureOf(sqlite(join(directory, "no", "app.db")).inspect())).toMatchObject({
    code: "STORE_UNAVAILABLE",
  });
  expect(await failureOf(sqlite(directory).inspect())).toMatchObject({ code: "STORE_UNAVAILABLE" });
});
