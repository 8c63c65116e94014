/**
 * What the memory store holds: the same tables as in a database, as Maps.
 *
 * An object's row, its alarms and its replies are kept apart, because they end at different times: a
 * tombstone has no alarms, and a reply can outlive the tombstone.
 */

import type { Address } from "../core/address.ts";
import type { AlarmChange, ObjectWrite, RecordedReply, StoredAlarm } from "../ports/object-store.ts";

/** A row of the table of objects. */
export interface ObjectRow {
  readonly address: Address;
  readonly revision: number;
  readonly state: string | null;
  readonly stateVersion: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When the object was deleted; null while it exists. */
  readonly deletedAt: number | null;
}

/** The tables, and the one way to change them. */
export class MemoryTables {
  readonly objects = new Map<string, ObjectRow>();
  readonly #alarms = new Map<string, Map<string, StoredAlarm>>();
  readonly #replies = new Map<string, Map<string, RecordedReply>>();

  /** The row of an object, its tombstone included. */
  row(address: Address): ObjectRow | undefined {
    return this.objects.get(keyOf(address));
  }

  alarms(address: Address): readonly StoredAlarm[] {
    return [...(this.#alarms.get(keyOf(address))?.values() ?? [])];
  }

  reply(address: Address, key: string): RecordedReply | undefined {
    return this.#replies.get(keyOf(address))?.get(key);
  }

  /** Applies one write, unless it is built on another revision than the stored one. */
  apply(write: ObjectWrite, at: number): "applied" | "stale" {
    const key = keyOf(write.address);
    const before = this.objects.get(key);
    if ((before?.revision ?? 0) !== write.baseRevision) return "stale";

    this.objects.set(key, nextRow(before, write, at));
    if (write.deleted) this.#replies.delete(key);
    if (write.deleted || write.cancelAllAlarms) this.#alarms.delete(key);
    for (const alarm of write.alarms) this.#changeAlarm(key, alarm, write.baseRevision + 1);
    for (const reply of write.replies) this.#recordReply(key, reply, at);
    return "applied";
  }

  /** Forgets up to `limit` replies that expired before `now`. */
  forgetReplies(now: number, limit: number): number {
    let forgotten = 0;
    for (const [key, replies] of this.#replies) {
      for (const reply of replies.values()) {
        if (forgotten === limit) return forgotten;
        if (reply.expiresAt >= now) continue;
        replies.delete(reply.key);
        forgotten++;
      }
      if (replies.size === 0) this.#replies.delete(key);
    }
    return forgotten;
  }

  /** Forgets up to `limit` tombstones of objects that were deleted before `before`. */
  forgetTombstones(before: number, limit: number): number {
    let forgotten = 0;
    for (const [key, row] of this.objects) {
      if (forgotten === limit) break;
      if (row.deletedAt === null || row.deletedAt >= before) continue;
      this.objects.delete(key);
      forgotten++;
    }
    return forgotten;
  }

  #changeAlarm(key: string, change: AlarmChange, revision: number): void {
    const alarms = this.#alarms.get(key) ?? new Map<string, StoredAlarm>();
    this.#alarms.set(key, alarms);
    if (change.change === "cancel") {
      alarms.delete(change.name);
      return;
    }
    const { name, dueAt, payload } = change;
    alarms.set(name, { name, dueAt, generation: revision, payload });
  }

  #recordReply(key: string, reply: RecordedReply, at: number): void {
    const replies = this.#replies.get(key) ?? new Map<string, RecordedReply>();
    this.#replies.set(key, replies);
    const recorded = replies.get(reply.key);
    if (recorded === undefined || recorded.expiresAt < at) replies.set(reply.key, { ...reply });
  }
}

/** The row after a write. An object that is written again after its deletion is a new one. */
function nextRow(before: ObjectRow | undefined, write: ObjectWrite, at: number): ObjectRow {
  const existed = before !== undefined && before.deletedAt === null;
  const keepsState = write.state === null && before !== undefined;
  return {
    address: { ...write.address },
    revision: write.baseRevision + 1,
    state: write.deleted ? null : keepsState ? before.state : write.state,
    stateVersion: keepsState ? before.stateVersion : write.stateVersion,
    createdAt: existed ? before.createdAt : at,
    updatedAt: at,
    deletedAt: write.deleted ? at : null,
  };
}

/** Ids, types and tenants contain no control characters, so no two addresses meet. */
function keyOf(address: Address): string {
  return `${address.tenant}\u0000${address.type}\u0000${address.id}`;
}
