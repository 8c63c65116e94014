/** Opening `node:sqlite`: the driver, and the settings of a connection. */

import type { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { StoreFailure } from "../ports/object-store.ts";

/** How long a statement waits for another program that is writing. It blocks the event loop. */
const busyTimeoutMs = 100;

type DatabaseClass = typeof DatabaseSync;

/** How a database is opened. */
interface Opening {
  readonly readOnly?: boolean;
  /** Whether nobody writes to the file meanwhile, so that no locks are needed and nothing beside it. */
  readonly immutable?: boolean;
}

/**
 * Opens a database without touching its content.
 *
 * @throws errors of `node:sqlite`; {@link StoreFailure} `STORE_UNAVAILABLE` where there is none
 */
export function openDatabase(path: string, { readOnly = false, immutable = false }: Opening = {}): DatabaseSync {
  const Database = loadDriver();
  if (!immutable) return new Database(path, { readOnly });
  const url = pathToFileURL(path);
  url.searchParams.set("immutable", "1");
  return new Database(url, { readOnly });
}

/** Settings of the connection that reads nothing from the file. */
export function configureConnection(database: DatabaseSync): void {
  database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  // Functions and virtual tables named in the file's own schema are not run.
  database.exec("PRAGMA trusted_schema = OFF");
}

/**
 * Puts the file in WAL mode and sets how commits reach the disk.
 *
 * @throws {@link StoreFailure} `STORE_UNAVAILABLE` if the file system cannot do WAL
 */
export function configureJournal(database: DatabaseSync, synchronous: "full" | "normal", path: string): void {
  const row = database.prepare("PRAGMA journal_mode = WAL").get();
  const mode = row?.["journal_mode"];
  if (mode !== "wal") {
    throw new StoreFailure(
      "lost",
      "STORE_UNAVAILABLE",
      `${path} cannot be put in WAL mode (SQLite answered "${String(mode)}"): its file system lacks what that needs.`,
    );
  }
  database.exec(`PRAGMA synchronous = ${synchronous === "full" ? "FULL" : "NORMAL"}`);
  // On macOS `fsync` stops at the drive's cache. Elsewhere these two do nothing.
  database.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON");
  // A reader that stayed long lets the WAL grow; afterwards it is cut back to this many bytes.
  database.exec("PRAGMA journal_size_limit = 67108864");
}

let driver: DatabaseClass | null = null;

function loadDriver(): DatabaseClass {
  driver ??= withoutExperimentalWarning(() => {
    const module = process.getBuiltinModule("node:sqlite") as
      | { readonly DatabaseSync?: DatabaseClass; readonly Database?: DatabaseClass }
      | undefined;
    // Later versions of Node call it `Database`.
    const found = module?.Database ?? module?.DatabaseSync;
    if (found !== undefined) return found;
    throw new StoreFailure(
      "lost",
      "STORE_UNAVAILABLE",
      `This JavaScript runtime (${process.version}) has no node:sqlite. Use Node.js 22.18 or newer.`,
    );
  });
  return driver;
}

/** Node 22 warns when `node:sqlite` is loaded. Only that warning is muted, and only while it is loaded. */
function withoutExperimentalWarning<Result>(load: () => Result): Result {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with `process`, and put back
  const emitWarning = process.emitWarning;
  process.emitWarning = (...warning: unknown[]) => {
    const [, options] = warning;
    const type = typeof options === "string" ? options : (options as { readonly type?: unknown } | undefined)?.type;
    if (type !== "ExperimentalWarning") Reflect.apply(emitWarning, process, warning);
  };
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}
