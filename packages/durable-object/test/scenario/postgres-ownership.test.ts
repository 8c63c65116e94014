/** One owner of a schema: how a second one is told, when it takes over, and what the first one can do then. */

import { describe, expect, test } from "vitest";
import { postgres } from "../../src/postgres/index.ts";
import { address, write } from "../../src/testing/object-store-case.ts";
import { set } from "../../src/testing/object-store-alarms.ts";
import { watch } from "../support/outcome-of.ts";
import { PostgresChild } from "../support/postgres-child.ts";
import { session, waiting } from "../support/postgres-locks.ts";
import { failureOf, opened, openedIn } from "../support/postgres-opened.ts";
import { borrowedSchema, hasPostgres, postgresUrl, sql } from "../support/postgres-place.ts";

/** The first owner's row says that it ran on a machine that nobody can ask. */
async function moveElsewhere(schema: string): Promise<void> {
  await sql(`UPDATE ${schema}.durable_object_nodes SET machine = 'elsewhere', host = 'elsewhere'`);
}

/** The lease of every owner is over by the clock of the database. */
async function endLease(schema: string): Promise<void> {
  await sql(`UPDATE ${schema}.durable_object_nodes SET expires_at = now() - interval '1 ms'`);
}

/** The first owner's row says that it ran on this machine, under a pid that nobody has. */
async function killInName(schema: string): Promise<void> {
  await sql(`UPDATE ${schema}.durable_object_nodes SET pid = 2147483647`);
}

