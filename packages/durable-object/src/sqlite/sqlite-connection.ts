/**
 * An open SQLite file: the calls of the port, synchronous, on whichever thread it was opened.
 *
 * The connection is usable until a call finds that its right to write is gone or that the file is damaged;
 * from then on every call fails with that same failure. A commit is one transaction that first advances
 * the lane, so a batch is applied under its number or not at all.
 */

import type { DatabaseSync } from "node:sqlite";
import { messageOf } from "../core/errors.ts";
import { describeStatement, type SqlStatement } from "../core/sql-statement.ts";
import type { Address } from "../core/address.ts";
import type {
  AddressedAlarm,
  AlarmChange,
  CommitBatch,
  CommitResult,
  DeadAlarmsQuery,
  DueAlarmsQuery,
  ObjectListing,
  ObjectListQuery,
  ObjectWrite,
  RecordedReply,
  StoredAlarm,
  StoredObject,
} from "../ports/object-store.ts";
import { StoreFailure } from "../ports/object-store.ts";
import { ApplicationSql } from "./sqlite-application-sql.ts";
import { configureConnection, configureJournal, openDatabase } from "./sqlite-database.ts";
import type { SqlitePhase } from "./sqlite-failure.ts";
import { isStatementFault, storeFailure } from "./sqlite-failure.ts";
import { checkVersion, migrate } from "./sqlite-migrations.ts";
import { beginEpoch, type SqliteOwner } from "./sqlite-owner.ts";
import type { PreparedStatements } from "./sqlite-statements.ts";
import { prepareStatements } from "./sqlite-statements.ts";

/** What a connection needs to know; it crosses threads. */
export interface SqliteConnectionSettings {
  readonly path: string;
  readonly synchronous: "full" | "normal";
  readonly owner: SqliteOwner;
}

/** How much one `sweep` may forget, and what. */
export interface Sweep {
  readonly now: number;
  readonly tombstonesBefore: number;
  readonly limit: number;
}

const nothingStale: CommitResult = Object.freeze({ stale: Object.freeze([]) });

export class SqliteConnection {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #statements: PreparedStatements;
  readonly #applicationSql: ApplicationSql;
  readonly #epoch: number;
  /** Why nothing works any more; null while it does. */
  #failure: StoreFailure | null = null;

  private constructor(path: string, database: DatabaseSync, epoch: number) {
    this.#path = path;
    this.#database = database;
    this.#statements = prepareStatements(database);
    this.#applicationSql = new ApplicationSql(database);
    this.#epoch = epoch;
  }

  /**
   * Opens the file, brings its tables up to date, and begins a new epoch. The owner lock is held already.
   *
   * @throws {@link StoreFailure}; with the kind `retry` nothing was done and trying again can help
   */
  static open({ path, synchronous, owner }: SqliteConnectionSettings): SqliteConnection {
    let database: DatabaseSync | null = null;
    try {
      database = openDatabase(path);
      configureConnection(database);
      const version = checkVersion(database, path);
      configureJournal(database, synchronous, path);
      migrate(database, version, owner.since);
      return new SqliteConnection(path, database, beginEpoch(database, owner));
    } catch (error) {
      // Closing rolls back whatever was begun.
      database?.close();
      throw storeFailure(error, "open", path);
    }
  }

