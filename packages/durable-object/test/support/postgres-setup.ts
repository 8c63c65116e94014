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
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env["TEST_DATABASE_URL"];
  if (given !== undefined) {
    project.provide("postgresUrl", given);
    return async () => {};
  }
  const bin = findPostgres();
  if (bin === null) {
    process.stderr.write("There is no PostgreSQL on this machine: its tests are skipped.\n");
    project.provide("postgresUrl", null);
    return async () => {};
  }
  const server = await PostgresServer.create(bin);
  project.provide("postgresUrl", server.url());
  return () => server.dispose();
}
