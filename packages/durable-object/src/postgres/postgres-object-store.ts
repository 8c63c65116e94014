/**
 * The PostgreSQL store as the port wants it.
 *
 * Opening is: take the right to write (which brings the tables up to date), and begin to renew the lease. In
 * between, reads go straight through, and commits go out under the numbers of a lane. Closing is giving the
 * right away, then the connections.
 */

import { randomUUID } from "node:crypto";
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
import { arrayOf } from "./postgres-columns.ts";
import { Commits } from "./postgres-commit.ts";
import { PostgresConnections } from "./postgres-connections.ts";
import type { Row, Statement, Value } from "./postgres-pool.ts";
import { storeFailure } from "./postgres-failure.ts";
import { PostgresLane } from "./postgres-lane.ts";
import { describe, type ResolvedPostgresOptions } from "./postgres-options.ts";
import { enter, leave, thisOwner, type PostgresOwner } from "./postgres-owner.ts";
import { PostgresLease, takeOwnership } from "./postgres-ownership.ts";
import { addressedAlarm, storedAlarm, textsOf } from "./postgres-rows.ts";
import { warnIfUnsafe } from "./postgres-server.ts";
import { statementsIn, type Statements } from "./postgres-statements.ts";

/** How many objects one statement loads. */
const longestLoad = 1_000;
/** How long closing waits for the database, in ms. */
const closeTimeoutMs = 5_000;

export class PostgresObjectStore implements ObjectStore {
  readonly name = "postgres";
  readonly #options: ResolvedPostgresOptions;

  constructor(options: ResolvedPostgresOptions) {
    this.#options = options;
  }

  /** @throws {@link StoreFailure} */
  async open({ environment, node: name }: StoreOpening): Promise<OpenObjectStore> {
    const options = this.#options;
    const where = describe(options);
    const statements = statementsIn(options.schema);
    const connections = await PostgresConnections.create(options);
    const owner = thisOwner({ name, node: randomUUID() });
    enter(owner);
    try {
      const leaseUntilMs = await takeOwnership({ connections, statements, options, owner, environment, where });
      await warnIfUnsafe(connections.write, where);
      return new OpenPostgresObjectStore({
        connections,
        statements,
        options,
        owner,
        environment,
        where,
        leaseUntilMs,
      });
    } catch (error) {
      leave(owner);
      await connections.close();
      throw storeFailure(error, "open", where);
    }
  }
}

interface OpenStoreOptions {
  readonly connections: PostgresConnections;
  readonly statements: Statements;
  readonly options: ResolvedPostgresOptions;
  readonly owner: PostgresOwner;
  readonly environment: StoreOpening["environment"];
  readonly where: string;
  readonly leaseUntilMs: number;
}

class OpenPostgresObjectStore implements OpenObjectStore {
  readonly #connections: PostgresConnections;
  readonly #statements: Statements;
  readonly #owner: PostgresOwner;
  readonly #where: string;
  readonly #lane: PostgresLane;
  readonly #lease: PostgresLease;
  #closing: Promise<void> | null = null;
  /** Why the right to write is gone; null while it is not. */
  #gone: StoreFailure | null = null;

