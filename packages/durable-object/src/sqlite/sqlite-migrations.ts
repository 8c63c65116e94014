/**
 * The tables of the SQLite store, as a list of migrations: numbered, forward only, each applied in one
 * transaction and recorded with the checksum of its text. A migration is never edited after its release;
 * a change is a new one at the end.
 */

import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { StoreFailure } from "../ports/object-store.ts";
import { compareMigrations, migrationsBetween, type AppliedMigration } from "../core/migration-status.ts";
import type { MigrationStatus } from "../ports/store-inspector.ts";
import { openDatabase } from "./sqlite-database.ts";

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

// Times are integers in ms since 1970. Texts compare by their bytes (BINARY, the default).
const migrations: readonly Migration[] = [
  {
    version: 1,
    name: "objects, alarms, replies, owner, lanes",
    sql: `
CREATE TABLE durable_objects (
  tenant TEXT NOT NULL,
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  state TEXT,
  revision INTEGER NOT NULL,
  state_version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER,
  PRIMARY KEY (tenant, type, id)
) STRICT;
CREATE INDEX durable_objects_deleted ON durable_objects (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE durable_object_alarms (
  tenant TEXT NOT NULL,
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  due_at INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  payload TEXT,
  rule TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL DEFAULT 'set',
  last_error TEXT,
  PRIMARY KEY (tenant, type, id, name)
) STRICT;
CREATE INDEX durable_object_alarms_due ON durable_object_alarms (due_at) WHERE status = 'set';

CREATE TABLE durable_object_replies (
  tenant TEXT NOT NULL,
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  result TEXT,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, type, id, key)
) STRICT;
CREATE INDEX durable_object_replies_expiry ON durable_object_replies (expires_at);

CREATE TABLE durable_object_owner (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL,
  node TEXT NOT NULL,
  pid INTEGER NOT NULL,
  host TEXT NOT NULL,
  command TEXT NOT NULL,
  since INTEGER NOT NULL
) STRICT;

CREATE TABLE durable_object_lanes (
  lane INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  stale TEXT
) STRICT;
`,
  },
  {
    version: 2,
    name: "alarms that fire",
    // Due alarms of one type, and of one type and tenant; dead ones, which are few.
    sql: `
DROP INDEX durable_object_alarms_due;
CREATE INDEX durable_object_alarms_due ON durable_object_alarms (type, due_at) WHERE status = 'set';
CREATE INDEX durable_object_alarms_due_by_tenant ON durable_object_alarms (type, tenant, due_at) WHERE status = 'set';
CREATE INDEX durable_object_alarms_dead ON durable_object_alarms (tenant, type, id, name) WHERE status = 'dead';

-- When an alarm was set for; due_at moves with its retries.
ALTER TABLE durable_object_alarms ADD COLUMN scheduled_at INTEGER NOT NULL DEFAULT 0;
UPDATE durable_object_alarms SET scheduled_at = due_at;
-- 1 if it may have been running when an owner died.
ALTER TABLE durable_object_alarms ADD COLUMN suspect INTEGER NOT NULL DEFAULT 0;

ALTER TABLE durable_object_owner ADD COLUMN closed INTEGER NOT NULL DEFAULT 1;
`,
  },
];

/** The version of the tables that this code works with. */
export const newestVersion = migrations.length;

const createMigrationsTable = `
CREATE TABLE IF NOT EXISTS durable_object_migrations (
  version INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  applied_at INTEGER NOT NULL,
  checksum TEXT NOT NULL
) STRICT`;

/**
 * Refuses a database that this version of the code does not understand. Reads only.
 *
 * @returns the version of the database; 0 if it has no tables of ours
 * @throws {@link StoreFailure} `STORE_TOO_NEW`; `STORE_CORRUPT` if what was applied is not what we have
 */
export function checkVersion(database: DatabaseSync, path: string): number {
  const table = database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?");
  if (table.get("durable_object_migrations") === undefined) return 0;

  const applied = database.prepare("SELECT version, checksum FROM durable_object_migrations ORDER BY version").all();
  const version = Number(applied.at(-1)?.["version"] ?? 0);
  if (version > newestVersion) {
    throw new StoreFailure(
      "lost",
      "STORE_TOO_NEW",
      `${path} was written by a newer version of durable-object: its tables have version ${version}, this code ` +
        `knows ${newestVersion}. Nothing was changed. Update durable-object, or restore a backup from before.`,
    );
  }
  for (const [index, row] of applied.entries()) {
    const migration = migrations[index];
    if (migration === undefined || migration.version !== row["version"] || checksumOf(migration) !== row["checksum"]) {
      throw new StoreFailure(
        "lost",
        "STORE_CORRUPT",
        `The tables of ${path} were not made by this code: migration ${String(row["version"])} is recorded with ` +
          `another checksum in durable_object_migrations. Nothing was changed.`,
      );
    }
  }
  return version;
}

/**
 * Applies what is missing.
 *
 * @param version - what {@link checkVersion} has returned
 * @param now - for `applied_at`, in ms since 1970
 */
export function migrate(database: DatabaseSync, version: number, now: number): void {
  for (const migration of migrations.slice(version)) {
    database.exec("BEGIN IMMEDIATE");
    database.exec(createMigrationsTable);
    database.exec(migration.sql);
    database
      .prepare("INSERT INTO durable_object_migrations (version, name, applied_at, checksum) VALUES (?, ?, ?, ?)")
      .run(migration.version, migration.name, now, checksumOf(migration));
    database.exec("COMMIT");
  }
}

/** The version of the tables in a file, which is there. */
export function versionOf(path: string): number {
  const database = openDatabase(path, { readOnly: true });
  try {
    return checkVersion(database, path);
  } finally {
    database.close();
  }
}

/** The migrations that were applied, with their checksums; null for a file that is not there. */
export function appliedMigrations(database: DatabaseSync | null): readonly AppliedMigration[] {
  const table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'durable_object_migrations'";
  if (database === null || database.prepare(table).get() === undefined) return [];
  const rows = database.prepare(
    "SELECT version, name, applied_at AS appliedAt, checksum FROM durable_object_migrations",
  );
  return rows.all() as unknown as readonly AppliedMigration[];
}

/** All migrations, applied or not. */
export function migrationStatuses(applied: readonly AppliedMigration[]): readonly MigrationStatus[] {
  return compareMigrations(
    migrations.map((migration) => ({ ...migration, checksum: checksumOf(migration) })),
    applied,
  );
}

/**
 * The migrations after a version, as one text that can be run as it is.
 *
 * @param to - the last one; null for the newest
 * @throws RangeError for versions that there are not
 */
export function migrationsText(from: number, to: number | null): string {
  const steps = migrationsBetween(migrations, from, to).map(
    (migration) =>
      `${migration.sql.trim()}\n\nINSERT INTO durable_object_migrations (version, name, applied_at, checksum)\n` +
      `VALUES (${migration.version}, '${migration.name}', unixepoch() * 1000, '${checksumOf(migration)}');\n`,
  );
  return ["BEGIN IMMEDIATE;\n", `${createMigrationsTable.trim()};\n`, ...steps, "COMMIT;\n"].join("\n");
}

function checksumOf({ sql }: Migration): string {
  return createHash("sha256").update(sql).digest("hex");
}
