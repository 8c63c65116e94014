/**
 * The alarms a scheduler has read and that are not over: waiting to be delivered, delivered, or resting.
 *
 * An alarm is known once, by object and name, so that it is not taken up again while the store still lists
 * it. Those that wait are handed out in turn by type and tenant, so that a flood of one does not hold up
 * the others.
 */

import type { Address } from "../core/address.ts";
import type { AddressedAlarm } from "../ports/object-store.ts";
import type { Delivery } from "../ports/scheduler.ts";

/** An alarm that was read and is not over. */
export interface KnownAlarm {
  readonly alarm: AddressedAlarm;
  /** Null while it waits to be delivered. */
  delivery: Delivery | null;
}

/** The alarms a scheduler has read and that are not over. */
export class AlarmQueue {
  /** By object, then by name. */
  readonly #known = new Map<string, Map<string, KnownAlarm>>();
  /** By type and tenant; the first group is the next one's turn. */
  readonly #waiting = new Map<string, Set<KnownAlarm>>();
  #size = 0;
  #waitingCount = 0;

  /** How many are known. */
  get size(): number {
    return this.#size;
  }

  /** How many of them wait to be delivered. */
  get waiting(): number {
    return this.#waitingCount;
  }

  /** Takes up an alarm, unless it is known. */
  add(alarm: AddressedAlarm): void {
    const key = objectKey(alarm.address);
    let names = this.#known.get(key);
    if (names === undefined) this.#known.set(key, (names = new Map<string, KnownAlarm>()));
    if (names.has(alarm.name)) return;
    const known: KnownAlarm = { alarm, delivery: null };
    names.set(alarm.name, known);
    this.#size += 1;
    const group = groupKey(alarm.address);
    const waiting = this.#waiting.get(group);
    if (waiting === undefined) this.#waiting.set(group, new Set([known]));
    else waiting.add(known);
    this.#waitingCount += 1;
  }

  /** The alarm whose turn it is; it does not wait any more. Null if none waits. */
  next(): KnownAlarm | null {
    for (const [group, waiting] of this.#waiting) {
      // The group goes to the end of the line.
      this.#waiting.delete(group);
      const [known] = waiting;
      if (known === undefined) continue;
      waiting.delete(known);
      if (waiting.size > 0) this.#waiting.set(group, waiting);
      this.#waitingCount -= 1;
      return known;
    }
    return null;
  }

  /**
   * Alarms of an object were changed: what is known of them counts for nothing, and the new settings may be
   * taken up.
   *
   * @param names - which ones; null for all
   */
  revoke(address: Address, names: readonly string[] | null): void {
    const known = this.#known.get(objectKey(address));
    if (known === undefined) return;
    for (const name of names ?? [...known.keys()]) {
      const each = known.get(name);
      if (each === undefined) continue;
      each.delivery?.revoke();
      this.forget(each);
    }
  }

  /** An alarm is over, or may be taken up again. */
  forget(known: KnownAlarm): void {
    const { address, name } = known.alarm;
    const key = objectKey(address);
    const names = this.#known.get(key);
    if (names?.get(name) !== known) return;
    names.delete(name);
    this.#size -= 1;
    if (names.size === 0) this.#known.delete(key);
    const group = groupKey(address);
    const waiting = this.#waiting.get(group);
    if (waiting?.delete(known) !== true) return;
    this.#waitingCount -= 1;
    if (waiting.size === 0) this.#waiting.delete(group);
  }

  /** Nothing waits any more; what was delivered goes on. */
  clearWaiting(): void {
    this.#waiting.clear();
    this.#waitingCount = 0;
  }
}

/** Types and tenants contain no control characters, so no two objects meet. */
export function objectKey({ tenant, type, id }: Address): string {
  return `${tenant}\u0000${type}\u0000${id}`;
}

function groupKey({ tenant, type }: Address): string {
  return `${tenant}\u0000${type}`;
}
