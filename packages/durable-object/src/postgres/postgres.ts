/**
 * The door of the PostgreSQL store.
 *
 * The tables live in one schema of a database, and one process owns them at a time. Everybody else may read
 * them: a state is `jsonb`.
 */

import type { ObjectStore } from "../ports/object-store.ts";
import type { PostgresPool } from "./postgres-connections.ts";
import { PostgresObjectStore } from "./postgres-object-store.ts";
import { resolveOptions, type PostgresOptions } from "./postgres-options.ts";

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
export function postgres(database: string | PostgresPool, options: PostgresOptions = {}): ObjectStore {
  return new PostgresObjectStore(resolveOptions(database, options));
}
