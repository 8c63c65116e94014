/**
 * A PostgreSQL server for a benchmark: a new one with the settings that it comes with, so `fsync` is on, a
 * commit waits for the disk, and autovacuum runs. It is gone when this process is.
 *
 * Its data lie beside the results, on the disk that holds the repository. For root the server runs as the user
 * `postgres`, who may not reach that place, so its data lie in `/var/tmp` then.
 */

import { findPostgres, PostgresServer } from "../../test/support/postgres-server.ts";
import { resultsDirectory } from "./scratch.ts";

/** Makes a server and starts it; ends the process if this machine has no PostgreSQL. */
export async function startServer(): Promise<PostgresServer> {
  const bin = findPostgres();
  if (bin === null) {
    console.error("This benchmark starts a PostgreSQL server of its own, and this machine has no PostgreSQL.");
    process.exit(1);
  }
  const place = process.getuid?.() === 0 ? "/var/tmp" : resultsDirectory;
  const server = await PostgresServer.create(bin, { place, settings: {} });
  process.once("exit", () => server.remove());
  return server;
}
