/**
 * The PostgreSQL store as the port wants it.
 *
 * Opening is: take the right to write (which brings the tables up to date), and begin to renew the lease. In
 * between, reads go straight through, and commits go out under the numbers of a lane. Closing is giving the
 * right away, then the connections. A node of a cluster joins instead: its right hangs on its row, which it renews and
 * gives away through the ownership store.
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
import type { JoinedStore, Joining, OwnershipStore } from "../ports/ownership-store.ts";
import type { InspectableStore, StoreInspector } from "../ports/store-inspector.ts";
import { arrayOf } from "./postgres-columns.ts";
import { Commits } from "./postgres-commit.ts";
import { PostgresConnections } from "./postgres-connections.ts";
import type { Row, Statement, Value } from "./postgres-pool.ts";
import { storeFailure } from "./postgres-failure.ts";
import { AllDueAlarms, OwnDueAlarms, type DueAlarms } from "./postgres-due-alarms.ts";
import { PostgresInspector } from "./postgres-inspector.ts";
import { PostgresLane } from "./postgres-lane.ts";
import { PostgresLease } from "./postgres-lease.ts";
import { migrateTables } from "./postgres-migrate.ts";
import { migrationsText, newestVersion } from "./postgres-migrations.ts";
import { PostgresNode } from "./postgres-node.ts";
import { describe, quoted, type ResolvedPostgresOptions } from "./postgres-options.ts";
import { enter, leave, ownerJoining, thisOwner, type PostgresOwner } from "./postgres-owner.ts";
import { takeOwnership, type Candidate } from "./postgres-ownership.ts";
import { addressedAlarm, storedAlarm, textsOf } from "./postgres-rows.ts";
import { warnIfUnsafe } from "./postgres-server.ts";
import { PostgresStanding, type Loss } from "./postgres-standing.ts";
import { statementsIn, type Statements } from "./postgres-statements.ts";

/** How many objects one statement loads. */
const longestLoad = 1_000;
/** How long closing waits for the database, in ms. */
const closeTimeoutMs = 5_000;
/** A sole owner writes commits and signs of life; a node changes of ownership as well. */
const soleWriters = 2;
const nodeWriters = 3;

export class PostgresObjectStore implements ObjectStore, OwnershipStore, InspectableStore {
  readonly name = "postgres";
  readonly #options: ResolvedPostgresOptions;

  constructor(options: ResolvedPostgresOptions) {
    this.#options = options;
  }

  get tablesVersion(): number {
    return newestVersion;
  }

  migrationSql(from: number, to: number | null): string {
    const { schema } = this.#options;
    // `public` is there, and even `IF NOT EXISTS` asks for the right to create a schema.
    const create = from === 0 && schema !== "public" ? `CREATE SCHEMA IF NOT EXISTS ${quoted(schema)};\n` : "";
    return `BEGIN;\n${create}${migrationsText(schema, from, to)}COMMIT;\n`;
  }

