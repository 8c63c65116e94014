/** A SQLite file as an administrator handles it: what is in it as text, and changes by hand. */

import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** Tables and indexes as they were made, of which two files can be compared; empty if there is no file. */
export function describeFile(path: string): string {
  if (!existsSync(path)) return "";
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = database.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").all();
    return rows.map(({ name, sql }) => `${String(name)} ${String(sql)}`).join("\n");
  } finally {
    database.close();
  }
}

/** Runs SQL. */
export function changeFile(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}
