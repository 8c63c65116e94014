/** Bringing the tables up to date and nothing else, under the lock of the schema. */

import { PostgresConnections } from "./postgres-connections.ts";
import { applyMigrations, checkVersion, newestVersion } from "./postgres-migrations.ts";
import { describe, type ResolvedPostgresOptions } from "./postgres-options.ts";
import { lockSchema } from "./postgres-ownership.ts";
import { checkServer } from "./postgres-server.ts";

/** @returns the versions of the tables before and after; 0 if there were none */
export async function migrateTables(
  options: ResolvedPostgresOptions,
): Promise<{ readonly from: number; readonly to: number }> {
  const where = describe(options);
  const connections = await PostgresConnections.create(options);
  try {
    return await connections.transaction(async (run) => {
      await checkServer(run, where);
      await lockSchema(run, options.schema);
      const from = await checkVersion(run, options.schema, where);
      await applyMigrations(run, options.schema, from);
      return { from, to: newestVersion };
    });
  } finally {
    await connections.close();
  }
}
