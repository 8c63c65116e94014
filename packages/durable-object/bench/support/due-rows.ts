/**
 * What a developer would write by hand for alarms: a table of what is due, and a loop that handles row by
 * row, each in a transaction of its own, so that one that fails does not take others with it.
 *
 * Beside it the same with 500 rows in one transaction: nothing isolates a row that fails there, and no reply
 * waits for it, which is the floor that fewer commits make possible.
 */

import { openDurably } from "./hand-written.ts";
import { scratchFile } from "./scratch.ts";

/** Alarms without the library. */
export interface DueRows {
  /** Sets an alarm on each, each in a transaction of its own. */
  setEach(ids: readonly string[], dueAtMs: number): void;
  /** Sets an alarm on each, in one transaction. */
  setAll(ids: readonly string[], dueAtMs: number): void;
  /** Handles all that are due, `perCommit` in one transaction. */
  handleAll(nowMs: number, perCommit: number): number;
  close(): void;
}

/** How many due rows are read at a time. */
const batch = 500;

/** Opens a file of tickets and their alarms. */
export function dueRows(ids: readonly string[]): DueRows {
  const database = openDurably(scratchFile("due-by-hand.db"));
  database.exec(`
    CREATE TABLE tickets (id TEXT PRIMARY KEY, expired INTEGER NOT NULL) STRICT;
    CREATE TABLE alarms (id TEXT NOT NULL, name TEXT NOT NULL, due_at INTEGER NOT NULL, PRIMARY KEY (id, name)) STRICT;
    CREATE INDEX alarms_due ON alarms (due_at)`);
  const insert = database.prepare("INSERT INTO tickets (id, expired) VALUES (?, 0)");
  const set = database.prepare(`
    INSERT INTO alarms (id, name, due_at) VALUES (?, 'expire', ?)
    ON CONFLICT (id, name) DO UPDATE SET due_at = excluded.due_at`);
  const due = database.prepare("SELECT id, name FROM alarms WHERE due_at <= ? ORDER BY due_at LIMIT ?");
  const update = database.prepare("UPDATE tickets SET expired = expired + 1 WHERE id = ?");
  const remove = database.prepare("DELETE FROM alarms WHERE id = ? AND name = ?");
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");
  const inOne = (work: () => void): void => {
    begin.run();
    work();
    commit.run();
  };
  inOne(() => ids.forEach((id) => insert.run(id)));
  return {
    setEach: (each, dueAtMs) => each.forEach((id) => set.run(id, dueAtMs)),
    setAll: (each, dueAtMs) => inOne(() => each.forEach((id) => set.run(id, dueAtMs))),
    handleAll(nowMs, perCommit) {
      let handled = 0;
      for (;;) {
        const rows = due.all(nowMs, batch);
        if (rows.length === 0) return handled;
        for (let start = 0; start < rows.length; start += perCommit) {
          inOne(() => {
            for (const row of rows.slice(start, start + perCommit)) {
              update.run(row["id"] as string);
              remove.run(row["id"] as string, row["name"] as string);
            }
          });
        }
        handled += rows.length;
      }
    },
    close: () => database.close(),
  };
}
