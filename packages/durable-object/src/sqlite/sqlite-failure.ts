/**
 * What a failure of SQLite or of the file system means for the store: which {@link StoreFailure} it is.
 *
 * The decisions that matter are those about a commit. Where SQLite says that nothing was written and the
 * transaction was rolled back, the same batch may come again. Where a read or write of the file itself
 * failed, nobody knows what is on the disk (after a failed sync the kernel may have dropped the pages and
 * report success the next time), so the store stops for good.
 */

import { messageOf } from "../core/errors.ts";
import { StoreFailure } from "../ports/object-store.ts";

/** What was being done: it decides whether something may have been written. */
export type SqlitePhase = "open" | "read" | "write";

// Primary result codes of SQLite: https://sqlite.org/rescode.html
const sqliteBusy = 5;
const sqliteLocked = 6;
const sqliteReadOnly = 8;
const sqliteIoError = 10;
const sqliteCorrupt = 11;
const sqliteFull = 13;
const sqliteCannotOpen = 14;
const sqliteTooBig = 18;
const sqliteNotADatabase = 26;

/** Extended: the shared memory beside the file could not grow, which a full disk does to it. */
const sqliteIoErrorShmSize = 4874;

/** Extended: a foreign key, which only tables of the application have; at the end of a transaction, too. */
const sqliteForeignKey = 787;
/** Extended: the content of a virtual table is damaged, not the file. */
const sqliteVirtualTableCorrupt = 267;

/** SQLite's extended result code of an error of `node:sqlite`; 0 for any other error. */
function sqliteCode(error: unknown): number {
  const code = (error as { readonly errcode?: unknown } | null | undefined)?.errcode;
  return typeof code === "number" ? code : 0;
}

/** Whether another connection holds a lock on the database. */
export function isBusy(error: unknown): boolean {
  const primary = sqliteCode(error) & 0xff;
  return primary === sqliteBusy || primary === sqliteLocked;
}

/** Whether a file, or one that has to lie beside it, can be neither opened nor created. */
export function cannotOpen(error: unknown): boolean {
  const primary = sqliteCode(error) & 0xff;
  return primary === sqliteCannotOpen || primary === sqliteReadOnly;
}

/** The failure of the store that an error of SQLite means; a {@link StoreFailure} stays what it is. */
export function storeFailure(error: unknown, phase: SqlitePhase, path: string): StoreFailure {
  if (error instanceof StoreFailure) return error;
  const details = { cause: error };
  const why = messageOf(error);
  const code = sqliteCode(error);
  if (code === sqliteForeignKey) return new StoreFailure("refused", "SQL_FAILED", why, details);
  switch (code === sqliteIoErrorShmSize ? sqliteFull : code & 0xff) {
    case sqliteBusy:
    case sqliteLocked:
      return new StoreFailure("retry", "STORE_UNAVAILABLE", `Another program is writing to ${path}: ${why}`, details);
    case sqliteFull:
      return new StoreFailure("full", "STORE_FULL", `There is no room left to write to ${path}: ${why}`, details);
    case sqliteReadOnly:
      return new StoreFailure("full", "STORE_READ_ONLY", `${path} cannot be written: ${why}`, details);
    case sqliteNotADatabase:
      if (phase !== "open") return corrupt(path, why, error, phase);
      return new StoreFailure(
        "lost",
        "STORE_CORRUPT",
        `${path} is not a database of SQLite, or its beginning is damaged: ${why}. It was left as it is.`,
        details,
      );
    case sqliteCorrupt:
      return corrupt(path, why, error, phase);
    case sqliteIoError:
      if (phase === "write") return corrupt(path, why, error, phase);
      return new StoreFailure("retry", "STORE_UNAVAILABLE", `${path} cannot be read: ${why}`, details);
    case sqliteCannotOpen:
      return new StoreFailure("retry", "STORE_UNAVAILABLE", `${path} cannot be opened: ${why}`, details);
    case sqliteTooBig:
      return new StoreFailure("refused", "STATE_TOO_LARGE", `${path} cannot hold a text of this size`, details);
    default:
      return otherFailure(path, why, error, phase);
  }
}

/** Failures that are the file's or the disk's, whichever statement meets them. */
const fileFailures: ReadonlySet<number> = new Set([
  sqliteBusy,
  sqliteReadOnly,
  sqliteIoError,
  sqliteCorrupt,
  sqliteFull,
  sqliteCannotOpen,
  sqliteNotADatabase,
]);

/** Whether a statement of the application failed for what it is, and not because the file cannot be written. */
export function isStatementFault(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === sqliteVirtualTableCorrupt || !fileFailures.has(code & 0xff);
}

/** An error on its way between threads, where only its class and message would be kept. */
export interface FlatError {
  readonly message: string;
  readonly code: unknown;
  readonly errcode: unknown;
  readonly errstr: unknown;
}

/** The parts of an error of SQLite. */
export function flattenError(error: unknown): FlatError {
  const { code, errcode, errstr } = (error ?? {}) as Partial<FlatError>;
  return { message: messageOf(error), code, errcode, errstr };
}

/** The error again. */
export function reviveError({ message, ...parts }: FlatError): Error {
  return Object.assign(new Error(message), parts);
}

function corrupt(path: string, why: string, cause: unknown, phase: SqlitePhase): StoreFailure {
  return new StoreFailure(
    "lost",
    "STORE_CORRUPT",
    `${path} is damaged or its disk is failing: ${why}. Nothing more is written to it. Check the disk, ` +
      `run "PRAGMA integrity_check" on a copy, and restore a backup if need be.`,
    { cause, maybeApplied: phase === "write" },
  );
}

function otherFailure(path: string, why: string, cause: unknown, phase: SqlitePhase): StoreFailure {
  switch (phase) {
    case "open":
      return new StoreFailure("lost", "STORE_CORRUPT", `${path} does not have the tables it should: ${why}`, { cause });
    case "read":
      return new StoreFailure("retry", "STORE_UNAVAILABLE", `Reading ${path} failed: ${why}`, { cause });
    case "write":
      return new StoreFailure("refused", "COMMIT_FAILED", `${path} refused a write: ${why}`, { cause });
  }
}
