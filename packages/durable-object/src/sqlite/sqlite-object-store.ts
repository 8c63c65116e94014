/**
 * The SQLite store as the port wants it: asynchronous, with a lock around it.
 *
 * Opening is: find the file, take its owner lock, open the database on this thread or in a worker, begin a
 * new epoch. Closing is the same backwards. In between the calls go straight through.
 */

import { randomUUID } from "node:crypto";
import { realpath } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Address } from "../core/address.ts";
import type {
  AddressedAlarm,
  CommitBatch,
  CommitResult,
  DeadAlarmsQuery,
  DueAlarmsQuery,
  ObjectListing,
  ObjectListQuery,
  ObjectStore,
  OpenObjectStore,
  RecordedReply,
  StoredAlarm,
  StoredObject,
  StoreOpening,
} from "../ports/object-store.ts";
import { StoreFailure } from "../ports/object-store.ts";
import type { InspectableStore, StoreInspector } from "../ports/store-inspector.ts";
import type { SqliteConnectionSettings, Sweep } from "./sqlite-connection.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import type { SqliteFile } from "./sqlite-file.ts";
import { assertSameFile, findFile } from "./sqlite-file.ts";
import { SqliteInspector } from "./sqlite-inspector.ts";
import { migrationsText, newestVersion, versionOf } from "./sqlite-migrations.ts";
import type { ResolvedSqliteOptions } from "./sqlite-options.ts";
import { pollIntervalMs, SqliteOwnerLock } from "./sqlite-owner-lock.ts";
import { thisOwner } from "./sqlite-owner.ts";
import { SqliteWorker } from "./sqlite-worker.ts";

export class SqliteObjectStore implements ObjectStore, InspectableStore {
  readonly name = "sqlite";
  readonly #options: ResolvedSqliteOptions;

  constructor(options: ResolvedSqliteOptions) {
    this.#options = options;
  }

  /** @throws {@link StoreFailure} */
  async open(opening: StoreOpening): Promise<OpenObjectStore> {
    const { path, synchronous, lockTimeoutMs, allowNetworkFileSystem } = this.#options;
    const deadline = performance.now() + lockTimeoutMs;
    const owner = thisOwner(opening);
    const file = await findFile(path, allowNetworkFileSystem);
    const lock = await SqliteOwnerLock.take(file, owner, deadline);
    try {
      const connection = await this.#connect({ path: file.path, synchronous, owner }, deadline);
      return new OpenSqliteObjectStore(file, connection, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  get tablesVersion(): number {
    return newestVersion;
  }

  migrationSql(from: number, to: number | null): string {
    return migrationsText(from, to);
  }

  /** @throws {@link StoreFailure} */
  async inspect(): Promise<StoreInspector> {
    // A file that is not there yet is looked at under the name it would get.
    const path = await realpath(this.#options.path).catch(() => this.#options.path);
    return await new SqliteInspector(path, () => this.#migrate()).probe();
  }

  /** Opening brings the tables up to date; so this opens the file, and closes it. */
  async #migrate(): Promise<{ readonly from: number; readonly to: number }> {
    const { path, synchronous, lockTimeoutMs, allowNetworkFileSystem } = this.#options;
    const deadline = performance.now() + lockTimeoutMs;
    const owner = thisOwner({ node: `migrate-${randomUUID()}`, environment: { now: Date.now } });
    const file = await findFile(path, allowNetworkFileSystem);
    const lock = await SqliteOwnerLock.take(file, owner, deadline);
    try {
      const from = versionOf(file.path);
      SqliteConnection.open({ path: file.path, synchronous, owner }).close(true);
      return { from, to: newestVersion };
    } finally {
      lock.release();
    }
  }

  /** Another program that is writing just now (a shell, a backup) is waited for like another owner. */
  async #connect(settings: SqliteConnectionSettings, deadline: number): Promise<SqliteConnection | SqliteWorker> {
    for (;;) {
      try {
        return this.#options.worker ? await SqliteWorker.open(settings) : SqliteConnection.open(settings);
      } catch (error) {
        if (!(error instanceof StoreFailure) || error.kind !== "retry" || performance.now() >= deadline) throw error;
      }
      await sleep(pollIntervalMs);
    }
  }
}

class OpenSqliteObjectStore implements OpenObjectStore {
  /** The lock dies with the process, and not before. */
  readonly leaseUntilMs = Infinity;
  readonly #file: SqliteFile;
  readonly #connection: SqliteConnection | SqliteWorker;
  readonly #lock: SqliteOwnerLock;
  #lastNumber = 0;
  #closing: Promise<void> | null = null;
  /** Why the file is not ours any more; null while it is. */
  #gone: StoreFailure | null = null;

  constructor(file: SqliteFile, connection: SqliteConnection | SqliteWorker, lock: SqliteOwnerLock) {
    this.#file = file;
    this.#connection = connection;
    this.#lock = lock;
  }

  get lastNumber(): number {
    return this.#lastNumber;
  }

  async load(addresses: readonly Address[]): Promise<readonly (StoredObject | null)[]> {
    return this.#open().load(addresses);
  }

  async commit(batch: CommitBatch): Promise<CommitResult> {
    const result = await this.#open().commit(batch);
    this.#lastNumber = batch.number;
    return result;
  }

  async findReply(address: Address, key: string, now: number): Promise<RecordedReply | null> {
    return this.#open().findReply(address, key, now);
  }

  async listAlarms(address: Address): Promise<readonly StoredAlarm[]> {
    return this.#open().listAlarms(address);
  }

  async dueAlarms(query: DueAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    return this.#open().dueAlarms(query);
  }

  async nextDueAfter(types: readonly string[], after: number): Promise<number | null> {
    return this.#open().nextDueAfter(types, after);
  }

  async dueTenants(type: string, dueBy: number): Promise<readonly string[]> {
    return this.#open().dueTenants(type, dueBy);
  }

  async alarmTypes(): Promise<readonly string[]> {
    return this.#open().alarmTypes();
  }

  async deadAlarms(query: DeadAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    return this.#open().deadAlarms(query);
  }

  async listObjects(query: ObjectListQuery): Promise<readonly ObjectListing[]> {
    return this.#open().listObjects(query);
  }

  /** Also finds out, as the one call that is made from time to time, whether the file is still there. */
  async sweep(sweep: Sweep): Promise<number> {
    this.#open();
    try {
      await assertSameFile(this.#file);
    } catch (error) {
      if (error instanceof StoreFailure && error.kind === "lost") this.#gone = error;
      throw error;
    }
    return this.#open().sweep(sweep);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close(true));
  }

  abandon(): Promise<void> {
    return (this.#closing ??= this.#close(false));
  }

  async #close(clean: boolean): Promise<void> {
    try {
      await this.#connection.close(clean);
    } finally {
      this.#lock.release();
    }
  }

  #open(): SqliteConnection | SqliteWorker {
    if (this.#closing !== null) {
      throw new StoreFailure(
        "lost",
        "STORE_TAKEN_OVER",
        `${this.#file.path} was closed here and takes no further calls.`,
      );
    }
    if (this.#gone !== null) throw this.#gone;
    return this.#connection;
  }
}