describe.skipIf(!hasPostgres)("one owner", () => {
  test("a second process is refused, and told who the owner is and what to do", async () => {
    const schema = borrowedSchema();
    const child = new PostgresChild({ schema });
    await child.succeed({ step: "open" });
    const failure = await failureOf(openedIn(schema));
    expect(failure).toMatchObject({ kind: "retry", code: "STORE_LOCKED" });
    expect(failure.message).toContain(`Schema "${schema}" of database "${new URL(postgresUrl()).pathname.slice(1)}"`);
    expect(failure.message).toContain(`pid ${child.pid} (node postgres-process.ts`);
    expect(failure.message).toMatch(/host \S+, runtime child\) since 20\d\d-/);
    expect(failure.message).toContain("configure a cluster");
  });

  test("a second one in this process is refused, and told so", async () => {
    const schema = borrowedSchema();
    await openedIn(schema, {}, "first");
    const { message } = await failureOf(openedIn(schema));
    expect(message).toContain(`this process already, pid ${process.pid} `);
    expect(message).toContain("runtime first");
  });

  test("it waits as long as it is told, and takes over as soon as the owner closes", async () => {
    const schema = borrowedSchema();
    const child = new PostgresChild({ schema });
    await child.succeed({ step: "open" });
    expect(await failureOf(openedIn(schema, { lockTimeout: 300 }))).toMatchObject({ code: "STORE_LOCKED" });
    const opening = openedIn(schema, { lockTimeout: "15s" });
    const watched = watch(opening);
    await child.succeed({ step: "commit", batch: { number: 1, at: 1, writes: [write("a", { state: "1" })] } });
    expect(watched.settled).toBe(false);
    await child.succeed({ step: "close" });
    const next = await opening;
    await next.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
    await next.apply(write("a", { baseRevision: 1, state: "2" }));
  });

  test("it takes over at once from an owner on this machine whose process is gone", async () => {
    const schema = borrowedSchema();
    // So long that waiting for it would fail the test.
    const child = new PostgresChild({ schema, lease: "1h" });
    await child.succeed({ step: "open" });
    const alarms = [set("due", 1)];
    await child.succeed({ step: "commit", batch: { number: 1, at: 1, writes: [write("a", { alarms })] } });
    await child.crash();
    const next = await openedIn(schema);
    const due = await next.store.dueAlarms({ type: "counter", tenant: null, dueBy: 9, limit: 9 });
    expect(due.map(({ name, suspect }) => [name, suspect])).toEqual([["due", true]]);
  });

  test("another process that has the pid of the owner by now is not the owner", async () => {
    const schema = borrowedSchema();
    await openedIn(schema, { lease: "1h" });
    const child = new PostgresChild({ schema });
    // A process that lives, under the pid that the owner had.
    await sql(`UPDATE ${schema}.durable_object_nodes SET pid = $1, started = '1'`, [child.pid]);
    await openedIn(schema);
  });

  test("it waits for the lease of an owner that nobody can ask, and watches it for as long", async () => {
    const schema = borrowedSchema();
    const child = new PostgresChild({ schema, lease: "3s" });
    await child.succeed({ step: "open" });
    await child.succeed({ step: "commit", batch: { number: 1, at: 1, writes: [write("a", { state: "1" })] } });
    await moveElsewhere(schema);
    await child.crash();
    expect(await failureOf(openedIn(schema))).toMatchObject({ code: "STORE_LOCKED" });
    await endLease(schema);
    const watchedSinceMs = performance.now();
    // It would not wait for one that lives, but to be sure that this one does not takes the time that it takes.
    const next = await openedIn(schema);
    expect(performance.now() - watchedSinceMs).toBeGreaterThanOrEqual(3_000);
    await next.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
  });

  test("a clock of the database that jumps ahead costs no owner anything that lives", async () => {
    const schema = borrowedSchema();
    const first = await openedIn(schema, { lease: "3s" });
    await moveElsewhere(schema);
    await endLease(schema);
    expect(await failureOf(openedIn(schema))).toMatchObject({ code: "STORE_LOCKED" });
    await first.apply(write("a"));
  });

  test("an owner that was suspended until its lease had lapsed writes nothing when it wakes up", async () => {
    const schema = borrowedSchema();
    const child = new PostgresChild({ schema, lease: "3s" });
    await child.succeed({ step: "open" });
    await child.succeed({ step: "commit", batch: { number: 1, at: 1, writes: [write("a", { state: "1" })] } });
    child.signal("SIGSTOP");
    const next = await openedIn(schema, { lockTimeout: "15s" });
    await next.apply(write("a", { baseRevision: 1, state: "2" }));
    const writes = [write("a", { baseRevision: 2, state: '"late"' }), write("b")];
    const answer = child.take({ step: "commit", batch: { number: 2, at: 1, writes } });
    child.signal("SIGCONT");
    expect((await answer).failure).toMatchObject({ kind: "lost", code: "STORE_TAKEN_OVER" });
    await next.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
    await next.assertStored("b", null);
    // What it does at its end is nothing to the next one.
    await child.succeed({ step: "close" });
    await next.apply(write("a", { baseRevision: 2, state: "3" }));
  });

  test("the lease is renewed, so that nobody takes over from an owner that lives", async () => {
    const schema = borrowedSchema();
    const first = await openedIn(schema, { lease: "3s" });
    await moveElsewhere(schema);
    const until = first.store.leaseUntilMs;
    const text = `SELECT expires_at > now() + $1 * interval '1 ms' AS later FROM ${schema}.durable_object_nodes`;
    // Longer from now than it was at first: not without renewals.
    await sql(`UPDATE ${schema}.durable_object_nodes SET expires_at = now() + interval '1 s'`);
    await expect.poll(async () => (await sql(text, [1_500]))[0]).toEqual({ later: true });
    expect(await failureOf(openedIn(schema))).toMatchObject({ code: "STORE_LOCKED" });
    expect(first.store.leaseUntilMs).toBeGreaterThan(until);
    await first.apply(write("a"));
  });

  test("an owner that finds out while it renews its lease answers nothing from memory any more", async () => {
    const schema = borrowedSchema();
    const first = await openedIn(schema, { lease: "3s" });
    await sql(`DELETE FROM ${schema}.durable_object_nodes`);
    await expect.poll(() => first.store.leaseUntilMs, { timeout: 10_000 }).toBe(-Infinity);
    expect(await failureOf(first.store.load([address("a")]))).toMatchObject({ code: "STORE_TAKEN_OVER" });
  });
});

