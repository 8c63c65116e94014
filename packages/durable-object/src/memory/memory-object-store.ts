/**
 * A store that keeps everything in this process and nothing on disk.
 *
 * It is the reference model of the port: what is obviously right here is what the other stores are held
 * to. What is stored lives as long as the store object: a runtime that opens the same store object after
 * another one has closed it finds everything. One owner at a time; whoever closed the store, or lost it,
 * can neither write nor read.
 */

import type { Address } from "../core/address.ts";
import { slotOf } from "../core/slot.ts";
import type { Environment } from "../core/environment.ts";
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
import { MemoryNodes, type Lane } from "./memory-nodes.ts";
import { MemoryTables } from "./memory-tables.ts";
import type { ObjectRow } from "./memory-tables.ts";
import { compareUtf8 } from "./utf8-order.ts";

/**
 * A store in memory: for tests, for trying things out, and for objects that may be forgotten. What is
 * stored is gone when the process ends.
 *
 * @example
 * ```ts
 * const runtime = await createRuntime({ objects: [Counter], store: memory() });
 * ```
 */
export function memory(): ObjectStore & OwnershipStore {
  return new MemoryObjectStore();
}

/** The tables, and who may write them: one owner alone, or the nodes of a cluster. */
export class MemoryObjectStore implements ObjectStore, OwnershipStore {
  readonly name = "memory";
  readonly #tables = new MemoryTables();
  readonly #nodes: MemoryNodes;
  #owner: Lane | null = null;
  /** Whether the last owner ended without closing the store. */
  #isUnclean = false;

