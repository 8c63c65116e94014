/**
 * A SQLite file looked at from outside: a connection of its own that only reads, beside the owner if there is one.
 *
 * A reader of a database in WAL mode holds nobody up, and sees what is committed. It writes nothing into the file, and
 * creates nothing but what SQLite needs beside it to read: `-wal` and `-shm`, which stay, empty, if nobody else has the
 * file open, until the next owner goes. Where not even that is possible (a backup on a disk that cannot be written) it
 * reads without them. Bringing the tables up to date is the exception: that takes the owner lock, and so waits for the
 * owner to go.
 *
 * A file that is not there is an empty store, because that is what it becomes when it is opened; unless its directory is
 * missing, too, which no opening would create.
 */

import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
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
import { cannotOpen, storeFailure } from "./sqlite-failure.ts";
import { appliedMigrations, checkVersion, migrationStatuses } from "./sqlite-migrations.ts";
import { isOwnerAlive } from "./sqlite-owner-lock.ts";
import { readOwner } from "./sqlite-owner.ts";

/** Brings a file up to date under its owner lock; the versions before and after. */
type Migrate = () => Promise<{ readonly from: number; readonly to: number }>;

type Row = Readonly<Record<string, unknown>>;

const objectColumns = `tenant, type, id, state, state_version AS stateVersion, revision,
  created_at AS createdAt, updated_at AS updatedAt`;
const alarmColumns = `tenant, type, id, name, due_at AS dueAt, generation, payload, rule, attempts, status,
  last_error AS lastError`;
/** What alarms have since version 2 of the tables, and what it meant before. */
const laterAlarmColumns = {
  before: "due_at AS scheduledAt, 0 AS suspect",
  now: "scheduled_at AS scheduledAt, suspect",
};

export class SqliteInspector implements StoreInspector {
  readonly location: string;
  readonly #migrate: Migrate;
  #database: DatabaseSync | null = null;

  /** @param path - absolute; the file need not be there */
  constructor(path: string, migrate: Migrate) {
    this.location = path;
    this.#migrate = migrate;
  }

  /** Finds out whether there is something that can be read. */
  async probe(): Promise<this> {
    if (existsSync(this.location)) {
      this.#read((database) => database.prepare("SELECT count(*) FROM sqlite_schema").get());
    } else if (!existsSync(dirname(this.location))) {
      const message = `There is no file ${this.location}, nor the directory it would be in.`;
      throw new StoreFailure("lost", "STORE_UNAVAILABLE", message);
    }
    return this;
  }

  async migrations(): Promise<readonly MigrationStatus[]> {
    return migrationStatuses(existsSync(this.location) ? this.#read(appliedMigrations) : []);
  }

  async migrate(): Promise<{ readonly from: number; readonly to: number }> {
    // A reader keeps nobody from writing, but the file from being closed in order.
    await this.close();
    return await this.#migrate();
  }

  async counts(): Promise<readonly TypeCount[]> {
    return this.#all(
      () => `
      SELECT tenant, type, sum(objects) AS objects, sum(alarms) AS alarms, sum(dead) AS dead FROM (
        SELECT tenant, type, count(*) AS objects, 0 AS alarms, 0 AS dead
        FROM durable_objects WHERE deleted_at IS NULL GROUP BY tenant, type
        UNION ALL
        SELECT tenant, type, 0, count(*), sum(status = 'dead') FROM durable_object_alarms GROUP BY tenant, type
      ) GROUP BY tenant, type ORDER BY tenant, type`,
    ).map((row) => ({ ...row }) as unknown as TypeCount);
  }

  async objects({ tenant, type, after, limit }: InspectedObjectsQuery): Promise<readonly InspectedObject[]> {
    const { where, values } = conditions({ tenant, type });
    if (after !== null) {
      where.push("(tenant, type, id) > (?, ?, ?)");
      values.push(after.tenant, after.type, after.id);
    }
    const text = `SELECT ${objectColumns} FROM durable_objects
      WHERE ${["deleted_at IS NULL", ...where].join(" AND ")} ORDER BY tenant, type, id LIMIT ?`;
    return this.#all(() => text, [...values, limit]).map(inspectedObject);
  }

  async object({ tenant, type, id }: Address): Promise<InspectedObject | null> {
    const text = `SELECT ${objectColumns} FROM durable_objects
      WHERE deleted_at IS NULL AND tenant = ? AND type = ? AND id = ?`;
    return this.#all(() => text, [tenant, type, id]).map(inspectedObject)[0] ?? null;
  }

  async alarms({ tenant, type, id, status, after, limit }: InspectedAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    const { where, values } = conditions({ tenant, type, id, status });
    if (after !== null) {
      where.push("(tenant, type, id, name) > (?, ?, ?, ?)");
      values.push(after.tenant, after.type, after.id, after.name);
    }
    const filter = where.length === 0 ? "" : `WHERE ${where.join(" AND ")}`;
    const text = (version: number) => `
      SELECT ${alarmColumns}, ${version < 2 ? laterAlarmColumns.before : laterAlarmColumns.now}
      FROM durable_object_alarms ${filter} ORDER BY tenant, type, id, name LIMIT ?`;
    return this.#all(text, [...values, limit]).map(inspectedAlarm);
  }

  async owners(): Promise<readonly StoreOwner[]> {
    const owner = existsSync(this.location) ? readOwner(this.location) : null;
    if (owner === null || owner.closed) return [];
    const { node, host, pid, command, since } = owner;
    return [{ node, host, pid, command, since, sole: true, alive: isOwnerAlive(this.location) }];
  }

  async diagnose(): Promise<readonly StoreFinding[]> {
    return await diagnoseFile(this.location, (look) => this.#read(look));
  }

  async close(): Promise<void> {
    this.#database?.close();
    this.#database = null;
  }

  /** @param textFor - the statement, for tables of a version */
  #all(textFor: (version: number) => string, values: readonly SQLInputValue[] = []): readonly Row[] {
    if (!existsSync(this.location)) return [];
    return this.#read((database) => {
      const version = checkVersion(database, this.location);
      return version === 0 ? [] : database.prepare(textFor(version)).all(...values);
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
    const database = openDatabase(this.location, { readOnly: true });
    try {
      configureConnection(database);
      database.prepare("SELECT count(*) FROM sqlite_schema").get();
      return database;
    } catch (error) {
      database.close();
      // SQLite cannot put its files beside this one. If there is no log, all that was committed is in the file.
      if (!cannotOpen(error) || hasContent(`${this.location}-wal`) || isOwnerAlive(this.location)) throw error;
      return openDatabase(this.location, { readOnly: true, immutable: true });
    }
  }
}

function hasContent(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;
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
