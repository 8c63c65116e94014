/**
 * What a developer would write by hand for a durable counter: one prepared statement for each call, on a
 * file with the same durability. It is asynchronous, so that callers are as concurrent as they can be.
 *
 * The row is fetched with `all()`. With `get()`, which reads more naturally, `node:sqlite` resets the
 * statement before it is done, and SQLite then never comes to its automatic checkpoint: the WAL grows with
 * every call, and each sync has to record a longer file. That takes up to twice the time. Both are measured;
 * what the library is compared with is the faster one.
 */

import { DatabaseSync } from "node:sqlite";
import { scratchFile } from "./scratch.ts";

/** Counters without the library. */
export interface HandWrittenCounters {
  increment(id: string, amount: number): Promise<number>;
  value(id: string): Promise<number>;
  close(): void;
}

/** Opens a file of hand-written counters; those with the ids are there afterwards. */
export function handWrittenCounters(ids: readonly string[], fetch: "all" | "get" = "all"): HandWrittenCounters {
  const database = openDurably(scratchFile("by-hand.db"));
  database.exec("CREATE TABLE counters (id TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT");
  const insert = database.prepare("INSERT INTO counters (id, n) VALUES (?, 0)");
  database.exec("BEGIN");
  for (const id of ids) insert.run(id);
  database.exec("COMMIT");
  const update = database.prepare("UPDATE counters SET n = n + ? WHERE id = ? RETURNING n");
  const select = database.prepare("SELECT n FROM counters WHERE id = ?");
  return {
    async increment(id, amount) {
      return (fetch === "all" ? update.all(amount, id)[0] : update.get(amount, id))?.["n"] as number;
    },
    async value(id) {
      return select.get(id)?.["n"] as number;
    },
    close: () => database.close(),
  };
}

/** Opens a SQLite file with the durability that the library has by default. */
export function openDurably(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  return database;
}
