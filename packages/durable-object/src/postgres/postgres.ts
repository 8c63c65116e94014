/**
 * The door of the PostgreSQL store.
 *
 * The tables live in one schema of a database, and one process owns them at a time, or the nodes of a cluster do
 * together. Everybody else may read them: a state is `jsonb`.
 */

import { DurableObjectError } from "../core/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { OwnershipStore } from "../ports/ownership-store.ts";
import type { InspectableStore } from "../ports/store-inspector.ts";
import type { PostgresPool } from "./postgres-pool.ts";
import { storeFailure } from "./postgres-failure.ts";
import { migrateTables } from "./postgres-migrate.ts";
import { PostgresObjectStore } from "./postgres-object-store.ts";
import { describe, resolveOptions, type PostgresOptions } from "./postgres-options.ts";

/**
 * A store in a PostgreSQL database. Needs the package `pg`, PostgreSQL 12 or newer, and a database in UTF8.
 *
 * @param database - the URL of a database, or a `Pool` of pg, which stays open when the store is closed
 * @param options - see {@link PostgresOptions}
 * @throws `DurableObjectError` with the code `INVALID_OPTION`
 *
 * @example
 * ```ts
 * const runtime = await createRuntime({ objects: [Counter], store: postgres("postgres://app@localhost/app") });
 * ```
 */
export function postgres(
  database: string | PostgresPool,
  options: PostgresOptions = {},
): ObjectStore & OwnershipStore & InspectableStore {
  return new PostgresObjectStore(resolveOptions(database, options));
}

/**
 * Creates the tables, or brings them up to date, and does nothing else: for a deployment whose application runs with
 * a role that may not change tables, and with `migrate: false`. Stop the application before, if a release says so.
 *
 * @param database - the URL of a database, or a `Pool` of pg, of a role that may create tables in the schema
 * @returns the versions of the tables before and after; 0 if there were none
 * @throws `DurableObjectError` with the code `INVALID_OPTION`, or one that starts with `STORE_`
 */
export async function migrate(
  database: string | PostgresPool,
  { schema }: Pick<PostgresOptions, "schema"> = {},
): Promise<{ readonly from: number; readonly to: number }> {
  const options = resolveOptions(database, { schema });
  try {
    return await migrateTables(options);
  } catch (error) {
    const { code, message, cause } = storeFailure(error, "open", describe(options));
    throw new DurableObjectError(code, message, { cause });
  }
}
