/**
 * The door of the SQLite store.
 *
 * One file holds everything: objects, alarms, recorded replies. It has one owner at a time, held by a lock
 * that dies with its process, and stays readable for everybody else. Beside it lie `<path>-wal` and
 * `<path>-shm`, which belong to SQLite, and `<path>-owner`, which is empty and carries the lock.
 */

import type { ObjectStore } from "../ports/object-store.ts";
import type { InspectableStore } from "../ports/store-inspector.ts";
import { SqliteObjectStore } from "./sqlite-object-store.ts";
import type { SqliteOptions } from "./sqlite-options.ts";
import { resolveOptions } from "./sqlite-options.ts";

/**
 * A store in a SQLite file. The file is created if it is missing, its directory is not.
 *
 * @param path - of the file; a relative one is resolved now, so a later `process.chdir` does not move it
 * @param options - see {@link SqliteOptions}
 * @throws `DurableObjectError` with the code `INVALID_OPTION`
 *
 * @example
 * ```ts
 * const runtime = await createRuntime({ objects: [Counter], store: sqlite("app.db") });
 * ```
 */
export function sqlite(path: string, options: SqliteOptions = {}): ObjectStore & InspectableStore {
  return new SqliteObjectStore(resolveOptions(path, options));
}
