/**
 * One PostgreSQL server for the whole run, started before the first test and gone after the last one. Where
 * the machine has none, the tests of PostgreSQL are skipped.
 *
 * `TEST_DATABASE_URL` names a database on another server to use instead, as a role that may create databases and
 * roles there; without TLS. What the tests have made is removed when they are over.
 */

import { randomBytes } from "node:crypto";
import { Client } from "pg";
import type { TestProject } from "vitest/node";
import { findPostgres, PostgresServer } from "./postgres-server.ts";

declare module "vitest" {
  // What the tests are told.
  interface ProvidedContext {
    /** The URL of a database; null if there is no server. */
    postgresUrl: string | null;
    /** What the names begin with of all that tests make in it. */
    postgresPrefix: string;
    /** Where the programs of PostgreSQL are; null if there are none. */
    postgresPrograms: string | null;
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const programs = findPostgres();
  const given = process.env["TEST_DATABASE_URL"] ?? null;
  const server = given === null && programs !== null ? await PostgresServer.create(programs) : null;
  const url = given ?? server?.url() ?? null;
  if (url === null) process.stderr.write("There is no PostgreSQL on this machine: its tests are skipped.\n");
  project.provide("postgresUrl", url);
  const prefix = `test_${randomBytes(4).toString("hex")}_`;
  project.provide("postgresPrefix", prefix);
  project.provide("postgresPrograms", programs);
  return async () => {
    if (given !== null) await cleanUp(given, prefix);
    await server?.dispose();
  };
}

/** Removes what tests have made on a server that is not ours. */
async function cleanUp(url: string, prefix: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    // One by one: a transaction may lock only so many tables.
    for (const [what, names] of [
      ["DATABASE", "SELECT datname FROM pg_database WHERE starts_with(datname, $1)"],
      ["SCHEMA", "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, $1)"],
      ["TABLE", "SELECT relname FROM pg_class WHERE relkind = 'r' AND starts_with(relname, $1)"],
      ["ROLE", "SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)"],
    ] as const) {
      const { rows } = await client.query<[string]>({ text: names, values: [prefix], rowMode: "array" });
      for (const [name] of rows) {
        const how = what === "DATABASE" ? " WITH (FORCE)" : what === "ROLE" ? "" : " CASCADE";
        await client.query(`DROP ${what} ${name}${how}`);
      }
    }
  } finally {
    await client.end();
  }
}
