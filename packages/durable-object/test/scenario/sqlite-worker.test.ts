/** The store in a worker thread: the event loop stays free, and a dead worker is an answer. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { SqliteWorker } from "../../src/sqlite/sqlite-worker.ts";
import { address, write } from "../../src/testing/object-store-case.ts";
import { failureOf, openStore, temporaryDirectory } from "../fixtures/sqlite-fixture.ts";

const owner = { node: "tester", pid: 1, host: "here", command: "", since: 1 };
const batch = { number: 1, at: 1, writes: [write("a")] };

test("a worker that dies fails every call: a commit that it had may have been applied", async () => {
  const settings = { path: "app.db", synchronous: "full", owner } as const;
  const worker = await SqliteWorker.open(settings, new URL("../fixtures/sqlite-dying-thread.ts", import.meta.url));
  expect(await worker.load([])).toBe(null);
  const calls = [worker.commit(batch), worker.load([address("a")]), worker.commit({ ...batch, number: 2 })];
  const [first, read, second] = await Promise.all(calls.map((call) => failureOf(call)));
  expect(first).toMatchObject({ name: "StoreFailure", kind: "lost", code: "STORE_UNAVAILABLE", maybeApplied: true });
  expect(first?.message).toContain("out of luck");
  expect(read).toMatchObject({ kind: "lost", maybeApplied: false });
  expect(second).toMatchObject({ kind: "lost", maybeApplied: true });
  expect(await failureOf(worker.commit(batch))).toMatchObject({ kind: "lost", maybeApplied: false });
  await worker.close(true);
});

test("a worker that cannot start is a failure of the store", async () => {
  const settings = { path: "app.db", synchronous: "full", owner } as const;
  const failure = await failureOf(SqliteWorker.open(settings, new URL("file:///nowhere/thread.js")));
  expect(failure).toMatchObject({ name: "StoreFailure", kind: "lost", code: "STORE_UNAVAILABLE" });
});

test("the event loop runs while the worker waits for the disk", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const store = await openStore(path, { worker: true });
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  let turns = 0;
  let waiting = true;
  const count = (): void => {
    turns++;
    if (waiting) setImmediate(count);
  };
  count();
  expect(await failureOf(store.apply(write("a")))).toMatchObject({ kind: "retry" });
  waiting = false;
  expect(turns).toBeGreaterThan(50);
  other.close();
});

test("calls that were sent before closing are answered", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const { store } = await openStore(path, { worker: true });
  const commit = store.commit(batch);
  const load = store.load([address("a")]);
  await store.close();
  expect((await commit).stale).toEqual([]);
  expect((await load)[0]).toMatchObject({ revision: 1 });
  await (await openStore(path)).assertStored("a", { revision: 1, state: "{}", stateVersion: 1 });
});

test.each(["thread", "worker"])("a process that has nothing else to do ends: %s", async (where) => {
  const path = join(temporaryDirectory(), "app.db");
  const script = fileURLToPath(new URL("../fixtures/sqlite-idle.ts", import.meta.url));
  const ended = spawnSync(process.execPath, [script, path, where], { encoding: "utf8", timeout: 10_000 });
  expect(ended).toMatchObject({ status: 0, stdout: "committed\n", stderr: "" });
  await (await openStore(path)).assertStored("a", { revision: 1, state: "{}", stateVersion: 1 });
});
