/**
 * What the memory store holds: the same tables as in a database, as Maps.
 *
 * An object's row, its alarms and its replies are kept apart, because they end at different times: a
 * tombstone has no alarms, and a reply can outlive the tombstone.
 */

import type { Address } from "../core/address.ts";
import type { AddressedAlarm, AlarmChange, ObjectWrite, RecordedReply } from "../ports/object-store.ts";

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
  readonly #alarms = new Map<string, Map<string, AddressedAlarm>>();
  readonly #replies = new Map<string, Map<string, RecordedReply>>();

  /** The row of an object, its tombstone included. */
  row(address: Address): ObjectRow | undefined {
    return this.objects.get(keyOf(address));
  }

  alarms(address: Address): readonly AddressedAlarm[] {
    return [...(this.#alarms.get(keyOf(address))?.values() ?? [])];
  }

  *allAlarms(): IterableIterator<AddressedAlarm> {
    for (const alarms of this.#alarms.values()) yield* alarms.values();
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
    for (const alarm of write.alarms) this.#changeAlarm(write.address, alarm, write.baseRevision + 1);
    for (const reply of write.replies) this.#recordReply(key, reply, at);
    return "applied";
  }

  /**
   * Every alarm that is set and due may be what its owner died of.
   *
   * @param wasOwned - whether an object belonged to that owner
   */
  suspectDue(now: number, wasOwned: (address: Address) => boolean): void {
    for (const alarms of this.#alarms.values()) {
      for (const alarm of alarms.values()) {
        if (alarm.status !== "set" || alarm.dueAt > now || !wasOwned(alarm.address)) continue;
        alarms.set(alarm.name, { ...alarm, suspect: true });
      }
    }
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

  #changeAlarm(address: Address, change: AlarmChange, revision: number): void {
    const key = keyOf(address);
    const alarms = this.#alarms.get(key) ?? new Map<string, AddressedAlarm>();
    this.#alarms.set(key, alarms);
    const alarm = alarms.get(change.name);
    const changed = changedAlarm({ ...address }, alarm, change, revision);
    if (changed === undefined) alarms.delete(change.name);
    else alarms.set(change.name, changed);
    if (alarms.size === 0) this.#alarms.delete(key);
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

/** An alarm after a change; undefined if it is gone, or never was. */
function changedAlarm(
  address: Address,
  alarm: AddressedAlarm | undefined,
  change: AlarmChange,
  revision: number,
): AddressedAlarm | undefined {
  switch (change.change) {
    case "set": {
      const { name, dueAt, payload, rule } = change;
      const fresh = { generation: revision, attempts: 0, status: "set", lastError: null } as const;
      return { address, suspect: false, name, dueAt, scheduledAt: dueAt, payload, rule, ...fresh };
    }
    case "cancel":
      return undefined;
    case "acknowledge":
      return alarm?.generation === change.generation ? undefined : alarm;
    case "attempted": {
      if (alarm?.generation !== change.generation) return alarm;
      const { dueAt, attempts, status, lastError } = change;
      return { ...alarm, dueAt, attempts, status, lastError, suspect: false };
    }
    case "redrive":
      if (alarm?.status !== "dead") return alarm;
      return { ...alarm, status: "set", attempts: 0, dueAt: change.dueAt };
  }
}

/** Ids, types and tenants contain no control characters, so no two addresses meet. */
function keyOf(address: Address): string {
  return `${address.tenant}\u0000${address.type}\u0000${address.id}`;
}
