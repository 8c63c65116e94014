/** Each ownership store on the suite that is shipped to third parties. */

import { Pool } from "pg";
import { test } from "vitest";
import { MemoryObjectStore } from "../../src/memory/memory-object-store.ts";
import { postgres, type PostgresPool } from "../../src/postgres/index.ts";
import { ownershipStoreSuite, type OwnershipStoreSubject } from "../../src/testing/index.ts";
import { borrowedSchema, hasPostgres, postgresUrl, sql } from "../support/postgres-place.ts";

ownershipStoreSuite({
  name: "memory",
  test,
  async create() {
    let aheadMs = 0;
    return {
      store: new MemoryObjectStore(() => Date.now() + aheadMs),
      passTime: async (ms) => void (aheadMs += ms),
      dispose: async () => {},
    };
  },
});

if (hasPostgres) {
  ownershipStoreSuite({ name: "postgres", test, create: async () => subject(postgresUrl()) });

  ownershipStoreSuite({
    name: "postgres through connections that remember nothing",
    test,
    async create() {
      const pool = new Pool({ connectionString: postgresUrl(), max: 3 });
      return subject(forgetful(pool), false, () => pool.end());
    },
  });
} else {
  test.skip("postgres", () => {});
}

function subject(
  database: string | PostgresPool,
  prepare = true,
  dispose: () => Promise<void> = async () => {},
): OwnershipStoreSubject {
  const schema = borrowedSchema();
  const connect = () => postgres(database, { schema, lockTimeout: 0, prepare });
  return {
    store: connect(),
    connect,
    async passTime(ms) {
      await sql(
        `UPDATE ${schema}.durable_object_nodes SET expires_at = expires_at - $1::double precision * interval '1 ms'`,
        [ms],
      );
    },
    dispose,
  };
}

/** Connections on which nothing is left of whoever used them before: as behind a pooler. */
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
