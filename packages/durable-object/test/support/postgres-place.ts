/** Places for a PostgreSQL store: an empty schema of the server that the run has started. */

import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";

/** Whether there is a server to test on. */
export const hasPostgres: boolean = inject("postgresUrl") !== null;

/** The URL of the database that the schemas are in. */
export function postgresUrl(): string {
  const url = inject("postgresUrl");
  if (url === null) throw new Error("there is no PostgreSQL on this machine");
  return url;
}

/** The name of a schema that nobody else uses. It is made by whoever opens a store in it. */
export function freshSchema(): string {
  return `test_${randomBytes(8).toString("hex")}`;
}

/** Runs one statement, as an administrator would. */
export async function sql(text: string, values: unknown[] = [], url = postgresUrl()): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text, values)).rows;
  } finally {
    await client.end();
  }
}
