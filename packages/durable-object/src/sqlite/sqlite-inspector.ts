/**
 * A SQLite file looked at from outside: a connection of its own that only reads, beside the owner if there is one.
 *
 * A reader of a database in WAL mode holds nobody up, and sees what is committed. It creates nothing but what SQLite
 * itself puts beside the file while it is open. Bringing the tables up to date is the exception: that takes the owner
 * lock, and so waits for the owner to go.
 */

import { existsSync } from "node:fs";
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { Address } from "../core/address.ts";
import type { AddressedAlarm, StoredAlarm } from "../ports/object-store.ts";
import { StoreFailure } from "../ports/object-store.ts";
import type {
  InspectedAlarmsQuery,
  InspectedObject,
  InspectedObjectsQuery,
  MigrationStatus,
  StoreFinding,
  StoreInspector,
  StoreOwner,
  TypeCount,
} from "../ports/store-inspector.ts";
import { configureConnection, openDatabase } from "./sqlite-database.ts";
import { diagnoseFile } from "./sqlite-diagnosis.ts";
import { storeFailure } from "./sqlite-failure.ts";
import { appliedMigrations, checkVersion, migrationsText } from "./sqlite-migrations.ts";
import { isOwnerAlive } from "./sqlite-owner-lock.ts";
import { readOwner } from "./sqlite-owner.ts";

/** Brings a file up to date under its owner lock; the versions before and after. */
type Migrate = () => Promise<{ readonly from: number; readonly to: number }>;

type Row = Readonly<Record<string, unknown>>;

const objectColumns = `tenant, type, id, state, state_version AS stateVersion, revision,
  created_at AS createdAt, updated_at AS updatedAt`;
const alarmColumns = `tenant, type, id, name, due_at AS dueAt, scheduled_at AS scheduledAt, generation, payload, rule,
  attempts, status, last_error AS lastError, suspect`;

export class SqliteInspector implements StoreInspector {
  readonly location: string;
  readonly #migrate: Migrate;
  #database: DatabaseSync | null = null;

  /** @param path - absolute; the file need not be there */
  constructor(path: string, migrate: Migrate) {
    this.location = path;
    this.#migrate = migrate;
  }

  /** Asks for what opening the file would find, so that a file that is none of ours is refused at once. */
  async probe(): Promise<this> {
    if (existsSync(this.location)) this.#read((database) => checkVersion(database, this.location));
    return this;
  }

  async migrations(): Promise<readonly MigrationStatus[]> {
    if (!existsSync(this.location)) return appliedMigrations(null);
    return this.#read(appliedMigrations);
  }

  async migrate(): Promise<{ readonly from: number; readonly to: number }> {
    // Reading keeps nobody from writing; but a file that was replaced is another one.
    await this.close();
    return await this.#migrate();
  }

  migrationSql(from: number, to: number | null): string {
    return migrationsText(from, to);
  }

  async counts(): Promise<readonly TypeCount[]> {
    return this.#all(`
      SELECT tenant, type, sum(objects) AS objects, sum(alarms) AS alarms, sum(dead) AS dead FROM (
        SELECT tenant, type, count(*) AS objects, 0 AS alarms, 0 AS dead
        FROM durable_objects WHERE deleted_at IS NULL GROUP BY tenant, type
        UNION ALL
        SELECT tenant, type, 0, count(*), sum(status = 'dead') FROM durable_object_alarms GROUP BY tenant, type
      ) GROUP BY tenant, type ORDER BY tenant, type`).map((row) => ({ ...row }) as unknown as TypeCount);
  }

  async objects({ tenant, type, after, limit }: InspectedObjectsQuery): Promise<readonly InspectedObject[]> {
    const { where, values } = conditions({ tenant, type });
    if (after !== null) {
      where.push("(tenant, type, id) > (?, ?, ?)");
      values.push(after.tenant, after.type, after.id);
    }
    const text = `SELECT ${objectColumns} FROM durable_objects
      WHERE ${["deleted_at IS NULL", ...where].join(" AND ")} ORDER BY tenant, type, id LIMIT ?`;
    return this.#all(text, [...values, limit]).map(inspectedObject);
  }

  async object({ tenant, type, id }: Address): Promise<InspectedObject | null> {
    const text = `SELECT ${objectColumns} FROM durable_objects
      WHERE deleted_at IS NULL AND tenant = ? AND type = ? AND id = ?`;
    return this.#all(text, [tenant, type, id]).map(inspectedObject)[0] ?? null;
  }

  async alarms({ tenant, type, id, status, after, limit }: InspectedAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    const { where, values } = conditions({ tenant, type, id, status });
    if (after !== null) {
      where.push("(tenant, type, id, name) > (?, ?, ?, ?)");
      values.push(after.tenant, after.type, after.id, after.name);
    }
    const filter = where.length === 0 ? "" : `WHERE ${where.join(" AND ")}`;
    const text = `SELECT ${alarmColumns} FROM durable_object_alarms ${filter} ORDER BY tenant, type, id, name LIMIT ?`;
    return this.#all(text, [...values, limit]).map(inspectedAlarm);
  }

  async owners(): Promise<readonly StoreOwner[]> {
    const owner = existsSync(this.location) ? readOwner(this.location) : null;
    if (owner === null || owner.closed) return [];
    const { node, host, pid, command, since } = owner;
    return [{ node, host, pid, command, since, sole: true, alive: isOwnerAlive(this.location) }];
  }

  async diagnose(): Promise<readonly StoreFinding[]> {
    return await diagnoseFile(this);
  }

  async close(): Promise<void> {
    this.#database?.close();
    this.#database = null;
  }

  #all(text: string, values: readonly SQLInputValue[] = []): readonly Row[] {
    return this.#read((database) => {
      if (checkVersion(database, this.location) === 0) return [];
      return database.prepare(text).all(...values);
    });
  }

  #read<Result>(read: (database: DatabaseSync) => Result): Result {
    try {
      return read((this.#database ??= this.#open()));
    } catch (error) {
      throw storeFailure(error, "read", this.location);
    }
  }

  #open(): DatabaseSync {
    if (!existsSync(this.location)) {
      throw new StoreFailure("lost", "STORE_UNAVAILABLE", `There is no file ${this.location}.`);
    }
    const database = openDatabase(this.location, { readOnly: true });
    configureConnection(database);
    return database;
  }
}

/** The conditions that stand for what is not null. */
function conditions(equal: Readonly<Record<string, string | null>>): { where: string[]; values: SQLInputValue[] } {
  const given = Object.entries(equal).filter(([, value]) => value !== null);
  return { where: given.map(([column]) => `${column} = ?`), values: given.map(([, value]) => value) };
}

function inspectedObject(row: Row): InspectedObject {
  const { tenant, type, id, ...rest } = row as unknown as Address & Omit<InspectedObject, "address">;
  return { address: { tenant, type, id }, ...rest };
}

function inspectedAlarm(row: Row): AddressedAlarm {
  const { tenant, type, id, suspect, ...alarm } = row as unknown as Address & StoredAlarm & { suspect: number };
  return { ...alarm, address: { tenant, type, id }, suspect: suspect === 1 };
}
