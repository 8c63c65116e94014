/** The tables of PostgreSQL: made, brought up to date and checked when the store is opened. */

import { Pool } from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { migrate, postgres } from "../../src/postgres/index.ts";
import { write } from "../../src/testing/object-store-case.ts";
import { failureOf, opened, openedIn } from "../support/postgres-opened.ts";
import { describeSchema } from "../support/postgres-schema.ts";
import { freshName, freshSchema, hasPostgres, postgresUrl, sql } from "../support/postgres-place.ts";

describe.skipIf(!hasPostgres)("the tables of a schema", () => {
  test("are made when it is opened for the first time, the schema included, as they are written down", async () => {
    const schema = freshSchema();
    await openedIn(schema);
    await expect(await describeSchema(schema)).toMatchFileSnapshot("../fixtures/postgres-schema.txt");
    const applied = await sql(`SELECT version, name, checksum FROM ${schema}.durable_object_migrations`);
    expect(applied).toEqual([
      { version: 1, name: expect.any(String) as string, checksum: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
    ]);
  });

  test("are made once, however many open it", async () => {
    const schema = freshSchema();
    const open = async (): Promise<void> => {
      const store = await openedIn(schema, { lockTimeout: "15s" });
      await store.store.close();
    };
    await Promise.all([open(), open(), migrate(postgresUrl(), { schema }), open(), migrate(postgresUrl(), { schema })]);
    expect(await sql(`SELECT version FROM ${schema}.durable_object_migrations`)).toHaveLength(1);
  });

  test("are left alone if they are up to date", async () => {
    const schema = freshSchema();
    const first = await openedIn(schema);
    await first.apply(write("a", { state: "1" }));
    await first.store.close();
    expect(await migrate(postgresUrl(), { schema })).toEqual({ from: 1, to: 1 });
    await (await openedIn(schema)).assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
  });

  test("of a newer version are refused, and not changed", async () => {
    const schema = freshSchema();
    await migrate(postgresUrl(), { schema });
    await sql(`INSERT INTO ${schema}.durable_object_migrations (version, name, checksum) VALUES (2, 'new', 'x')`);
    for (const attempt of [() => openedIn(schema), () => migrate(postgresUrl(), { schema })]) {
      const failure = await failureOf(attempt());
      expect(failure.code).toBe("STORE_TOO_NEW");
      expect(failure.message).toContain("have version 2, this code knows 1");
    }
    expect(await sql(`SELECT 1 FROM ${schema}.durable_object_nodes`)).toEqual([]);
  });

  test("made by other code are refused", async () => {
    const schema = freshSchema();
    await migrate(postgresUrl(), { schema });
    await sql(`UPDATE ${schema}.durable_object_migrations SET checksum = 'x'`);
    expect(await failureOf(openedIn(schema))).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
  });

  test("are not made if that is not wanted; migrate() makes them", async () => {
    const schema = freshSchema();
    const failure = await failureOf(openedIn(schema, { migrate: false }));
    expect(failure).toMatchObject({ kind: "lost", code: "STORE_UNAVAILABLE" });
    expect(failure.message).toContain("migrate()");
    expect(await sql("SELECT to_regnamespace($1) AS found", [schema])).toEqual([{ found: null }]);
    expect(await migrate(postgresUrl(), { schema })).toEqual({ from: 0, to: 1 });
    await openedIn(schema, { migrate: false });
  });

  test("are enough for a role that may not change them", async () => {
    const schema = freshSchema();
    await migrate(postgresUrl(), { schema });
    const worker = freshName();
    const pool = await poolAs(worker);
    await sql(`GRANT USAGE ON SCHEMA ${schema} TO ${worker};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${worker}`);
    const store = await opened(postgres(pool, { schema, lockTimeout: 0 }));
    const alarms = [{ change: "set", name: "n", dueAt: 5, payload: null, rule: null }] as const;
    await store.apply(write("a", { alarms, replies: [{ key: "k", fingerprint: "f", result: "1", expiresAt: 1 }] }));
    expect(await store.store.sweep({ now: 9, tombstonesBefore: 9, limit: 9 })).toBe(1);
  });

  test("a role that may not make them is told what it needs", async () => {
    const schema = freshSchema();
    const pool = await poolAs(freshName());
    for (const prepare of [() => Promise.resolve([]), () => sql(`CREATE SCHEMA ${schema}`)]) {
      await prepare();
      const failure = await failureOf(opened(postgres(pool, { schema })));
      expect(failure).toMatchObject({ kind: "lost", code: "STORE_UNAVAILABLE" });
      expect(failure.message).toContain("USAGE on the schema");
    }
  });

  test("of two schemas never meet", async () => {
    const [left, right] = [await openedIn(freshSchema()), await openedIn(freshSchema())];
    await left.apply(write("a", { state: '"left"' }));
    await right.apply(write("a", { state: '"right"' }), write("b"));
    await left.apply(write("a", { baseRevision: 1, deleted: true }));
    await right.assertStored("a", { revision: 1, state: '"right"', stateVersion: 1 });
    expect(await left.load("b")).toBeNull();
    await left.store.close();
    await right.apply(write("a", { baseRevision: 1 }));
  });
});

/** A pool of connections as a role that has no rights. */
async function poolAs(name: string): Promise<Pool> {
  await sql(`CREATE ROLE ${name} LOGIN PASSWORD 'secret'`);
  const url = postgresUrl((role) => {
    role.username = name;
    role.password = "secret";
  });
  const pool = new Pool({ connectionString: url, max: 2, allowExitOnIdle: true });
  onTestFinished(() => pool.end());
  return pool;
}
