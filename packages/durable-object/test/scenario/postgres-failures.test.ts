/** What can go wrong with a PostgreSQL server, and what the store and its runtime make of it. */

import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { Client, Pool, types } from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { defineObject, reply } from "../../src/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { write } from "../../src/testing/object-store-case.ts";
import { listen } from "../support/channels.ts";
import { Counter } from "../support/counter.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { failureOf, opened, openedIn } from "../support/postgres-opened.ts";
import { borrowedSchema, freshName, freshSchema, hasPostgres, postgresUrl, sql } from "../support/postgres-place.ts";
import { start } from "../support/stores.ts";

interface Warning {
  readonly warning: string;
  readonly message: string;
}

describe.skipIf(!hasPostgres)("what the database does not take", () => {
  const refused = ['{"a":"\\u0000"}', '{"a\\u0000":1}', '{"a":"\\ud800"}', '{"a":1e200000}', "{", ""];

  test.each(refused)("JSON that jsonb refuses fails alone: %s", async (state) => {
    const store = await openedIn(borrowedSchema());
    await store.apply(write("a", { state: "1" }));
    const failure = await failureOf(store.commit([write("a", { baseRevision: 1, state }), write("b")]));
    expect(failure).toMatchObject({ kind: "refused", code: "INVALID_STATE" });
    await store.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
    expect(await store.load("b")).toBeNull();
    await store.apply(write("a", { baseRevision: 1, state: "2" }), write("b"));
  });

  test("numbers and texts that it keeps in a form of its own come back as the same values", async () => {
    const store = await openedIn(borrowedSchema());
    const values = [
      5e-324,
      1.7976931348623157e308,
      -0.1,
      1e21,
      123456789012345680000,
      "\u2028\u0001\u{10FFFF}",
      "\\u0000",
    ];
    await store.apply(write("a", { state: JSON.stringify(values) }));
    expect(JSON.parse((await store.load("a"))?.state ?? "")).toEqual(values);
  });

  test("one object that is refused does not fail the others of its commit", async () => {
    const schema = borrowedSchema();
    const runtime = await start({ objects: [Counter], store: postgres(postgresUrl(), { schema }) });
    const ids = Array.from({ length: 40 }, (_, index) => `user-${index}`);
    for (const id of ids) await runtime.activate(Counter, id);
    await sql(
      `ALTER TABLE ${schema}.durable_objects ADD CONSTRAINT nobody CHECK (id <> 'user-13' OR revision > 99) NOT VALID`,
    );
    const codes = await Promise.all(ids.map((id) => codeOf(runtime.get(Counter, id).increment())));
    expect(codes.filter((code) => code !== "ok")).toEqual(["COMMIT_FAILED"]);
    expect(codes[13]).toBe("COMMIT_FAILED");
    await sql(`ALTER TABLE ${schema}.durable_objects DROP CONSTRAINT nobody`);
    expect(await runtime.get(Counter, "user-13").increment()).toBe(1);
  });
});