describe.skipIf(!hasPostgres)("taking over, to the moment", () => {
  test("waits for a commit that is being applied, and finds it", async () => {
    const schema = borrowedSchema();
    const first = await openedIn(schema);
    await first.apply(write("a", { state: "1" }));
    await killInName(schema);
    // The commit has its lane, and waits for the object.
    const blocker = await session();
    await blocker.query(`BEGIN; SELECT 1 FROM ${schema}.durable_objects FOR UPDATE`);
    const commit = first.commit([write("a", { baseRevision: 1, state: "2" })]);
    await waiting(schema);
    const opening = openedIn(schema, { lockTimeout: "15s" });
    const watched = watch(opening);
    await expect.poll(async () => (await locksOn(schema, "durable_object_lanes")) > 0).toBe(true);
    expect(watched.settled).toBe(false);
    await blocker.query("COMMIT");
    expect(await commit).toEqual([]);
    const second = await opening;
    await second.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
    expect(await failureOf(first.commit([write("b")]))).toMatchObject({ code: "STORE_TAKEN_OVER" });
  });

  test("ends a commit that hangs, of an owner that is gone", async () => {
    const schema = borrowedSchema();
    const first = await openedIn(schema);
    await first.apply(write("a", { state: "1" }));
    await killInName(schema);
    const blocker = await session();
    await blocker.query(`BEGIN; SELECT 1 FROM ${schema}.durable_objects FOR UPDATE`);
    const batch = first.batch([write("a", { baseRevision: 1, state: "2" })]);
    const commit = failureOf(first.store.commit(batch));
    await waiting(schema);
    // Nobody lets go of the object.
    const second = await openedIn(schema, { lockTimeout: "15s" });
    expect(await commit).toMatchObject({ kind: "retry" });
    expect(await failureOf(first.store.commit(batch))).toMatchObject({ code: "STORE_TAKEN_OVER" });
    await blocker.query("COMMIT");
    await second.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
  });

  test("a commit waits for a takeover that is under way, and then writes nothing", async () => {
    const schema = borrowedSchema();
    const first = await openedIn(schema);
    await first.apply(write("a", { state: "1" }));
    const taker = await session();
    await taker.query(`BEGIN; DELETE FROM ${schema}.durable_object_nodes`);
    const commit = failureOf(first.commit([write("a", { baseRevision: 1, state: "2" }), write("b")]));
    await waiting(schema);
    await taker.query("COMMIT");
    expect(await commit).toMatchObject({ kind: "lost", code: "STORE_TAKEN_OVER" });
    const second = await openedIn(schema);
    await second.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
    await second.assertStored("b", null);
  });

  test("a takeover that is called off changes nothing", async () => {
    const schema = borrowedSchema();
    const first = await openedIn(schema);
    const taker = await session();
    await taker.query(`BEGIN; DELETE FROM ${schema}.durable_object_nodes`);
    const commit = first.commit([write("a")]);
    await waiting(schema);
    await taker.query("ROLLBACK");
    expect(await commit).toEqual([]);
  });

  test("an owner that was removed still hears that its last commit had landed", async () => {
    const schema = borrowedSchema();
    const first = await openedIn(schema);
    const batch = first.batch([write("a"), write("b", { baseRevision: 4 })]);
    await first.store.commit(batch);
    await sql(`DELETE FROM ${schema}.durable_object_nodes`);
    expect(await first.store.commit(batch)).toEqual({ stale: [1] });
    expect(await failureOf(first.commit([write("c")]))).toMatchObject({ code: "STORE_TAKEN_OVER" });
  });

  test("a sweep by an owner that was removed deletes nothing", async () => {
    const schema = borrowedSchema();
    const first = await openedIn(schema);
    await first.apply(write("a"));
    await first.apply(write("a", { baseRevision: 1, deleted: true }));
    const taker = await session();
    await taker.query(`BEGIN; DELETE FROM ${schema}.durable_object_nodes`);
    const sweep = failureOf(first.store.sweep({ now: 1e14, tombstonesBefore: 1e14, limit: 9 }));
    await waiting(schema);
    await taker.query("COMMIT");
    expect(await sweep).toMatchObject({ kind: "lost", code: "STORE_TAKEN_OVER" });
    expect(await (await openedIn(schema)).load("a")).not.toBeNull();
  });

  test("of two that open an empty schema at once one gets it", async () => {
    const schema = borrowedSchema();
    const open = () => opened(postgres(postgresUrl(), { schema, lockTimeout: 0 }));
    const outcomes = await Promise.allSettled([open(), open(), open(), open()]);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "STORE_LOCKED" });
    }
  });

  test("several that wait get it one after the other", async () => {
    const schema = borrowedSchema();
    const first = await openedIn(schema);
    let revision = 0;
    const turns = [1, 2, 3].map(async () => {
      const store = await openedIn(schema, { lockTimeout: "15s" });
      await store.apply(write("a", { baseRevision: revision, state: `${++revision}` }));
      await store.store.close();
    });
    await first.store.close();
    await Promise.all(turns);
    await (await openedIn(schema)).assertStored("a", { revision: 3, state: "3", stateVersion: 1 });
  });
});

/** How many statements wait for a row of a table, or have asked for one. */
async function locksOn(schema: string, table: string): Promise<number> {
  const [row] = await sql(
    `SELECT count(*)::int AS n FROM pg_locks
     WHERE locktype = 'tuple' AND relation = $1::regclass`,
    [`${schema}.${table}`],
  );
  return Number(row?.["n"]);
}