  load(addresses: readonly Address[]): readonly (StoredObject | null)[] {
    return this.#read(() => {
      // One read transaction for all: beginning one for each costs as much as the row itself.
      const several = addresses.length > 1;
      if (several) this.#statements.beginRead.run();
      const loaded: (StoredObject | null)[] = [];
      for (const { tenant, type, id } of addresses) {
        const row = this.#statements.loadObject.get(tenant, type, id) as StoredObject | undefined;
        loaded.push(row === undefined ? null : { ...row });
      }
      if (several) this.#statements.commit.run();
      return loaded;
    });
  }

  commit(batch: CommitBatch): CommitResult {
    return this.#write(() => {
      const { number, at, writes } = batch;
      const advanced = this.#statements.advanceLane.run(number, this.#epoch, number - 1);
      if (advanced.changes !== 1) return this.#earlierResult(number);

      let stale: number[] | null = null;
      for (let index = 0; index < writes.length; index++) {
        const write = writes[index] as ObjectWrite;
        if (!this.#apply(write, at)) (stale ??= []).push(index);
        else if (write.statements.length > 0) this.#executeAll(write.statements, index);
      }
      if (stale === null) return nothingStale;
      this.#statements.recordStale.run(JSON.stringify(stale));
      return { stale };
    });
  }

  findReply({ tenant, type, id }: Address, key: string, now: number): RecordedReply | null {
    return this.#read(() => {
      const row = this.#statements.findReply.get(tenant, type, id, key, now) as RecordedReply | undefined;
      return row === undefined ? null : { ...row };
    });
  }

  listAlarms({ tenant, type, id }: Address): readonly StoredAlarm[] {
    return this.#read(() => {
      const rows = this.#statements.listAlarms.all(tenant, type, id) as unknown as readonly StoredAlarm[];
      return rows.map((row) => ({ ...row }));
    });
  }

  dueAlarms({ type, tenant, dueBy, limit }: DueAlarmsQuery): readonly AddressedAlarm[] {
    return this.#read(() => {
      const { dueAlarms, dueAlarmsOfTenant } = this.#statements;
      const rows =
        tenant === null ? dueAlarms.all(type, dueBy, limit) : dueAlarmsOfTenant.all(type, tenant, dueBy, limit);
      return rows.map(addressedAlarm);
    });
  }

  nextDueAfter(types: readonly string[], after: number): number | null {
    return this.#read(() => {
      let next: number | null = null;
      for (const type of types) {
        const row = this.#statements.nextDueAfter.get(type, after);
        if (row !== undefined && (next === null || Number(row["dueAt"]) < next)) next = Number(row["dueAt"]);
      }
      return next;
    });
  }

  dueTenants(type: string, dueBy: number): readonly string[] {
    return this.#read(() => {
      const tenants: string[] = [];
      // The default tenant is the empty text, which comes before all others.
      let tenant: string | undefined = "";
      while (tenant !== undefined) {
        if (this.#statements.hasDueAlarm.get(type, tenant, dueBy) !== undefined) tenants.push(tenant);
        tenant = this.#statements.nextTenant.get(type, tenant)?.["tenant"] as string | undefined;
      }
      return tenants;
    });
  }

  alarmTypes(): readonly string[] {
    return this.#read(() => {
      const types: string[] = [];
      let row = this.#statements.nextAlarmType.get("");
      while (row !== undefined) {
        types.push(row["type"] as string);
        row = this.#statements.nextAlarmType.get(row["type"] as string);
      }
      return types;
    });
  }

  deadAlarms({ tenant, type, after, limit }: DeadAlarmsQuery): readonly AddressedAlarm[] {
    return this.#read(() =>
      this.#statements.deadAlarms.all(tenant, type, after?.id ?? "", after?.name ?? "", limit).map(addressedAlarm),
    );
  }

  listObjects({ tenant, type, after, limit }: ObjectListQuery): readonly ObjectListing[] {
    return this.#read(() => {
      // No id is empty, so the empty text comes before all of them.
      const rows = this.#statements.listObjects.all(tenant, type, after ?? "", limit);
      return (rows as unknown as readonly ObjectListing[]).map((row) => ({ ...row }));
    });
  }

  sweep({ now, tombstonesBefore, limit }: Sweep): number {
    return this.#write(() => {
      this.#assertOwner();
      const replies = this.#statements.sweepReplies.run(now, limit).changes;
      const tombstones = this.#statements.sweepTombstones.run(tombstonesBefore, limit).changes;
      return Number(replies) + Number(tombstones);
    });
  }

  /** @param clean - whether the next owner is told that this one has ended in order */
  close(clean: boolean): void {
    if (this.#failure === null && clean) {
      try {
        this.#statements.closeEpoch.run(this.#epoch);
      } catch {
        // Then the next owner takes this one for dead, which costs it a little.
      }
    }
    try {
      // So that the file alone is a complete copy. Not possible while somebody reads; then it stays in the WAL.
      this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // What is committed is in the WAL either way.
    }
    this.#database.close();
  }

  /** Whether the write was built on the stored revision. Only then anything of it was applied. */
  #apply(write: ObjectWrite, at: number): boolean {
    const { baseRevision, state, stateVersion, deleted, alarms, replies } = write;
    const { tenant, type, id } = write.address;
    const sql = this.#statements;
    const { changes } =
      baseRevision === 0
        ? sql.insertObject.run(tenant, type, id, state, stateVersion, at, at, deleted ? at : null)
        : deleted
          ? sql.deleteObject.run(at, at, tenant, type, id, baseRevision)
          : state === null
            ? sql.touchObject.run(at, at, tenant, type, id, baseRevision)
            : sql.updateObject.run(state, stateVersion, at, at, tenant, type, id, baseRevision);
    if (changes !== 1) return false;

    if (deleted) sql.deleteReplies.run(tenant, type, id);
    if (deleted || write.cancelAllAlarms) sql.cancelAlarms.run(tenant, type, id);
    for (const alarm of alarms) this.#changeAlarm(write.address, alarm, baseRevision + 1);
    for (const { key, fingerprint, result, expiresAt } of replies) {
      sql.recordReply.run(tenant, type, id, key, fingerprint, result, expiresAt, at);
    }
    return true;
  }

  /** @param write - whose they are, as an index of the batch */
  #executeAll(statements: readonly SqlStatement[], write: number): void {
    for (const [index, statement] of statements.entries()) {
      try {
        this.#applicationSql.execute(statement);
      } catch (cause) {
        if (!isStatementFault(cause)) throw cause;
        const message = `${messageOf(cause)} (${describeStatement(statements, index)})`;
        throw new StoreFailure("refused", "SQL_FAILED", message, { cause, write });
      }
    }
  }

  #changeAlarm({ tenant, type, id }: Address, alarm: AlarmChange, revision: number): void {
    const sql = this.#statements;
    const { name } = alarm;
    switch (alarm.change) {
      case "set":
        sql.setAlarm.run(tenant, type, id, name, alarm.dueAt, alarm.dueAt, revision, alarm.payload, alarm.rule);
        break;
      case "cancel":
        sql.cancelAlarm.run(tenant, type, id, name);
        break;
      case "acknowledge":
        sql.acknowledgeAlarm.run(tenant, type, id, name, alarm.generation);
        break;
      case "attempted": {
        const { dueAt, attempts, status, lastError, generation } = alarm;
        sql.attemptedAlarm.run(dueAt, attempts, status, lastError, tenant, type, id, name, generation);
        break;
      }
      case "redrive":
        sql.redriveAlarm.run(alarm.dueAt, tenant, type, id, name);
        break;
    }
  }

  /** The lane did not advance: either this batch is in it already, or it may not be written. */
  #earlierResult(number: number): CommitResult {
    const lane = this.#assertOwner();
    if (lane.number === number && number > 0) {
      return lane.stale === null ? nothingStale : { stale: JSON.parse(lane.stale) as number[] };
    }
    throw new StoreFailure(
      "lost",
      "STORE_CORRUPT",
      `Batch ${number} was sent to ${this.#path}, whose last batch is ${lane.number}. Nothing of it was applied. ` +
        `Either batches were sent out of order, or the file was replaced by an older one.`,
    );
  }

  /** @throws {@link StoreFailure} `STORE_TAKEN_OVER` unless this connection is the owner */
  #assertOwner(): { readonly number: number; readonly stale: string | null } {
    const lane = this.#statements.lane.get() as
      | { readonly epoch: number; readonly ownerEpoch: number; readonly number: number; readonly stale: string | null }
      | undefined;
    if (lane?.epoch === this.#epoch && lane.ownerEpoch === this.#epoch) return lane;
    this.#failure = new StoreFailure(
      "lost",
      "STORE_TAKEN_OVER",
      `${this.#path} was taken over by another owner, although this process holds its lock. Nothing more is ` +
        `written from here. Was ${this.#path}-owner deleted, or the file opened under another name?`,
    );
    throw this.#failure;
  }

  #read<Result>(run: () => Result): Result {
    if (this.#failure !== null) throw this.#failure;
    try {
      return run();
    } catch (error) {
      throw this.#failed(error, "read");
    }
  }

  #write<Result>(run: () => Result): Result {
    if (this.#failure !== null) throw this.#failure;
    try {
      this.#statements.begin.run();
      const result = run();
      this.#statements.commit.run();
      return result;
    } catch (error) {
      throw this.#failed(error, "write");
    }
  }

  /** Leaves no transaction behind, and remembers a failure after which nothing works any more. */
  #failed(error: unknown, phase: SqlitePhase): StoreFailure {
    let failure = storeFailure(error, phase, this.#path);
    try {
      if (this.#database.isTransaction) this.#statements.rollback.run();
    } catch (rollbackError) {
      failure = new StoreFailure("lost", "STORE_CORRUPT", failure.message, {
        cause: rollbackError,
        maybeApplied: true,
      });
    }
    // What was thrown as a failure knows for itself whether it is final.
    if (failure.kind === "lost" && failure !== error) this.#failure ??= failure;
    return failure;
  }
}

/** Names every column: taking the rest of a row makes a slow object, and this is done for every due alarm. */
function addressedAlarm(row: Record<string, unknown>): AddressedAlarm {
  const { tenant, type, id, name, dueAt, scheduledAt, generation, payload, rule, attempts, status, lastError } =
    row as unknown as Address & StoredAlarm;
  const address = { tenant, type, id };
  return {
    address,
    suspect: row["suspect"] === 1,
    name,
    dueAt,
    scheduledAt,
    generation,
    payload,
    rule,
    attempts,
    status,
    lastError,
  };
}
