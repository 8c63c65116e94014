/** Whoever has lost the right to write writes nothing; whoever was only in somebody's way tries again. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { address, write } from "../../src/testing/object-store-case.ts";
import { failureOf, openStore, StoreProcess, temporaryDirectory } from "../fixtures/sqlite-fixture.ts";

describe.each([{ worker: false }, { worker: true }])("worker: $worker", ({ worker }) => {
  test.each([
    "UPDATE durable_object_owner SET epoch = epoch + 1",
    "UPDATE durable_object_lanes SET epoch = epoch + 1",
    "UPDATE durable_object_lanes SET epoch = epoch + 1, number = 2",
    "UPDATE durable_object_lanes SET epoch = epoch + 1; UPDATE durable_object_owner SET epoch = epoch + 1",
    "DELETE FROM durable_object_lanes",
    "DELETE FROM durable_object_owner",
  ])("an owner that was taken over writes nothing: %s", async (takeOver) => {
    const path = join(temporaryDirectory(), "app.db");
    const store = await openStore(path, { worker });
    await store.apply(write("a", { state: "1" }));
    const other = new DatabaseSync(path);
    other.exec(takeOver);

    const batch = store.batch([write("a", { baseRevision: 1, state: "2" }), write("b")]);
    for (let attempt = 0; attempt < 2; attempt++) {
      const failure = await failureOf(store.store.commit(batch));
      expect(failure).toMatchObject({ kind: "lost", code: "STORE_TAKEN_OVER", maybeApplied: false });
      expect(failure.message).toContain(path);
    }
    expect(await failureOf(store.load("a"))).toMatchObject({ kind: "lost", code: "STORE_TAKEN_OVER" });
    expect(other.prepare("SELECT id, revision, state FROM durable_objects").all()).toEqual([
      { id: "a", revision: 1, state: "1" },
    ]);
    other.close();
  });

  test("a commit that meets another writer fails as retryable, and succeeds under the same number", async () => {
    const path = join(temporaryDirectory(), "app.db");
    const store = await openStore(path, { worker });
    await store.apply(write("a", { state: "1" }));
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    const batch = store.batch([write("a", { baseRevision: 1, state: "2" })]);
    const started = performance.now();
    const failure = await failureOf(store.store.commit(batch));
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(failure).toMatchObject({ kind: "retry", code: "STORE_UNAVAILABLE" });
    // Reading goes on.
    await store.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
    other.exec("COMMIT");
    other.close();
    expect((await store.store.commit(batch)).stale).toEqual([]);
    expect((await store.store.commit(batch)).stale).toEqual([]);
    await store.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
  });

  test("a write that the database refuses takes nothing of its batch with it", async () => {
    const path = join(temporaryDirectory(), "app.db");
    const store = await openStore(path, { worker });
    await store.apply(write("a", { state: "1" }));
    const other = new DatabaseSync(path);
    other.exec(`CREATE TRIGGER poison BEFORE INSERT ON durable_objects WHEN new.id = 'poison'
      BEGIN SELECT RAISE(ABORT, 'no poison here'); END`);
    other.close();
    const good = [write("a", { baseRevision: 1, state: "2" }), write("b")];
    const alarm = { change: "set", name: "n", dueAt: 1, payload: null, rule: null } as const;
    const failure = await failureOf(store.commit([...good, write("poison", { alarms: [alarm] }), write("c")]));
    expect(failure).toMatchObject({ kind: "refused", code: "COMMIT_FAILED" });
    expect(failure.message).toContain("no poison here");
    await store.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
    await store.assertStored("b", null);
    await store.assertStored("c", null);
    // The engine splits it: the number was not used up.
    await store.apply(...good);
    expect(await store.store.listAlarms(address("poison"))).toEqual([]);
  });

  test("a part that the database refuses takes the whole write with it", async () => {
    const store = await openStore(join(temporaryDirectory(), "app.db"), { worker });
    const alarm = { change: "set", name: "n", dueAt: 1.5, payload: null, rule: null } as const;
    const failure = await failureOf(store.commit([write("a", { alarms: [alarm] }), write("b")]));
    expect(failure).toMatchObject({ kind: "refused", code: "COMMIT_FAILED" });
    await store.assertStored("a", null);
    await store.assertStored("b", null);
    await store.apply(write("b"));
  });
});

test("an owner whose lock was circumvented is fenced off by the next one", async () => {
  const path = join(temporaryDirectory(), "app.db");
  const first = await openStore(path);
  await first.apply(write("a", { state: "1" }));
  rmSync(`${path}-owner`);
  const other = await StoreProcess.start(path);
  await other.succeed({ step: "open" });
  // The numbers of the two would fit each other: only the epoch tells them apart.
  const writes = [write("a", { baseRevision: 1, state: '"other"' })];
  await other.succeed({ step: "commit", batch: { number: 1, at: 1, writes } });
  const failure = await failureOf(first.apply(write("b")));
  expect(failure).toMatchObject({ kind: "lost", code: "STORE_TAKEN_OVER", maybeApplied: false });
  await other.succeed({ step: "commit", batch: { number: 2, at: 1, writes: [write("c")] } });
  expect(await other.succeed({ step: "load", id: "b" })).toBe(null);
});

test("opening waits for another writer, and says so when it does not end", async () => {
  const path = join(temporaryDirectory(), "app.db");
  await (await openStore(path)).store.close();
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  const failure = await failureOf(openStore(path));
  expect(failure).toMatchObject({ kind: "retry", code: "STORE_UNAVAILABLE" });
  expect(failure.message).toContain("Another program is writing");
  const opening = openStore(path, { lockTimeout: "5s" });
  setTimeout(() => other.close(), 200);
  await (await opening).apply(write("a"));
});