  /** @throws {@link StoreFailure} */
  async inspect(): Promise<StoreInspector> {
    const where = describe(this.#options);
    return await PostgresInspector.open(this.#options, async () => {
      try {
        return await migrateTables(this.#options);
      } catch (error) {
        throw storeFailure(error, "open", where);
      }
    });
  }

  /** @throws {@link StoreFailure} */
  async open({ environment, node: name }: StoreOpening): Promise<OpenObjectStore> {
    const { leaseMs } = this.#options;
    const owner = thisOwner({ name, node: randomUUID() });
    const entry = { owner, node: null, leaseMs, environment };
    const { parts, leaseUntilMs } = await this.#enter(entry, soleWriters);
    const { connections, statements, lane, standing } = parts;
    const lease = new PostgresLease({
      connections,
      statements,
      environment,
      node: owner.node,
      leaseMs,
      untilMs: leaseUntilMs,
      lastNumber: () => lane.answered,
      onLost: (how) => standing.lose(how, `commit ${lane.answered}`),
    });
    standing.onLost(() => lease.end());
    return new OpenPostgresObjectStore(parts, { lease });
  }

  /** @throws {@link StoreFailure} */
  async join(joining: Joining): Promise<JoinedStore> {
    const { environment, leaseMs, types, endpoint } = joining;
    const owner = ownerJoining(joining, randomUUID());
    const { parts } = await this.#enter({ owner, node: { types, endpoint }, leaseMs, environment }, nodeWriters);
    const ownership = new PostgresNode({ ...parts, environment, leaseMs, options: this.#options });
    return { objects: new OpenPostgresObjectStore(parts, { node: ownership }), ownership };
  }

  /** Takes the right to write. */
  async #enter(
    entry: Pick<Candidate, "owner" | "node" | "leaseMs" | "environment">,
    writers: number,
  ): Promise<{ readonly parts: OpenParts; readonly leaseUntilMs: number }> {
    const options = this.#options;
    const where = describe(options);
    const statements = statementsIn(options.schema);
    const connections = await PostgresConnections.create(options, writers);
    const { owner } = entry;
    enter(owner);
    try {
      const leaseUntilMs = await takeOwnership({ ...entry, connections, statements, options, where });
      // It is taken already: what cannot be asked now is not warned about.
      await warnIfUnsafe(connections.write, where).catch(() => undefined);
      const standing = new PostgresStanding(where);
      standing.onLost(() => leave(owner));
      const commits = new Commits(options.schema, owner.node);
      const { node } = owner;
      const onLost = (how: Loss): StoreFailure => standing.lose(how, `commit ${lane.answered}`);
      const lane: PostgresLane = new PostgresLane({ connections, statements, commits, node, where, onLost });
      const { schema } = options;
      return { parts: { connections, statements, owner, where, schema, standing, lane }, leaseUntilMs };
    } catch (error) {
      leave(owner);
      await connections.close();
      throw storeFailure(error, "open", where);
    }
  }
}

/** What an open store works with. */
interface OpenParts {
  readonly connections: PostgresConnections;
  readonly statements: Statements;
  readonly owner: PostgresOwner;
  readonly where: string;
  readonly schema: string;
  readonly standing: PostgresStanding;
  readonly lane: PostgresLane;
}

/** What the right to write is kept by. */
type Tenure = { readonly lease: PostgresLease } | { readonly node: PostgresNode };

class OpenPostgresObjectStore implements OpenObjectStore {
  readonly #connections: PostgresConnections;
  readonly #statements: Statements;
  readonly #owner: PostgresOwner;
  readonly #where: string;
  readonly #schema: string;
  readonly #standing: PostgresStanding;
  readonly #lane: PostgresLane;
  readonly #tenure: Tenure;
  readonly #due: DueAlarms;
  #closing: Promise<void> | null = null;

  constructor({ connections, statements, owner, where, schema, standing, lane }: OpenParts, tenure: Tenure) {
    this.#connections = connections;
    this.#statements = statements;
    this.#owner = owner;
    this.#where = where;
    this.#schema = schema;
    this.#standing = standing;
    this.#lane = lane;
    this.#tenure = tenure;
    const read = (statement: Statement, values: readonly Value[]) => this.#read(statement, values);
    this.#due = "node" in tenure ? new OwnDueAlarms(read, statements, owner.node) : new AllDueAlarms(read, statements);
  }

  get lastNumber(): number {
    return this.#lane.lastNumber;
  }

  get companions(): NonNullable<OpenObjectStore["companions"]> {
    return { schema: this.#schema, join: (companion) => this.#lane.join(companion) };
  }

  get leaseUntilMs(): number {
    if (this.#standing.failure !== null) return -Infinity;
    return "lease" in this.#tenure ? this.#tenure.lease.untilMs : Infinity;
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
    // Also one who has lost the right to write hears what became of a batch that was sent while it was there.
    if (this.#closing !== null || !this.#lane.isInDoubt(batch)) this.#assertOpen();
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

  dueAlarms(query: DueAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    return this.#due.dueAlarms(query);
  }

  nextDueAfter(types: readonly string[], after: number): Promise<number | null> {
    return this.#due.nextDueAfter(types, after);
  }

  dueTenants(type: string, dueBy: number): Promise<readonly string[]> {
    return this.#due.dueTenants(type, dueBy);
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
    if (row?.[0] !== "1") throw this.#standing.lose("taken");
    return Number(row[1]);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  abandon(): Promise<void> {
    return (this.#closing ??= this.#letGo());
  }

  async #close(): Promise<void> {
    try {
      if ("lease" in this.#tenure) await this.#giveAway(this.#tenure.lease);
    } finally {
      await this.#letGo();
    }
  }

  /** Deletes the row. That of a node stays, for it has not left. */
  async #giveAway(lease: PostgresLease): Promise<void> {
    lease.end();
    if (this.#standing.failure !== null) return;
    // If it stays, the next owner takes this one for dead, which costs it a little.
    const { node } = this.#owner;
    await this.#connections.write(this.#statements.removeOwner, [node], closeTimeoutMs).catch(() => []);
  }

  async #letGo(): Promise<void> {
    const tenure = this.#tenure;
    await ("lease" in tenure ? tenure.lease : tenure.node).end();
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
    if (this.#standing.failure !== null) throw this.#standing.failure;
    if (this.#closing === null) return;
    throw new StoreFailure("lost", "STORE_TAKEN_OVER", `${this.#where} was closed here and takes no further calls.`);
  }
}
