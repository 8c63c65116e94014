/**
 * Who owns a SQLite file, as it is written in the file itself: for the message that a second process gets,
 * and as the fence. The lock (`sqlite-owner-lock.ts`) keeps a second owner out; the epoch makes sure that
 * an owner whose lock somebody circumvented writes nothing more, because every commit asks for it.
 */

import { hostname } from "node:os";
import { basename } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Environment } from "../core/environment.ts";
import type { StoreOpening } from "../ports/object-store.ts";
import { openDatabase } from "./sqlite-database.ts";

/** The owner of a file. */
export interface SqliteOwner {
  /** The unique name of the runtime. */
  readonly node: string;
  readonly pid: number;
  readonly host: string;
  /** What runs in the process, for instance `node server.js`. */
  readonly command: string;
  /** In ms since 1970. */
  readonly since: number;
}

/** This process, as the owner of whatever it opens. */
export function thisOwner({
  node,
  environment,
}: Pick<StoreOpening, "node"> & {
  readonly environment: Pick<Environment, "now">;
}): SqliteOwner {
  // Not the arguments: there may be secrets among them.
  const command = [process.execPath, process.argv[1] ?? ""]
    .map((path) => basename(path))
    .join(" ")
    .trim()
    .toWellFormed();
  return { node, pid: process.pid, host: hostname(), command, since: Math.floor(environment.now()) };
}

/**
 * Writes the owner down and ends the rights of every earlier one. Where that one did not close the file,
 * what is due becomes a suspect.
 *
 * @returns the epoch of this ownership
 */
export function beginEpoch(database: DatabaseSync, owner: SqliteOwner): number {
  database.exec("BEGIN IMMEDIATE");
  const before = database.prepare("SELECT closed FROM durable_object_owner WHERE id = 1").get();
  const row = database
    .prepare(
      `INSERT INTO durable_object_owner (id, epoch, node, pid, host, command, since, closed)
       VALUES (1, 1, ?, ?, ?, ?, ?, 0)
       ON CONFLICT (id) DO UPDATE
       SET epoch = epoch + 1, node = excluded.node, pid = excluded.pid, host = excluded.host,
         command = excluded.command, since = excluded.since, closed = 0
       RETURNING epoch`,
    )
    .get(owner.node, owner.pid, owner.host, owner.command, owner.since);
  const epoch = Number(row?.["epoch"]);
  database
    .prepare("INSERT OR REPLACE INTO durable_object_lanes (lane, epoch, number, stale) VALUES (0, ?, 0, NULL)")
    .run(epoch);
  if (before?.["closed"] === 0) {
    database
      .prepare(`UPDATE durable_object_alarms SET suspect = 1 WHERE status = 'set' AND due_at <= ?`)
      .run(owner.since);
  }
  database.exec("COMMIT");
  return epoch;
}

/** The owner that a file names, and whether it closed the file in order; null if it cannot be read. */
export function readOwner(path: string): (SqliteOwner & { readonly closed: boolean }) | null {
  try {
    const database = openDatabase(path, { readOnly: true });
    try {
      // The first version of the table does not say whether it was closed.
      const row = database.prepare("SELECT * FROM durable_object_owner").get();
      if (row === undefined) return null;
      const { node, pid, host, command, since } = row as unknown as SqliteOwner;
      return { node, pid, host, command, since, closed: row["closed"] === 1 };
    } finally {
      database.close();
    }
  } catch {
    return null;
  }
}
