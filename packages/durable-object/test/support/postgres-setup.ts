/**
 * One PostgreSQL server for the whole run, started before the first test and gone after the last one. Where
 * the machine has none, the tests of PostgreSQL are skipped. `TEST_DATABASE_URL` names another server to use.
 */

import type { TestProject } from "vitest/node";
import { findPostgres, PostgresServer } from "./postgres-server.ts";

declare module "vitest" {
  // What the tests are told.
  interface ProvidedContext {
    /** The URL of a database; null if there is no server. */
    postgresUrl: string | null;
    /** The Unix socket of the server; null if it is not ours. */
    postgresSocket: string | null;
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
  project.provide("postgresSocket", server?.socket ?? null);
  project.provide("postgresPrograms", programs);
  return async () => {
    await server?.dispose();
  };
}
