/**
 * The tables of the PostgreSQL store, as a list of migrations: numbered, forward only, applied in the
 * transaction that opens the store, and recorded with the checksum of their text. A migration is never
 * edited after its release; a change is a new one at the end.
 */

import { createHash } from "node:crypto";
import { compareMigrations, migrationsBetween } from "../core/migration-status.ts";
import { StoreFailure } from "../ports/object-store.ts";
import type { MigrationStatus } from "../ports/store-inspector.ts";
import type { Run } from "./postgres-pool.ts";
import { quoted } from "./postgres-options.ts";

/** A step that brings the tables from one version to the next. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  /** With `@schema` for the quoted name of the schema. */
  readonly sql: string;
}

// Times that the library reads are bigint, in ms since 1970, as in every store; those of nodes are the
// database's own. Texts compare by their bytes. What is not written to often is as PostgreSQL has it; objects, nodes,
// lanes and slots leave room in their pages, so that an update finds room beside the row (HOT) and no index is touched.
// That is why slots have no index on their owner: there are 1,024 of them, in a few pages that are always in memory.
const migrations: readonly Migration[] = [
  {
    version: 1,
    name: "objects, alarms, replies, nodes, lanes, slots",
    sql: `
CREATE TABLE @schema.durable_objects (
  tenant text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  slot smallint NOT NULL,
  state_version integer NOT NULL,
  revision bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  deleted_at bigint,
  state jsonb,
  PRIMARY KEY (tenant, type, id)
) WITH (fillfactor = 80);
CREATE INDEX durable_objects_deleted ON @schema.durable_objects (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE @schema.durable_object_alarms (
  tenant text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  slot smallint NOT NULL,
  suspect boolean NOT NULL DEFAULT false,
  attempts integer NOT NULL DEFAULT 0,
  due_at bigint NOT NULL,
  scheduled_at bigint NOT NULL,
  generation bigint NOT NULL,
  status text COLLATE "C" NOT NULL DEFAULT 'set',
  payload json,
  rule json,
  last_error text,
  PRIMARY KEY (tenant, type, id, name)
);
CREATE INDEX durable_object_alarms_due ON @schema.durable_object_alarms (type, due_at) WHERE status = 'set';
CREATE INDEX durable_object_alarms_due_by_slot
  ON @schema.durable_object_alarms (type, slot, due_at) WHERE status = 'set';
CREATE INDEX durable_object_alarms_due_by_tenant
  ON @schema.durable_object_alarms (type, tenant, due_at) WHERE status = 'set';
CREATE INDEX durable_object_alarms_dead
  ON @schema.durable_object_alarms (tenant, type, id, name) WHERE status = 'dead';

CREATE TABLE @schema.durable_object_replies (
  tenant text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  expires_at bigint NOT NULL,
  fingerprint text NOT NULL,
  result text,
  PRIMARY KEY (tenant, type, id, key)
);
CREATE INDEX durable_object_replies_expiry ON @schema.durable_object_replies (expires_at);

CREATE TABLE @schema.durable_object_nodes (
  node uuid PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  sole boolean NOT NULL,
  draining boolean NOT NULL DEFAULT false,
  host text NOT NULL,
  machine text,
  pid integer NOT NULL,
  thread integer NOT NULL,
  started text,
  command text NOT NULL,
  types text[] NOT NULL DEFAULT '{}',
  endpoint text,
  since timestamptz NOT NULL DEFAULT now(),
  beat bigint NOT NULL DEFAULT 0,
  lease_ms bigint NOT NULL,
  expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE @schema.durable_object_lanes (
  node uuid NOT NULL,
  lane smallint NOT NULL,
  number bigint NOT NULL DEFAULT 0,
  stale integer[],
  advanced_at timestamptz NOT NULL DEFAULT now(),
  alive uuid REFERENCES @schema.durable_object_nodes ON DELETE SET NULL,
  PRIMARY KEY (node, lane)
) WITH (fillfactor = 50);
CREATE INDEX durable_object_lanes_alive ON @schema.durable_object_lanes (alive);

CREATE TABLE @schema.durable_object_slots (
  slot smallint PRIMARY KEY,
  owner uuid REFERENCES @schema.durable_object_nodes ON DELETE SET NULL,
  epoch bigint NOT NULL DEFAULT 0,
  since timestamptz
) WITH (fillfactor = 50);
INSERT INTO @schema.durable_object_slots (slot) SELECT generate_series(0, 1023);
`,
  },
];