describe.skipIf(!hasPostgres)("what passes", () => {
  /** A trigger that raises an error on the next writes of objects, until it is called off. */
  async function raise(schema: string, code: string): Promise<() => Promise<unknown>> {
    await sql(`
      CREATE FUNCTION ${schema}.raise() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'raised by a test' USING ERRCODE = '${code}'; END $$;
      CREATE TRIGGER raising BEFORE INSERT OR UPDATE ON ${schema}.durable_objects
        FOR EACH ROW EXECUTE FUNCTION ${schema}.raise()`);
    return () => sql(`DROP FUNCTION IF EXISTS ${schema}.raise() CASCADE`);
  }

  test.each([
    ["a serialization failure", "40001"],
    ["a deadlock", "40P01"],
    ["a statement that took too long", "57014"],
    ["a lock that was not to be had", "55P03"],
    ["too many connections", "53300"],
    ["memory that ran out", "53200"],
  ])("%s: the commit is sent again, and applied once", async (_name, code) => {
    const schema = borrowedSchema();
    const warnings = listen<Warning>("durable-object:warning");
    const runtime = await start({ objects: [Counter], store: postgres(postgresUrl(), { schema }) });
    await runtime.activate(Counter, "a");
    const callOff = await raise(schema, code);
    onTestFinished(async () => void (await callOff()));
    const call = runtime.get(Counter, "a", { timeout: "never" }).increment();
    await expect.poll(() => warnings.filter(({ warning }) => warning === "commit-in-doubt").length).toBeGreaterThan(1);
    await callOff();
    expect(await call).toBe(1);
    expect(await sql(`SELECT revision FROM ${schema}.durable_objects`)).toEqual([{ revision: "1" }]);
  });

  test("a disk that is full: calls are told, reads go on, and later it works again", async () => {
    const schema = borrowedSchema();
    const runtime = await start({ objects: [Counter], store: postgres(postgresUrl(), { schema }) });
    const counter = runtime.get(Counter, "a");
    await counter.increment();
    const callOff = await raise(schema, "53100");
    onTestFinished(async () => void (await callOff()));
    expect(await errorOf(counter.increment())).toMatchObject({ code: "STORE_FULL", outcome: "not-applied" });
    expect(await counter.get()).toBe(1);
    await callOff();
    expect(await counter.increment()).toBe(2);
  });

  test("a statement_timeout of the role: a commit that was held up is sent again", async () => {
    const schema = borrowedSchema();
    const url = withOption("statement_timeout=100");
    const warnings = listen<Warning>("durable-object:warning");
    const runtime = await start({ objects: [Counter], store: postgres(url, { schema }) });
    const counter = runtime.get(Counter, "a", { timeout: "never" });
    await counter.increment();
    const blocker = new Client({ connectionString: postgresUrl() });
    await blocker.connect();
    await blocker.query(`BEGIN; SELECT 1 FROM ${schema}.durable_objects FOR UPDATE`);
    const call = counter.increment();
    await expect.poll(() => warnings.some(({ message }) => message.includes("statement timeout"))).toBe(true);
    await blocker.end();
    expect(await call).toBe(2);
  });

  test("a database that takes no writes: calls are told, reads go on, and later it works again", async () => {
    const database = freshName();
    await sql(`CREATE DATABASE ${database}`);
    const pool = new Pool({ connectionString: postgresUrl((url) => (url.pathname = `/${database}`)) });
    onTestFinished(() => pool.end());
    const runtime = await start({ objects: [Counter], store: postgres(pool, { lease: "1h" }) });
    const counter = runtime.get(Counter, "a");
    await counter.increment();
    await sql(`ALTER DATABASE ${database} SET default_transaction_read_only = on`);
    // Not in the middle of a commit: what became of one that was cut off only a database that takes writes can say.
    await endConnections(pool, database);
    expect(await errorOf(counter.increment())).toMatchObject({ code: "STORE_READ_ONLY", outcome: "not-applied" });
    expect(await counter.get()).toBe(1);
    expect(await runtime.peek(Counter, "b")).toBeNull();
    await sql(`ALTER DATABASE ${database} RESET default_transaction_read_only`);
    await endConnections(pool, database);
    expect(await counter.increment()).toBe(2);
  });

  test("connections of a pool that are all in use: the commit waits for one", async () => {
    const schema = borrowedSchema();
    const pool = new Pool({ connectionString: postgresUrl(), max: 2, connectionTimeoutMillis: 50 });
    onTestFinished(() => pool.end());
    const runtime = await start({ objects: [Counter], store: postgres(pool, { schema }) });
    const counter = runtime.get(Counter, "a", { timeout: "never" });
    await counter.increment();
    const warnings = listen<Warning>("durable-object:warning");
    const taken = [await pool.connect(), await pool.connect()];
    const call = counter.increment();
    await expect.poll(() => warnings.some(({ warning }) => warning === "commit-in-doubt")).toBe(true);
    for (const client of taken) client.release();
    expect(await call).toBe(2);
  });

  test("a statement that is not prepared any more: it is done without", async () => {
    const schema = borrowedSchema();
    const pool = new Pool({ connectionString: postgresUrl(), max: 1 });
    onTestFinished(() => pool.end());
    const store = await opened(postgres(pool, { schema, lockTimeout: 0 }));
    await store.apply(write("a", { state: "1" }));
    // As behind a pooler that gives every transaction another connection.
    await pool.query("DEALLOCATE ALL");
    const batch = store.batch([write("a", { baseRevision: 1, state: "2" })]);
    expect(await failureOf(store.store.commit(batch))).toMatchObject({ kind: "retry" });
    expect(await store.store.commit(batch)).toEqual({ stale: [] });
    await pool.query("DEALLOCATE ALL");
    await store.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
  });
});

