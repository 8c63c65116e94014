/** A server that reports errors in its own language: what they mean is told all the same. */

import { describe, expect, onTestFinished, test } from "vitest";
import { postgres } from "../../src/postgres/index.ts";
import { write } from "../../src/testing/object-store-case.ts";
import { failureOf, opened } from "../support/postgres-opened.ts";
import { borrowedSchema, hasPostgres, postgresAddress, postgresUrl, sql } from "../support/postgres-place.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

/** How severe an error is, in a language with words of the same lengths: Czech, and one that does not exist. */
const words = new Map([
  ["SERROR\0", "SCHYBA\0"],
  ["SFATAL\0", "SLATAF\0"],
]);

describe.skipIf(!hasPostgres)("a server that speaks another language", () => {
  async function openTranslated() {
    const proxy = await TcpProxy.create(postgresAddress(), words);
    onTestFinished(() => proxy.close());
    const schema = borrowedSchema();
    const url = postgresUrl((through) => {
      proxy.lead(through);
      through.searchParams.set("application_name", schema);
    });
    const numbered = await opened(postgres(url, { schema, lockTimeout: 0, lease: "1h" }));
    return { schema, store: numbered.store, numbered, url };
  }

  test("what is refused is refused, and the connection goes on", async () => {
    const { schema, numbered } = await openTranslated();
    await numbered.apply(write("a", { state: "1" }));
    const text = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY pid";
    const pids = async () => await sql(text, [schema]);
    const before = await pids();
    expect(await failureOf(numbered.commit([write("b", { state: '"\\u0000"' })]))).toMatchObject({
      kind: "refused",
      code: "INVALID_STATE",
    });
    expect(await pids()).toEqual(before);
    await numbered.apply(write("a", { baseRevision: 1, state: "2" }));
  });

  test("a statement of the application that fails, fails alone", async () => {
    const { numbered } = await openTranslated();
    const statements = [{ text: "SELECT 1 / $1::integer", params: [0] }];
    const failure = await failureOf(numbered.commit([write("a"), write("b", { statements })]));
    expect(failure).toMatchObject({ kind: "refused", code: "SQL_FAILED", write: 1 });
    expect(await numbered.load("a")).toBeNull();
    await numbered.apply(write("a"));
  });

  test("what ends the connection says nothing about the commit: it is sent again", async () => {
    const { schema, store, numbered } = await openTranslated();
    await numbered.apply(write("a", { state: "1" }));
    const batch = numbered.batch([write("a", { baseRevision: 1, state: "2" })]);
    // The commit waits for the object, until its connection is ended.
    await sql(`
      CREATE FUNCTION ${schema}.leave() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN NEW; END $$;
      CREATE TRIGGER leaving BEFORE UPDATE ON ${schema}.durable_objects FOR EACH ROW EXECUTE FUNCTION ${schema}.leave()`);
    try {
      expect(await failureOf(store.commit(batch))).toMatchObject({ kind: "retry", code: "STORE_UNAVAILABLE" });
    } finally {
      await sql(`DROP FUNCTION ${schema}.leave() CASCADE`);
    }
    expect(await store.commit(batch)).toEqual({ stale: [] });
    await numbered.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
  });

  test("a database that is not there: no use trying again", async () => {
    const { url } = await openTranslated();
    const elsewhere = new URL(url);
    elsewhere.pathname = "/nothing";
    expect(await failureOf(opened(postgres(elsewhere.href)))).toMatchObject({
      kind: "lost",
      code: "STORE_UNAVAILABLE",
    });
  });
});
