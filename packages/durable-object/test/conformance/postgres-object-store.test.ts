/** The PostgreSQL store on the suite that is shipped to third parties, in every way it can be configured. */

import { Pool } from "pg";
import { test } from "vitest";
import { postgres, type PostgresOptions, type PostgresPool } from "../../src/postgres/index.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { objectStoreSuite, type ObjectStoreSubject } from "../../src/testing/index.ts";
import { borrowedSchema, hasPostgres, postgresUrl, sql } from "../support/postgres-place.ts";

if (hasPostgres) {
  objectStoreSuite({ name: "postgres", test, create: async () => subject(postgresUrl(), {}) });

  objectStoreSuite({
    name: "postgres through connections that remember nothing",
    test,
    async create() {
      const pool = new Pool({ connectionString: postgresUrl(), max: 1 });
      return subject(forgetful(pool), { prepare: false }, () => pool.end());
    },
  });
} else {
  test.skip("postgres", () => {});
}

/** One connection, on which nothing is left of whoever used it before: as behind a pooler. */
function forgetful(pool: Pool): PostgresPool {
  return {
    async connect() {
      const client = await pool.connect();
      await client.query("DISCARD ALL");
      return client;
    },
    on: (event, listener) => pool.on(event, listener),
    removeListener: (event, listener) => pool.removeListener(event, listener),
  };
}

function subject(
  database: string | PostgresPool,
  options: PostgresOptions,
  dispose: () => Promise<void> = async () => {},
): ObjectStoreSubject {
  const schema = borrowedSchema();
  const open = (): ObjectStore => postgres(database, { schema, lockTimeout: 0, ...options });
  return {
    store: open(),
    reopen: open,
    async takeOver() {
      await sql(`DELETE FROM ${schema}.durable_object_nodes`);
    },
    query: (text) => sql(text),
    dispose,
  };
}
