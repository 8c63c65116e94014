/** The options of the SQLite store, checked and resolved once. */

import { resolve } from "node:path";
import type { Duration } from "../core/duration.ts";
import { parseDuration } from "../core/duration.ts";
import { DurableObjectError } from "../core/errors.ts";

/** How a SQLite store is opened and written. */
export interface SqliteOptions {
  /**
   * When a commit counts as durable. Default `"full"`: a reply means that the write is on the disk, also
   * after a power cut. `"normal"` spares the sync of each commit: a crash of the process loses nothing,
   * but a crash of the operating system or a power cut may lose the last commits, although they were
   * answered. The file stays consistent either way.
   */
  readonly synchronous?: "full" | "normal" | undefined;
  /**
   * Whether the database is used from a worker thread. Default `false`, which is faster on a good disk;
   * `true` keeps the event loop free while a slow disk syncs.
   */
  readonly worker?: boolean | undefined;
  /**
   * How long to wait for another owner to go away, for instance during a restart, before opening fails with
   * `STORE_LOCKED`. Default `"10s"`; 0 does not wait.
   */
  readonly lockTimeout?: Duration | undefined;
  /**
   * Whether the file may lie on NFS, SMB or another network file system. Default `false`: locks and shared
   * memory do not work there as SQLite needs them, and databases get damaged.
   */
  readonly allowNetworkFileSystem?: boolean | undefined;
}

/** The options as the store works with them. */
export interface ResolvedSqliteOptions {
  /** Absolute. */
  readonly path: string;
  readonly synchronous: "full" | "normal";
  readonly worker: boolean;
  readonly lockTimeoutMs: number;
  readonly allowNetworkFileSystem: boolean;
}

const optionNames = new Set(["synchronous", "worker", "lockTimeout", "allowNetworkFileSystem"]);

/**
 * The options that `sqlite()` was given, with the defaults.
 *
 * @throws {@link DurableObjectError} `INVALID_OPTION`
 */
export function resolveOptions(path: unknown, options: SqliteOptions): ResolvedSqliteOptions {
  if (typeof options !== "object" || options === null) invalid("the options of sqlite() are an object");
  for (const name of Object.keys(options)) {
    if (!optionNames.has(name)) invalid(`sqlite() has no option "${name}"; it has ${[...optionNames].join(", ")}`);
  }
  const { synchronous = "full", worker = false, lockTimeout = "10s", allowNetworkFileSystem = false } = options;
  if (synchronous !== "full" && synchronous !== "normal") {
    invalid(`sqlite(): synchronous is "full" or "normal", not ${shown(synchronous)}`);
  }
  if (typeof worker !== "boolean") invalid(`sqlite(): worker is true or false, not ${shown(worker)}`);
  if (typeof allowNetworkFileSystem !== "boolean") {
    invalid(`sqlite(): allowNetworkFileSystem is true or false, not ${shown(allowNetworkFileSystem)}`);
  }
  const lockTimeoutMs = parseDuration(lockTimeout);
  if (lockTimeoutMs === null) {
    invalid(`sqlite(): lockTimeout is a duration like 500, "500ms" or "10s", not ${shown(lockTimeout)}`);
  }
  return Object.freeze({
    path: resolve(checkedPath(path)),
    synchronous,
    worker,
    lockTimeoutMs,
    allowNetworkFileSystem,
  });
}

function checkedPath(path: unknown): string {
  if (typeof path !== "string") invalid(`sqlite() takes the path of a file, not ${shown(path)}`);
  if (path === "" || path === ":memory:") {
    invalid(`sqlite() needs the path of a file, not ${shown(path)}; for a store in memory use memory()`);
  }
  if (path.startsWith("file:")) invalid(`sqlite() takes a path, not a URL like ${shown(path)}`);
  if (path.includes("\u0000")) invalid(`sqlite(): the path ${shown(path)} contains U+0000`);
  return path;
}

function shown(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? JSON.stringify(value) : typeof value;
}

function invalid(message: string): never {
  throw new DurableObjectError("INVALID_OPTION", message);
}