/** A URL whose connections have a setting of their own. */
function withOption(option: string): string {
  return postgresUrl((url) => url.searchParams.set("options", `-c ${option}`));
}

/** Ends all connections of a pool, also one that is just being made; resolves when the pool has heard of it. */
async function endConnections(pool: Pool, database: string): Promise<void> {
  const end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
  await expect
    .poll(async () => {
      await sql(end, [database]);
      return pool.totalCount;
    })
    .toBe(0);
}

describe.skipIf(!hasPostgres)("what cannot be opened", () => {
  const secret = "s3cret-p4ssword";

  /** The URL of a role with a password. */
  async function withPassword(changes: (url: URL) => void): Promise<string> {
    const role = freshName();
    await sql(`CREATE ROLE ${role} LOGIN PASSWORD '${secret}'`);
    return postgresUrl((url) => {
      url.username = role;
      url.password = secret;
      changes(url);
    });
  }

  async function assertUnavailable(url: string, kind: "retry" | "lost", message: RegExp): Promise<void> {
    const failure = await failureOf(opened(postgres(url, { connectTimeout: 300 })));
    expect(failure).toMatchObject({ kind, code: "STORE_UNAVAILABLE" });
    expect(failure.message).toMatch(message);
    const everything = [failure.message, failure.stack, JSON.stringify(failure), String(failure.cause)].join();
    expect(everything).not.toContain(secret);
  }

  test("a server that is not there: it is tried for a while", async () => {
    const listener = createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    listener.close();
    await once(listener, "close");
    const url = `postgres://somebody:${secret}@127.0.0.1:${port}/app`;
    const message = new RegExp(
      `database "app" at 127.0.0.1:${port} cannot be reached: .*ECONNREFUSED.* Tried for \\d+ ms`,
    );
    await assertUnavailable(url, "retry", message);
  });

  test("a database or a role that is not there: no use trying again", async () => {
    await assertUnavailable(
      await withPassword((url) => (url.pathname = "/nothing")),
      "lost",
      /database "nothing" does not exist/,
    );
    await assertUnavailable(
      await withPassword((url) => (url.username = "nobody")),
      "lost",
      // Where there are passwords, it does not say which of the two is wrong.
      /role "nobody" does not exist|authentication failed for user "nobody"/,
    );
  });

  test("a host that nobody knows", async () => {
    await assertUnavailable(
      `postgres://app:${secret}@nowhere.invalid/app`,
      "retry",
      /at nowhere\.invalid:5432 cannot be/,
    );
  });

  test("a database that is not in UTF8", async () => {
    const database = freshName();
    await sql(`CREATE DATABASE ${database} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`);
    await assertUnavailable(
      await withPassword((url) => (url.pathname = `/${database}`)),
      "lost",
      /encoding LATIN1.*UTF8/,
    );
  });

  test("the tables of somebody else: a schema that was dropped ends the runtime", async () => {
    const schema = freshSchema();
    const runtime = await start({ objects: [Counter], store: postgres(postgresUrl(), { schema }) });
    await runtime.get(Counter, "a").increment();
    await sql(`DROP SCHEMA ${schema} CASCADE`);
    expect(await codeOf(runtime.get(Counter, "a").increment())).toBe("STORE_CORRUPT");
    expect(await codeOf(runtime.get(Counter, "b").get())).toBe("STORE_CORRUPT");
  });
});

describe.skipIf(!hasPostgres)("what operators are told", () => {
  test("settings with which a reply does not mean that a write is on the disk", async () => {
    const warnings = listen<Warning>("durable-object:warning");
    const url = withOption("synchronous_commit=off");
    await opened(postgres(url, { schema: borrowedSchema() }));
    expect(warnings.map(({ warning }) => warning)).toEqual(["unsafe-database"]);
    expect(warnings[0]?.message).toContain("synchronous_commit = off");
  });

  test("a database that went back in time: the owner stops, and says so", async () => {
    const schema = borrowedSchema();
    const store = await openedIn(schema);
    await store.apply(write("a", { state: "1" }));
    await store.apply(write("a", { baseRevision: 1, state: "2" }));
    // As a standby that lacked the last commit.
    await sql(`UPDATE ${schema}.durable_object_lanes SET number = number - 1 WHERE lane = 0;
      UPDATE ${schema}.durable_objects SET revision = 1, state = '1'`);
    const failure = await failureOf(store.commit([write("a", { baseRevision: 2, state: "3" })]));
    expect(failure).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
    expect(failure.message).toContain("went back in time: it does not have commit 2");
    expect(await failureOf(store.load("a"))).toMatchObject({ code: "STORE_CORRUPT" });
    await store.store.close();
    await (await openedIn(schema)).assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
  });

  test("the same, noticed while nothing is written", async () => {
    const schema = borrowedSchema();
    const store = await openedIn(schema, { lease: "3s" });
    await store.apply(write("a"));
    await sql(`UPDATE ${schema}.durable_object_lanes SET number = 0`);
    await expect.poll(() => store.store.leaseUntilMs, { timeout: 10_000 }).toBe(-Infinity);
    expect(await failureOf(store.load("a"))).toMatchObject({ code: "STORE_CORRUPT" });
  });
});

