/**
 * A commit to PostgreSQL that was not answered: whether it arrived, did not, or is still on its way, sending it
 * again under its number finds out, and it is applied once.
 */

import { describe, expect, onTestFinished, test } from "vitest";
import { postgres, type PostgresOptions } from "../../src/postgres/index.ts";
import { address, write } from "../../src/testing/object-store-case.ts";
import { failureOf, opened } from "../support/postgres-opened.ts";
import { borrowedSchema, hasPostgres, postgresAddress, postgresUrl, sql } from "../support/postgres-place.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

describe.skipIf(!hasPostgres)("a commit that was not answered", () => {
  async function openThroughProxy(options: PostgresOptions = {}) {
    const proxy = await TcpProxy.create(postgresAddress());
    const schema = borrowedSchema();
    const url = postgresUrl((through) => proxy.lead(through));
    onTestFinished(() => proxy.close());
    const numbered = await opened(postgres(url, { schema, lockTimeout: 0, lease: "1h", ...options }));
    onTestFinished(() => proxy.cut());
    return { proxy, schema, store: numbered.store, numbered };
  }

  const alarm = { change: "set", name: "n", dueAt: 5, payload: null, rule: null } as const;
  const reply = { key: "k", fingerprint: "f", result: "1", expiresAt: 1e13 };

  test("it has arrived: the answer is the one it would have had, and nothing is done twice", async () => {
    const { proxy, numbered, store } = await openThroughProxy();
    await numbered.apply(write("a", { state: "1" }), write("b", { state: "1" }));
    const batch = numbered.batch([
      write("a", { baseRevision: 1, state: "2", alarms: [alarm], replies: [reply] }),
      write("b", { baseRevision: 9, state: "2" }),
      write("c", { state: "1" }),
    ]);
    proxy.cutBeforeReply();
    expect(await failureOf(store.commit(batch))).toMatchObject({ kind: "retry", code: "STORE_UNAVAILABLE" });
    expect(await store.commit(batch)).toEqual({ stale: [1] });
    expect(store.lastNumber).toBe(batch.number);
    await numbered.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
    await numbered.assertStored("b", { revision: 1, state: "1", stateVersion: 1 });
    await numbered.assertStored("c", { revision: 1, state: "1", stateVersion: 1 });
    expect(await store.listAlarms(address("a"))).toHaveLength(1);
    await numbered.apply(write("a", { baseRevision: 2, state: "3" }));
  });

  test("it has not arrived: it is applied now", async () => {
    const { proxy, numbered, store } = await openThroughProxy();
    const batch = numbered.batch([write("a", { state: "1" }), write("b", { baseRevision: 3 })]);
    proxy.cutBeforeRequest();
    expect(await failureOf(store.commit(batch))).toMatchObject({ kind: "retry" });
    expect(await numbered.load("a")).toBeNull();
    expect(await store.commit(batch)).toEqual({ stale: [1] });
    await numbered.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
  });

  test("it is still on its way, and arrives after it was sent again: it does nothing", async () => {
    const { proxy, numbered, store } = await openThroughProxy();
    await numbered.apply(write("a", { state: "1" }));
    const batch = numbered.batch([write("a", { baseRevision: 1, state: "2" }), write("b", { state: "1" })]);
    proxy.holdRequest();
    expect(await failureOf(store.commit(batch))).toMatchObject({ kind: "retry" });
    expect(await store.commit(batch)).toEqual({ stale: [] });
    await proxy.deliver();
    await numbered.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
    // Also when the lane has moved on, and when the object is where the late one wants it.
    const next = numbered.batch([write("a", { baseRevision: 2, state: "3" })]);
    proxy.holdRequest();
    expect(await failureOf(store.commit(next))).toMatchObject({ kind: "retry" });
    await store.commit(next);
    await numbered.apply(write("a", { baseRevision: 3, deleted: true }));
    await proxy.deliver();
    await numbered.assertStored("a", { revision: 4, state: null, stateVersion: 1 });
  });

  test("SQL of the application in it is executed once", async () => {
    const { proxy, schema, store, numbered } = await openThroughProxy();
    await sql(`CREATE TABLE ${schema}.log (entry text)`);
    onTestFinished(() => void sql(`DROP TABLE ${schema}.log`));
    const entry = (text: string) => ({ text: `INSERT INTO ${schema}.log VALUES ($1)`, params: [text] });
    // Once for each message of the transaction: begin, commit statement, the application's, end.
    for (let message = 0; message < 4; message++) {
      const batch = numbered.batch([write(`o${message}`, { statements: [entry(`${message}`)] })]);
      proxy.cutAfter(message);
      expect(await failureOf(store.commit(batch))).toMatchObject({ kind: "retry" });
      expect(await store.commit(batch)).toEqual({ stale: [] });
    }
    const entries = await sql(`SELECT entry FROM ${schema}.log ORDER BY entry`);
    expect(entries.map(({ entry: text }) => text)).toEqual(["0", "1", "2", "3"]);
  });

  test("it fails for good when it is sent again: the first attempt cannot land any more", async () => {
    const { proxy, schema, store, numbered } = await openThroughProxy();
    await numbered.apply(write("a", { state: "1" }));
    const batch = numbered.batch([write("a", { baseRevision: 1, state: "2" })]);
    proxy.holdRequest();
    expect(await failureOf(store.commit(batch))).toMatchObject({ kind: "retry" });
    await withFullDisk(schema, async () => {
      expect(await failureOf(store.commit(batch))).toMatchObject({ kind: "full", code: "STORE_FULL" });
    });
    // The next batch has its number, and is not taken for it.
    const other = { ...batch, writes: [write("a", { baseRevision: 1, state: '"other"' })] };
    await proxy.deliver();
    await numbered.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
    expect(await store.commit(other)).toEqual({ stale: [] });
    await numbered.assertStored("a", { revision: 2, state: '"other"', stateVersion: 1 });
    await numbered.apply(write("a", { baseRevision: 2, state: "3" }));
  });

  test("it fails for good when it is sent again, but the first attempt had landed: that is the answer", async () => {
    const { proxy, schema, store, numbered } = await openThroughProxy();
    await numbered.apply(write("a", { state: "1" }));
    const batch = numbered.batch([write("a", { baseRevision: 1, state: "2" }), write("b", { baseRevision: 7 })]);
    proxy.cutBeforeReply();
    expect(await failureOf(store.commit(batch))).toMatchObject({ kind: "retry" });
    await withFullDisk(schema, async () => {
      expect(await store.commit(batch)).toEqual({ stale: [1] });
    });
    await numbered.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
    await numbered.apply(write("a", { baseRevision: 2, state: "3" }));
  });

  test("the line is dead without a word: the statement is given up and sent again", async () => {
    const { proxy, store, numbered } = await openThroughProxy({ statementTimeout: 300 });
    await numbered.apply(write("a", { state: "1" }));
    const batch = numbered.batch([write("a", { baseRevision: 1, state: "2" })]);
    proxy.stall();
    expect(await failureOf(store.commit(batch))).toMatchObject({ kind: "retry", code: "STORE_UNAVAILABLE" });
    proxy.cut();
    expect(await store.commit(batch)).toEqual({ stale: [] });
    await numbered.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
  });
});

/** Whatever writes objects meanwhile finds no room. */
async function withFullDisk(schema: string, run: () => Promise<void>): Promise<void> {
  await sql(`
    CREATE FUNCTION ${schema}.full() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON ${schema}.durable_objects
      FOR EACH ROW EXECUTE FUNCTION ${schema}.full()`);
  try {
    await run();
  } finally {
    await sql(`DROP FUNCTION ${schema}.full() CASCADE`);
  }
}