  /** @param now - the store's clock; without one, time is that of whoever asks */
  constructor(now: (() => number) | null = null) {
    this.#nodes = new MemoryNodes(now, (at, slots) =>
      this.#tables.suspectDue(at, (address) => slots.has(slotOf(address))),
    );
  }

  /** @throws {@link StoreFailure} `STORE_LOCKED` while it is open */
  async open({ node, environment }: StoreOpening): Promise<OpenObjectStore> {
    const owner = this.#owner?.node ?? this.#nodes.someNode;
    if (owner !== null) throw locked(owner);
    this.#succeed(environment);
    const lane: Lane = { node, number: 0, result: null, isAlive: true };
    this.#owner = lane;
    const ownsAll = (): boolean => true;
    return new OpenMemoryObjectStore(this.#tables, lane, ownsAll, (clean) => {
      lane.isAlive = false;
      if (this.#owner !== lane) return;
      this.#owner = null;
      this.#isUnclean = !clean;
    });
  }

  /** @throws {@link StoreFailure} `STORE_LOCKED` while somebody owns all of it, or there is a node of that name */
  async join(joining: Joining): Promise<JoinedStore> {
    if (this.#owner !== null) throw locked(this.#owner.node);
    this.#succeed(joining.environment);
    const { lane, ownership } = this.#nodes.join(joining);
    // The row stays: what is closed here is only a way to it.
    const owns = (address: Address): boolean => this.#nodes.isOwner(joining.node, slotOf(address));
    return { ownership, objects: new OpenMemoryObjectStore(this.#tables, lane, owns, () => {}) };
  }

  /** After one who owned all of it and died, every due alarm is a suspect. */
  #succeed(environment: Environment): void {
    if (this.#isUnclean) this.#tables.suspectDue(environment.now(), () => true);
    this.#isUnclean = false;
  }
}

function locked(node: string): StoreFailure {
  return new StoreFailure(
    "retry",
    "STORE_LOCKED",
    `This memory store is used by the runtime ${node} already. A store has one owner: ` +
      `stop that runtime first, or give this one a store of its own.`,
  );
}

class OpenMemoryObjectStore implements OpenObjectStore {
  readonly leaseUntilMs = Infinity;
  readonly #tables: MemoryTables;
  readonly #lane: Lane;
  /** Whose alarms this owner delivers. */
  readonly #owns: (address: Address) => boolean;
  readonly #release: (clean: boolean) => void;
  #closed = false;

  constructor(
    tables: MemoryTables,
    lane: Lane,
    owns: (address: Address) => boolean,
    release: (clean: boolean) => void,
  ) {
    this.#tables = tables;
    this.#lane = lane;
    this.#owns = owns;
    this.#release = release;
  }

  get lastNumber(): number {
    return this.#lane.number;
  }

  async load(addresses: readonly Address[]): Promise<readonly (StoredObject | null)[]> {
    this.#assertOpen();
    return addresses.map((address) => storedObject(this.#tables.row(address)));
  }

  async commit(batch: CommitBatch): Promise<CommitResult> {
    this.#assertOpen();
    const lane = this.#lane;
    if (batch.number === lane.number && lane.result !== null) return lane.result;
    if (batch.number !== lane.number + 1) {
      throw new StoreFailure(
        "lost",
        "STORE_CORRUPT",
        `Batch ${batch.number} was sent to a store whose last batch is ${lane.number}. Nothing of it was applied.`,
      );
    }
    const withSql = batch.writes.findIndex(({ statements }) => statements.length > 0);
    if (withSql >= 0) {
      const message = "A memory store has no SQL: sql() needs a store of sqlite() or postgres().";
      throw new StoreFailure("refused", "SQL_FAILED", message, { write: withSql });
    }
    const stale: number[] = [];
    for (const [index, write] of batch.writes.entries()) {
      if (this.#tables.apply(write, batch.at) === "stale") stale.push(index);
    }
    lane.number = batch.number;
    return (lane.result = { stale });
  }

  async findReply(address: Address, key: string, now: number): Promise<RecordedReply | null> {
    this.#assertOpen();
    const reply = this.#tables.reply(address, key);
    return reply === undefined || reply.expiresAt < now ? null : reply;
  }

  async listAlarms(address: Address): Promise<readonly StoredAlarm[]> {
    this.#assertOpen();
    return this.#tables.alarms(address).map(withoutAddress).sort(byDueTime);
  }

  async dueAlarms({ type, tenant, dueBy, limit }: DueAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    this.#assertOpen();
    return [...this.#tables.allAlarms()]
      .filter((alarm) => this.#isDue(alarm, type, dueBy) && (tenant === null || alarm.address.tenant === tenant))
      .sort(byDueTime)
      .slice(0, limit);
  }

  async nextDueAfter(types: readonly string[], after: number): Promise<number | null> {
    this.#assertOpen();
    let next: number | null = null;
    for (const { address, status, dueAt } of this.#tables.allAlarms()) {
      if (status !== "set" || dueAt <= after || !types.includes(address.type) || !this.#owns(address)) continue;
      if (next === null || dueAt < next) next = dueAt;
    }
    return next;
  }

  async dueTenants(type: string, dueBy: number): Promise<readonly string[]> {
    this.#assertOpen();
    const due = [...this.#tables.allAlarms()].filter((alarm) => this.#isDue(alarm, type, dueBy));
    return [...new Set(due.map(({ address }) => address.tenant))].sort(compareUtf8);
  }

  async alarmTypes(): Promise<readonly string[]> {
    this.#assertOpen();
    const set = [...this.#tables.allAlarms()].filter(({ status }) => status === "set");
    return [...new Set(set.map(({ address }) => address.type))].sort(compareUtf8);
  }

  async deadAlarms({ tenant, type, after, limit }: DeadAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    this.#assertOpen();
    return [...this.#tables.allAlarms()]
      .filter(({ address, status }) => status === "dead" && address.tenant === tenant && address.type === type)
      .sort((a, b) => compareUtf8(a.address.id, b.address.id) || compareUtf8(a.name, b.name))
      .filter(
        (alarm) =>
          after === null || (compareUtf8(alarm.address.id, after.id) || compareUtf8(alarm.name, after.name)) > 0,
      )
      .slice(0, limit);
  }

  async listObjects({ tenant, type, after, limit }: ObjectListQuery): Promise<readonly ObjectListing[]> {
    this.#assertOpen();
    const listed: ObjectListing[] = [];
    for (const { address, revision, createdAt, updatedAt, deletedAt } of this.#tables.objects.values()) {
      if (deletedAt !== null || address.tenant !== tenant || address.type !== type) continue;
      if (after !== null && compareUtf8(address.id, after) <= 0) continue;
      listed.push({ id: address.id, revision, createdAt, updatedAt });
    }
    return listed.sort((a, b) => compareUtf8(a.id, b.id)).slice(0, limit);
  }

  async sweep(sweep: { now: number; tombstonesBefore: number; limit: number }): Promise<number> {
    this.#assertOpen();
    const replies = this.#tables.forgetReplies(sweep.now, sweep.limit);
    return replies + this.#tables.forgetTombstones(sweep.tombstonesBefore, sweep.limit);
  }

  async close(): Promise<void> {
    this.#end(true);
  }

  async abandon(): Promise<void> {
    this.#end(false);
  }

  #end(clean: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#release(clean);
  }

  #isDue({ address, status, dueAt }: AddressedAlarm, type: string, dueBy: number): boolean {
    return status === "set" && dueAt <= dueBy && address.type === type && this.#owns(address);
  }

  #assertOpen(): void {
    if (this.#closed || !this.#lane.isAlive) {
      throw new StoreFailure(
        "lost",
        "STORE_TAKEN_OVER",
        "This memory store was closed here, or taken over, and takes no further calls.",
      );
    }
  }
}

function withoutAddress({ address: _address, suspect: _suspect, ...alarm }: AddressedAlarm): StoredAlarm {
  return alarm;
}

function byDueTime(a: StoredAlarm, b: StoredAlarm): number {
  return a.dueAt - b.dueAt || compareUtf8(a.name, b.name);
}

function storedObject(row: ObjectRow | undefined): StoredObject | null {
  return row === undefined ? null : { revision: row.revision, state: row.state, stateVersion: row.stateVersion };
}
