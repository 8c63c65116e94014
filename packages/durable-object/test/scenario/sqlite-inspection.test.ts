/** A person can look inside: with plain SQL, from another process, while the store is in use. */

import { execFileSync } from "node:child_process";
import { copyFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { write } from "../../src/testing/object-store-case.ts";
import { openStore, temporaryDirectory } from "../fixtures/sqlite-fixture.ts";

const look = `
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  const database = new DatabaseSync(process.argv[1], { readOnly: true });
  const rows = database.prepare("select id, state ->> 'count' as count from durable_objects order by id").all();
  const owner = database.prepare("select pid, command from durable_object_owner").get();
  console.log(JSON.stringify({ rows, owner }));
`;

function lookFromAnotherProcess(path: string): unknown {
  return JSON.parse(execFileSync(process.execPath, ["-e", look, path], { encoding: "utf8" }));
}

test("another process reads the state with SQL while the store is open, and finds every commit", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const store = await openStore(path);
  await store.apply(write("a", { state: '{"count":1}' }), write("b", { state: '{"count":2}' }));
  const owner = {
    pid: process.pid,
    command: [process.execPath, process.argv[1] ?? ""].map((part) => basename(part)).join(" "),
  };
  expect(lookFromAnotherProcess(path)).toEqual({
    rows: [
      { id: "a", count: 1 },
      { id: "b", count: 2 },
    ],
    owner,
  });
  await store.apply(write("a", { baseRevision: 1, state: '{"count":10}' }));
  expect(lookFromAnotherProcess(path)).toMatchObject({ rows: [{ count: 10 }, { count: 2 }] });
});

test("a reader in the middle of a transaction does not hold up commits", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const store = await openStore(path);
  await store.apply(write("a", { state: "1" }));
  const reader = new DatabaseSync(path, { readOnly: true });
  reader.exec("BEGIN");
  expect(reader.prepare("SELECT state FROM durable_objects").get()).toEqual({ state: "1" });
  await store.apply(write("a", { baseRevision: 1, state: "2" }));
  expect(reader.prepare("SELECT state FROM durable_objects").get()).toEqual({ state: "1" });
  await store.store.close();
  reader.close();
});

test("after it was closed, the file alone holds everything", async () => {
  const directory = temporaryDirectory();
  const store = await openStore(join(directory, "app.db"));
  await store.apply(write("a", { state: '{"count":3}' }));
  expect(readdirSync(directory).toSorted()).toEqual(["app.db", "app.db-owner", "app.db-shm", "app.db-wal"]);
  await store.store.close();
  expect(readdirSync(directory).toSorted()).toEqual(["app.db", "app.db-owner"]);
  expect(lookFromAnotherProcess(join(directory, "app.db"))).toMatchObject({ rows: [{ id: "a", count: 3 }] });
});

test("the file alone holds everything even while somebody has it open to look inside", async () => {
  const directory = temporaryDirectory();
  const path = join(directory, "app.db");
  const store = await openStore(path);
  await store.apply(write("a", { state: '{"count":3}' }));
  const reader = new DatabaseSync(path, { readOnly: true });
  reader.prepare("SELECT count(*) FROM durable_objects").get();
  await store.store.close();
  copyFileSync(path, join(directory, "copy.db"));
  expect(lookFromAnotherProcess(join(directory, "copy.db"))).toMatchObject({ rows: [{ id: "a", count: 3 }] });
  reader.close();
});

test("a relative path stays where it was when the working directory changes", async () => {
  const directory = temporaryDirectory();
  const before = process.cwd();
  const { sqlite } = await import("../../src/sqlite/index.ts");
  const { systemEnvironment } = await import("../../src/runtime/system-environment.ts");
  try {
    process.chdir(directory);
    const store = sqlite("app.db");
    process.chdir("/");
    await (await store.open({ environment: systemEnvironment, node: "tester" })).close();
  } finally {
    process.chdir(before);
  }
  expect(readdirSync(directory)).toContain("app.db");
});