describe.skipIf(!hasPostgres)("the application's pool", () => {
  test("is used, shared with others, and left open", async () => {
    const pool = new Pool({ connectionString: postgresUrl(), max: 3 });
    onTestFinished(() => pool.end());
    // What an application may have done to its pool is nothing to the store.
    types.setTypeParser(20, (text) => BigInt(text));
    onTestFinished(() => types.setTypeParser(20, (text) => text));
    const schemas = [borrowedSchema(), borrowedSchema()];
    const runtimes = await Promise.all(
      schemas.map((schema) => start({ objects: [Counter], store: postgres(pool, { schema }) })),
    );
    const counts = runtimes.map((runtime) => runtime.get(Counter, "a").increment());
    expect(await Promise.all(counts)).toEqual([1, 1]);
    expect(await runtimes[0]?.get(Counter, "a").increment()).toBe(2);
    expect(await runtimes[1]?.get(Counter, "a").get()).toBe(1);
    for (const runtime of runtimes) await runtime.stop();
    expect((await pool.query<{ one: number }>("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    expect(pool.listenerCount("error")).toBe(0);
    await expect.poll(() => pool.totalCount - pool.idleCount).toBe(0);
  });

  test("with connections that break while they are idle: the process lives", async () => {
    const database = freshName();
    await sql(`CREATE DATABASE ${database}`);
    const pool = new Pool({ connectionString: postgresUrl((url) => (url.pathname = `/${database}`)) });
    onTestFinished(() => pool.end());
    const runtime = await start({ objects: [Counter], store: postgres(pool) });
    await runtime.get(Counter, "a").increment();
    await endConnections(pool, database);
    expect(await runtime.get(Counter, "a").increment()).toBe(2);
    // What is noticed only after the runtime has stopped is for the application to hear.
    pool.on("error", () => {});
  });

  test("ended before the runtime: calls are told, and stopping comes to an end", async () => {
    const pool = new Pool({ connectionString: postgresUrl() });
    const schema = borrowedSchema();
    const runtime = await start({ objects: [Counter], store: postgres(pool, { schema }) });
    await runtime.get(Counter, "a").increment();
    await pool.end();
    const error = await errorOf(runtime.get(Counter, "a").increment());
    expect(error.code).toBe("STORE_UNAVAILABLE");
    expect(error.message).toContain("the application ended its pool");
    await runtime.stop();
  });
});

test.skipIf(!hasPostgres)(
  "an object is the same object on a database: state that is JSON a person can query",
  async () => {
    const schema = borrowedSchema();
    const Cart = defineObject({
      type: "cart",
      state: { items: [] as { sku: string; count: number }[] },
      handlers: {
        add: ({ state }, sku: string, count: number) => reply(null, { items: [...state.items, { sku, count }] }),
      },
    });
    const runtime = await start({ objects: [Cart], store: postgres(postgresUrl(), { schema }) });
    await runtime.get(Cart, "a").add("apple", 2);
    await runtime.get(Cart, "a").add("pear", 1);
    await runtime.get(Cart, "b").add("pear", 7);
    const rows = await sql(
      `SELECT id, sum((item ->> 'count')::int)::int AS pears FROM ${schema}.durable_objects,
       jsonb_array_elements(state -> 'items') AS item
     WHERE type = 'cart' AND state @> '{"items": [{"sku": "pear"}]}' AND item ->> 'sku' = 'pear'
     GROUP BY id ORDER BY id`,
    );
    expect(rows).toEqual([
      { id: "a", pears: 1 },
      { id: "b", pears: 7 },
    ]);
  },
);