  constructor({ connections, statements, options, owner, environment, where, leaseUntilMs }: OpenStoreOptions) {
    this.#connections = connections;
    this.#statements = statements;
    this.#owner = owner;
    this.#where = where;
    const { node } = owner;
    const onLost = (why: "taken" | "rewound"): StoreFailure => this.#lose(why);
    const commits = new Commits(options.schema, node);
    this.#lane = new PostgresLane({ connections, statements, commits, node, where, onLost });
    this.#lease = new PostgresLease({
      connections,
      statements,
      environment,
      node,
      leaseMs: options.leaseMs,
      untilMs: leaseUntilMs,
      lastNumber: () => this.#lane.answered,
      onLost,
    });
  }

  get lastNumber(): number {
    return this.#lane.lastNumber;
  }

  get leaseUntilMs(): number {
    return this.#lease.untilMs;
  }

  async load(addresses: readonly Address[]): Promise<readonly (StoredObject | null)[]> {
    this.#assertOpen();
    if (addresses.length <= longestLoad) return await this.#loadSome(addresses);
    const parts: Promise<readonly (StoredObject | null)[]>[] = [];
    for (let from = 0; from < addresses.length; from += longestLoad) {
      parts.push(this.#loadSome(addresses.slice(from, from + longestLoad)));
    }
    return (await Promise.all(parts)).flat();
  }

  async commit(batch: CommitBatch): Promise<CommitResult> {
    this.#assertOpen();
    return await this.#lane.commit(batch);
  }

  async findReply({ tenant, type, id }: Address, key: string, now: number): Promise<RecordedReply | null> {
    const [row] = await this.#read(this.#statements.findReply, [tenant, type, id, key, now]);
    if (row === undefined) return null;
    const [, fingerprint, result, expiresAt] = row;
    return { key, fingerprint: fingerprint ?? "", result: result ?? null, expiresAt: Number(expiresAt) };
  }

  async listAlarms({ tenant, type, id }: Address): Promise<readonly StoredAlarm[]> {
    const rows = await this.#read(this.#statements.listAlarms, [tenant, type, id]);
    return rows.map((row) => storedAlarm(row, 0));
  }

  async dueAlarms({ type, tenant, dueBy, limit }: DueAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    const { dueAlarms, dueAlarmsOfTenant } = this.#statements;
    const rows =
      tenant === null
        ? await this.#read(dueAlarms, [type, dueBy, limit])
        : await this.#read(dueAlarmsOfTenant, [type, tenant, dueBy, limit]);
    return rows.map(addressedAlarm);
  }

  async nextDueAfter(types: readonly string[], after: number): Promise<number | null> {
    const [row] = await this.#read(this.#statements.nextDueAfter, [arrayOf(types), after]);
    const next = row?.[0] ?? null;
    return next === null ? null : Number(next);
  }

  async dueTenants(type: string, dueBy: number): Promise<readonly string[]> {
    return textsOf(await this.#read(this.#statements.dueTenants, [type, dueBy]));
  }

  async alarmTypes(): Promise<readonly string[]> {
    return textsOf(await this.#read(this.#statements.alarmTypes, []));
  }

  async deadAlarms({ tenant, type, after, limit }: DeadAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    const { id, name } = after ?? { id: "", name: "" };
    return (await this.#read(this.#statements.deadAlarms, [tenant, type, id, name, limit])).map(addressedAlarm);
  }

  async listObjects({ tenant, type, after, limit }: ObjectListQuery): Promise<readonly ObjectListing[]> {
    // No id is empty, so the empty text comes before all of them.
    const rows = await this.#read(this.#statements.listObjects, [tenant, type, after ?? "", limit]);
    return rows.map(([id, revision, createdAt, updatedAt]) => {
      return { id: id ?? "", revision: Number(revision), createdAt: Number(createdAt), updatedAt: Number(updatedAt) };
    });
  }

  async sweep(sweep: {
    readonly now: number;
    readonly tombstonesBefore: number;
    readonly limit: number;
  }): Promise<number> {
    const { now, tombstonesBefore, limit } = sweep;
    const [row] = await this.#read(this.#statements.sweep, [this.#owner.node, now, tombstonesBefore, limit]);
    if (row?.[0] !== "1") throw this.#lose("taken");
    return Number(row[1]);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  abandon(): Promise<void> {
    return (this.#closing ??= this.#letGo());
  }

  async #close(): Promise<void> {
    this.#lease.end();
    try {
      const { node } = this.#owner;
      if (this.#gone === null) await this.#connections.write(this.#statements.removeOwner, [node], closeTimeoutMs);
    } catch {
      // Then the next owner takes this one for dead, which costs it a little.
    } finally {
      await this.#letGo();
    }
  }

  async #letGo(): Promise<void> {
    this.#lease.end();
    leave(this.#owner);
    await this.#connections.close();
  }

  async #loadSome(addresses: readonly Address[]): Promise<readonly (StoredObject | null)[]> {
    const loaded: (StoredObject | null)[] = addresses.map(() => null);
    if (loaded.length === 0) return loaded;
    const rows = await this.#read(this.#statements.loadObjects, [
      arrayOf(addresses.map(({ tenant }) => tenant)),
      arrayOf(addresses.map(({ type }) => type)),
      arrayOf(addresses.map(({ id }) => id)),
    ]);
    for (const [index, revision, state, stateVersion] of rows) {
      loaded[Number(index) - 1] = {
        revision: Number(revision),
        state: state ?? null,
        stateVersion: Number(stateVersion),
      };
    }
    return loaded;
  }

  async #read(statement: Statement, values: readonly Value[]): Promise<readonly Row[]> {
    this.#assertOpen();
    try {
      return await this.#connections.read(statement, values);
    } catch (error) {
      // Closed meanwhile: the connection was cut because of that.
      this.#assertOpen();
      throw storeFailure(error, "read", this.#where);
    }
  }

  #assertOpen(): void {
    if (this.#gone !== null) throw this.#gone;
    if (this.#closing === null) return;
    throw new StoreFailure("lost", "STORE_TAKEN_OVER", `${this.#where} was closed here and takes no further calls.`);
  }

  /** The right to write is gone, for good. */
  #lose(why: "taken" | "rewound"): StoreFailure {
    if (this.#gone !== null) return this.#gone;
    this.#lease.end();
    leave(this.#owner);
    this.#gone =
      why === "taken"
        ? new StoreFailure(
            "lost",
            "STORE_TAKEN_OVER",
            `${this.#where} was taken over by another owner: this process did not renew its lease in time, or its row ` +
              `in durable_object_nodes was removed. Nothing more is written from here.`,
          )
        : new StoreFailure(
            "lost",
            "STORE_CORRUPT",
            `${this.#where} went back in time: it does not have commit ${this.#lane.answered}, which it had answered. ` +
              `A standby was promoted that lacked it, or a backup was restored. Nothing more is written from here, ` +
              `because what is in memory is ahead of what is stored.`,
          );
    return this.#gone;
  }
}
