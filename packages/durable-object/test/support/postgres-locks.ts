/** Locks that a test holds, and statements that wait for them. */

import { Client } from "pg";
import { onTestFinished } from "vitest";
import { postgresUrl, sql } from "./postgres-place.ts";

/** A connection of its own, for a transaction that stays open. */
export async function session(): Promise<Client> {
  const client = new Client({ connectionString: postgresUrl() });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** Resolves when so many statements wait for a lock because of tables in this schema. */
export async function waiting(schema: string, statements = 1): Promise<void> {
  for (;;) {
    const [row] = await sql(
      `SELECT count(*)::int AS n FROM pg_stat_activity
       WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%' AND pid <> pg_backend_pid()`,
      [schema],
    );
    if (Number(row?.["n"]) >= statements) return;
  }
}
