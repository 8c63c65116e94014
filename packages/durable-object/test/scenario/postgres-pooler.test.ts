/** A pooler shows by what it does: here the ways of PgBouncer, on connections to the real server. */

import { Client, Pool, type PoolClient } from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { findPooling, type PooledConnection } from "../../src/postgres/postgres-pooler.ts";
import { hasPostgres, postgresUrl } from "../support/postgres-place.ts";

async function client(): Promise<Client> {
  const connected = new Client({ connectionString: postgresUrl() });
  await connected.connect();
  onTestFinished(() => connected.end());
  return connected;
}

/** A pool whose connections go to transactions, and which passes on what is prepared as it comes. */
function transactionPool(size: number, prepares: boolean): () => PooledConnection {
  const pool = new Pool({ connectionString: postgresUrl(), max: size });
  onTestFinished(() => pool.end());
  return () => {
    let held: PoolClient | null = null;
    const prepared = new Set<string>();
    return {
      processID: 12_345,
      async query({ text, name }) {
        const server = held ?? (await pool.connect());
        if (text === "BEGIN") held = server;
        try {
          if (name === undefined || prepares) return await server.query(text);
          if (!prepared.has(name)) await server.query(`PREPARE ${name} AS ${text}`);
          prepared.add(name);
          return await server.query(`EXECUTE ${name}`);
        } finally {
          if (text === "ROLLBACK") held = null;
          if (held === null) server.release();
        }
      },
    };
  };
}

describe.skipIf(!hasPostgres)("a pooler", () => {
  test("is not there if the server says the same as the connection", async () => {
    expect(await findPooling(await client(), await client())).toEqual({ mode: "none", prepares: true });
  });

  test("in session mode tells another process, and each connection keeps its own", async () => {
    const through = (direct: Client): PooledConnection => ({
      processID: 12_345,
      query: (query) => direct.query({ ...query }),
    });
    const pooling = await findPooling(through(await client()), through(await client()));
    expect(pooling).toEqual({ mode: "session", prepares: true });
  });

  test.each([2, 5])(
    "in transaction mode has two connections share a process, or one change it (of %d)",
    async (size) => {
      const connect = transactionPool(size, true);
      expect(await findPooling(connect(), connect())).toEqual({ mode: "transaction", prepares: true });
    },
  );

  test("that passes prepared statements on as they come does not know them", async () => {
    const connect = transactionPool(2, false);
    expect(await findPooling(connect(), connect())).toEqual({ mode: "transaction", prepares: false });
  });
});
