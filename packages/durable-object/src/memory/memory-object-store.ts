/**
 * A store that keeps everything in this process and nothing on disk.
 *
 * It is the reference model of the port: what is obviously right here is what the other stores are held
 * to. What is stored lives as long as the store object: a runtime that opens the same store object after
 * another one has closed it finds everything. One owner at a time; whoever closed the store, or lost it,
 * can neither write nor read.
 */

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
export function memory(): ObjectStore {
  return new MemoryObjectStore();
}

class MemoryObjectStore implements ObjectStore {
  readonly name = "memory";
  readonly #tables = new MemoryTables();
  #owner: OpenMemoryObjectStore | null = null;

  /** @throws {@link StoreFailure} `STORE_LOCKED` while it is open */
  async open(opening: StoreOpening): Promise<OpenObjectStore> {
    if (this.#owner !== null) {
      throw new StoreFailure(
        "retry",
        "STORE_LOCKED",
        `This memory store is used by the runtime ${this.#owner.node} already. A store has one owner: ` +
          `stop that runtime first, or give this one a store of its own.`,
      );
    }
    const open = new OpenMemoryObjectStore(opening.node, this.#tables, () => {
      if (this.#owner === open) this.#owner = null;
    });
    this.#owner = open;
    return open;
  }
}

class OpenMemoryObjectStore implements OpenObjectStore {
  readonly node: string;
  readonly #tables: MemoryTables;
  readonly #release: () => void;
  #closed = false;
  #lastNumber = 0;
  /** The answer to the batch `#lastNumber`, for whoever sends it again; null before the first one. */
  #lastResult: CommitResult | null = null;

  constructor(node: string, tables: MemoryTables, release: () => void) {
    this.node = node;
    this.#tables = tables;
    this.#release = release;
  }

  get lastNumber(): number {
    return this.#lastNumber;
  }

  async load(addresses: readonly Address[]): Promise<readonly (StoredObject | null)[]> {
    this.#assertOpen();
    return addresses.map((address) => storedObject(this.#tables.row(address)));
  }

  async commit(batch: CommitBatch): Promise<CommitResult> {
    this.#assertOpen();
    if (batch.number === this.#lastNumber && this.#lastResult !== null) return this.#lastResult;
    if (batch.number !== this.#lastNumber + 1) {
      throw new StoreFailure(
        "lost",
        "STORE_CORRUPT",
        `Batch ${batch.number} was sent to a store whose last batch is ${this.#lastNumber}. ` +
          `Nothing of it was applied.`,
      );
    }
    const stale: number[] = [];
    for (const [index, write] of batch.writes.entries()) {
      if (this.#tables.apply(write, batch.at) === "stale") stale.push(index);
    }
    this.#lastNumber = batch.number;
    return (this.#lastResult = { stale });
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
      .filter((alarm) => isDue(alarm, type, dueBy) && (tenant === null || alarm.address.tenant === tenant))
      .sort(byDueTime)
      .slice(0, limit);
  }

  async nextDueAfter(types: readonly string[], after: number): Promise<number | null> {
    this.#assertOpen();
    let next: number | null = null;
    for (const { address, status, dueAt } of this.#tables.allAlarms()) {
      if (status !== "set" || dueAt <= after || !types.includes(address.type)) continue;
      if (next === null || dueAt < next) next = dueAt;
    }
    return next;
  }

  async dueTenants(type: string, dueBy: number): Promise<readonly string[]> {
    this.#assertOpen();
    const due = [...this.#tables.allAlarms()].filter((alarm) => isDue(alarm, type, dueBy));
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
    this.#closed = true;
    this.#release();
  }

  #assertOpen(): void {
    if (this.#closed) {
      throw new StoreFailure("lost", "STORE_TAKEN_OVER", "This memory store was closed and takes no further calls.");
    }
  }
}

function withoutAddress({ address: _address, suspect: _suspect, ...alarm }: AddressedAlarm): StoredAlarm {
  return alarm;
}

function isDue({ address, status, dueAt }: AddressedAlarm, type: string, dueBy: number): boolean {
  return status === "set" && dueAt <= dueBy && address.type === type;
}

function byDueTime(a: StoredAlarm, b: StoredAlarm): number {
  return a.dueAt - b.dueAt || compareUtf8(a.name, b.name);
}

function storedObject(row: ObjectRow | undefined): StoredObject | null {
  return row === undefined ? null : { revision: row.revision, state: row.state, stateVersion: row.stateVersion };
}
