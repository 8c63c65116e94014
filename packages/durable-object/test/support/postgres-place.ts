/** Places for a PostgreSQL store: an empty schema of the server that the run has started. */

import { randomBytes } from "node:crypto";
import type { NetConnectOpts } from "node:net";
import { Client, Pool } from "pg";
import { inject, onTestFinished } from "vitest";

/** Whether there is a server to test on. */
export const hasPostgres: boolean = inject("postgresUrl") !== null;

/**
 * The URL of the database that the schemas are in.
 *
 * @param change - makes it another one: of another database or role, or with more parameters
 */
export function postgresUrl(change: (url: URL) => void = () => {}): string {
  const given = inject("postgresUrl");
  if (given === null) throw new Error("there is no PostgreSQL on this machine");
  const url = new URL(given);
  change(url);
  return url.href;
}

/** Where the server of the run listens. */
export function postgresAddress(): NetConnectOpts {
  const { hostname, port, searchParams } = new URL(postgresUrl());
  const host = searchParams.get("host") ?? hostname;
  const number = port === "" ? 5432 : Number(port);
  return host.startsWith("/") ? { path: `${host}/.s.PGSQL.${number}` } : { host, port: number };
}

/** A name that nobody else uses, of whatever is made in the database. What has it goes when the run is over. */
export function freshName(): string {
  return `${inject("postgresPrefix")}${randomBytes(8).toString("hex")}`;
}

/** The name of a schema that nobody else uses. It is made by whoever opens a store in it. */
export function freshSchema(): string {
  return freshName();
}

/** Connections for all tests of a file: a server starts a process for each, which knows nothing at first. */
let shared: Pool | null = null;

export function sharedPool(): Pool {
  return (shared ??= new Pool({
    connectionString: postgresUrl(),
    max: 8,
    idleTimeoutMillis: 0,
    allowExitOnIdle: true,
  }));
}

/** Schemas of tests of this file that are over, with empty tables: making them takes longer than most tests. */
const emptied: string[] = [];
const tables = ["_nodes", "_lanes", "s", "_alarms", "_replies"];

/** A schema for one test, empty, and emptied when the test is over. */
export function borrowedSchema(): string {
  const { schema, giveBack } = lentSchema();
  onTestFinished(giveBack);
  return schema;
}

/** The same for a test that gives it back by itself, as one has to that runs beside others. */
export function lentSchema(): { readonly schema: string; giveBack(): Promise<void> } {
  const schema = emptied.pop() ?? freshSchema();
  const giveBack = async (): Promise<void> => {
    try {
      // First its owner: whoever is still writing is fenced by that.
      const statements = tables.map((table) => `DELETE FROM ${schema}.durable_object${table}`);
      statements.push(`UPDATE ${schema}.durable_object_slots SET epoch = 0, since = NULL WHERE epoch > 0`);
      await sharedPool().query(statements.join(";"));
      emptied.push(schema);
    } catch {
      // The test never opened it, or changed its tables.
    }
  };
  return { schema, giveBack };
}

/** Runs one statement, as an administrator would. */
export async function sql(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  return (await sharedPool().query<Record<string, unknown>>(text, values)).rows;
}

/** The same on another server, on a connection of its own. */
export async function sqlAt(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}
