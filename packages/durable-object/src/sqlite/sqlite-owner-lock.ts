/**
 * The owner lock: who may write a SQLite file.
 *
 * It is a transaction that is never ended, on an empty database beside the file (`<path>-owner`). So the
 * operating system frees it when the process ends, however that happens, and keeps it while the process is
 * only suspended. The file itself is not locked and stays readable.
 *
 * Within the process a registry says who has a file, by device and inode: it knows a hard link for the same
 * file, and can say that the other owner is this very process. It is found by a global symbol, because an
 * application can contain two copies of this package. What it misses (another thread) SQLite refuses.
 *
 * This waits with real timers, not the engine's: what it waits for is another process.
 */

import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreFailure } from "../ports/object-store.ts";
import { openDatabase } from "./sqlite-database.ts";
import { isBusy, storeFailure } from "./sqlite-failure.ts";
import type { SqliteFile } from "./sqlite-file.ts";
import type { SqliteOwner } from "./sqlite-owner.ts";
import { readOwner } from "./sqlite-owner.ts";

/** How often a lock that is taken is asked for. */
export const pollIntervalMs = 50;

const registryName = Symbol.for("durable-object.sqlite.owners");

/** The files that this process owns, by their identity. */
function registry(): Map<string, SqliteOwner> {
  const global = globalThis as { [registryName]?: Map<string, SqliteOwner> };
  return (global[registryName] ??= new Map());
}

export class SqliteOwnerLock {
  readonly #identity: string;
  readonly #database: DatabaseSync;

  private constructor(identity: string, database: DatabaseSync) {
    this.#identity = identity;
    this.#database = database;
  }

  /**
   * Takes the lock, waiting for it until `deadline`.
   *
   * @param deadline - in ms of `performance.now()`; asked at least once
   * @throws {@link StoreFailure} `STORE_LOCKED`, naming who has it
   */
  static async take(file: SqliteFile, owner: SqliteOwner, deadline: number): Promise<SqliteOwnerLock> {
    const started = performance.now();
    const database = openLockDatabase(file.path);
    try {
      for (;;) {
        if (tryLock(file, owner, database)) return new SqliteOwnerLock(file.identity, database);
        const now = performance.now();
        if (now >= deadline) throw locked(file, now - started);
        await sleep(Math.min(pollIntervalMs, deadline - now));
      }
    } catch (error) {
      database.close();
      throw storeFailure(error, "open", `${file.path}-owner`);
    }
  }

  /** Gives the lock away, once. */
  release(): void {
    registry().delete(this.#identity);
    this.#database.close();
  }
}

/**
 * Whether somebody holds the lock of a file. Asking takes no more than a moment's right to read, so whoever opens the
 * file meanwhile waits one interval at most.
 *
 * @param path - of the file, without symbolic links
 */
export function isOwnerAlive(path: string): boolean {
  if (!existsSync(`${path}-owner`)) return false;
  let database: DatabaseSync | null = null;
  try {
    database = openDatabase(`${path}-owner`, { readOnly: true });
    database.exec("PRAGMA busy_timeout = 0");
    // The owner's lock is exclusive: nobody can read beside it.
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
    return false;
  } catch (error) {
    return isBusy(error);
  } finally {
    database?.close();
  }
}

function openLockDatabase(path: string): DatabaseSync {
  try {
    const database = openDatabase(`${path}-owner`);
    database.exec("PRAGMA busy_timeout = 0");
    return database;
  } catch (error) {
    throw storeFailure(error, "open", `${path}-owner`);
  }
}

/** One attempt, without waiting. Whoever is in the registry has the lock. */
function tryLock({ identity }: SqliteFile, owner: SqliteOwner, database: DatabaseSync): boolean {
  const owners = registry();
  if (owners.has(identity)) return false;
  try {
    // Nothing is ever committed, so no journal needs to lie beside the file.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    // On a file that may only be read, SQLite begins without a lock and without a word. A change tells.
    database.exec("PRAGMA user_version = 1");
  } catch (error) {
    if (isBusy(error)) return false;
    throw error;
  }
  owners.set(identity, owner);
  return true;
}

function locked({ path, identity }: SqliteFile, waitedMs: number): StoreFailure {
  const own = registry().get(identity);
  const owner = own ?? readOwner(path);
  const who =
    owner === null
      ? "another process"
      : `${own === undefined ? "" : "this process already, "}pid ${owner.pid} (${owner.command}, host ${owner.host}, ` +
        `runtime ${owner.node}) since ${new Date(owner.since).toISOString()}`;
  return new StoreFailure(
    "retry",
    "STORE_LOCKED",
    `${path} is used by ${who}. Waited ${Math.round(waitedMs)} ms. A SQLite store has one owner: stop that one first, ` +
      `or use another file. To look inside meanwhile, open the file read-only.`,
  );
}