/** The version of the tables that this code works with. */
export const newestVersion = migrations.length;

/**
 * The version of the tables in a schema, or 0 if there are none of ours. Refuses what this code does not
 * understand. Reads only.
 *
 * @throws {@link StoreFailure} `STORE_TOO_NEW`; `STORE_CORRUPT` if what was applied is not what we have
 */
export async function checkVersion(run: Run, schema: string, where: string): Promise<number> {
  const table = `${quoted(schema)}.durable_object_migrations`;
  const [found] = await run("SELECT to_regclass($1) IS NOT NULL", [table]);
  if (found?.[0] !== "t") return 0;

  const applied = await run(`SELECT version, checksum FROM ${table} ORDER BY version`);
  const version = Number(applied.at(-1)?.[0] ?? 0);
  if (version > newestVersion) {
    throw new StoreFailure(
      "lost",
      "STORE_TOO_NEW",
      `${where} was written by a newer version of durable-object: its tables have version ${version}, this code ` +
        `knows ${newestVersion}. Nothing was changed. Update durable-object, or restore a backup from before.`,
    );
  }
  for (const [index, row] of applied.entries()) {
    const migration = migrations[index];
    if (migration === undefined || `${migration.version}` !== row[0] || checksumOf(migration) !== row[1]) {
      throw new StoreFailure(
        "lost",
        "STORE_CORRUPT",
        `The tables of ${where} were not made by this code: migration ${row[0] ?? ""} is recorded with another ` +
          `checksum in durable_object_migrations. Nothing was changed.`,
      );
    }
  }
  return version;
}

/**
 * Applies what is missing. To be called in a transaction, with the lock of the schema.
 *
 * @param version - what {@link checkVersion} has returned
 */
export async function applyMigrations(run: Run, schema: string, version: number): Promise<void> {
  if (version === newestVersion) return;
  if (version === 0) {
    // Even `IF NOT EXISTS` asks for the right to create one.
    const [found] = await run("SELECT to_regnamespace($1) IS NOT NULL", [quoted(schema)]);
    if (found?.[0] !== "t") await run(`CREATE SCHEMA ${quoted(schema)}`);
  }
  // One message: as many round trips as there are statements would be felt in every test.
  await run(migrationsText(schema, version, null));
}

/** All migrations, applied or not. */
export async function migrationStatuses(run: Run, schema: string): Promise<readonly MigrationStatus[]> {
  const table = `${quoted(schema)}.durable_object_migrations`;
  const [found] = await run("SELECT to_regclass($1) IS NOT NULL", [table]);
  const columns = "version, name, floor(extract(epoch FROM applied_at) * 1000), checksum";
  const rows = found?.[0] === "t" ? await run(`SELECT ${columns} FROM ${table}`) : [];
  return compareMigrations(
    migrations.map((migration) => ({ ...migration, checksum: checksumOf(migration) })),
    rows.map(([version, name, appliedAt, checksum]) => ({
      version: Number(version),
      name: name ?? "",
      appliedAt: Number(appliedAt),
      checksum: checksum ?? "",
    })),
  );
}

/**
 * The migrations after a version, as one text that can be run as it is.
 *
 * @param to - the last one; null for the newest
 * @throws RangeError for versions that there are not
 */
export function migrationsText(schema: string, from: number, to: number | null): string {
  const create = `
CREATE TABLE IF NOT EXISTS @schema.durable_object_migrations (
  version integer PRIMARY KEY,
  name text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now(),
  checksum text NOT NULL
);
`;
  const steps = migrationsBetween(migrations, from, to).map(
    (migration) =>
      `${migration.sql}INSERT INTO @schema.durable_object_migrations (version, name, checksum) ` +
      `VALUES (${migration.version}, '${migration.name}', '${checksumOf(migration)}');\n`,
  );
  return [create, ...steps].join("\n").replaceAll("@schema", quoted(schema));
}

function checksumOf({ sql }: Migration): string {
  return createHash("sha256").update(sql).digest("hex");
}
