/**
 * The alarms a scheduler has read and that are not over: waiting to be delivered, delivered, or resting.
 *
 * An alarm is known once, by object and name, so that it is not taken up again while the store still lists
 * it. Those that wait are handed out in turn by type and tenant, so that a flood of one does not hold up
 * the others, and of each object one at a time: it runs one turn at a time, and what waits for it here does
 * not take the place of another object's.
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

/** The alarms of one object. */
interface Line {
  readonly key: string;
  /** Its type and tenant. */
  readonly group: string;
  /** By name. */
  readonly known: Map<string, KnownAlarm>;
  readonly waiting: Set<KnownAlarm>;
  delivered: KnownAlarm | null;
}

/** The alarms a scheduler has read and that are not over. */
export class AlarmQueue {
  /** By object. */
  readonly #lines = new Map<string, Line>();
  /** Objects of which the next alarm can be delivered, by type and tenant; the first group is the next one's turn. */
  readonly #ready = new Map<string, Set<Line>>();
  #size = 0;
  #readyCount = 0;

  /** How many are known. */
  get size(): number {
    return this.#size;
  }

  /** How many of them can be delivered: one of each object that has none under way. */
  get ready(): number {
    return this.#readyCount;
  }

  /** Takes up an alarm, unless it is known. */
  add(alarm: AddressedAlarm): void {
    const line = this.#line(alarm.address);
    if (line.known.has(alarm.name)) return;
    const known: KnownAlarm = { alarm, delivery: null };
    line.known.set(alarm.name, known);
    line.waiting.add(known);
    this.#size += 1;
    this.#arrange(line);
  }

  #line(address: Address): Line {
    const key = objectKey(address);
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = { key, group: groupKey(address), known: new Map(), waiting: new Set(), delivered: null };
      this.#lines.set(key, line);
    }
    return line;
  }

  /** Has an object in its group if there is something to deliver, and only then. */
  #arrange(line: Line): void {
    const isReady = line.delivered === null && line.waiting.size > 0;
    let group = this.#ready.get(line.group);
    if (isReady === (group?.has(line) ?? false)) return;
    if (isReady) {
      if (group === undefined) this.#ready.set(line.group, (group = new Set()));
      group.add(line);
      this.#readyCount += 1;
    } else if (group !== undefined) {
      group.delete(line);
      if (group.size === 0) this.#ready.delete(line.group);
      this.#readyCount -= 1;
    }
  }

  /** The alarm whose turn it is; it does not wait any more. Null if none can be delivered. */
  next(): KnownAlarm | null {
    for (const [key, group] of this.#ready) {
      // The group goes to the end of the line of groups.
      this.#ready.delete(key);
      this.#ready.set(key, group);
      const [line] = group;
      const [known] = line?.waiting ?? [];
      if (line === undefined || known === undefined) return null;
      line.waiting.delete(known);
      line.delivered = known;
      this.#arrange(line);
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
    const line = this.#lines.get(objectKey(address));
    if (line === undefined) return;
    for (const name of names ?? [...line.known.keys()]) {
      const each = line.known.get(name);
      if (each === undefined) continue;
      each.delivery?.revoke();
      this.forget(each);
    }
  }

  /** What was delivered came back: it rests, and the next one of its object may be delivered. */
  rest(known: KnownAlarm): void {
    const line = this.#lines.get(objectKey(known.alarm.address));
    if (line?.delivered !== known) return;
    line.delivered = null;
    this.#arrange(line);
  }

  /** An alarm is over, or may be taken up again. */
  forget(known: KnownAlarm): void {
    const { address, name } = known.alarm;
    const line = this.#lines.get(objectKey(address));
    if (line?.known.get(name) !== known) return;
    line.known.delete(name);
    line.waiting.delete(known);
    if (line.delivered === known) line.delivered = null;
    this.#size -= 1;
    this.#arrange(line);
    if (line.known.size === 0) this.#lines.delete(line.key);
  }

  /** Nothing waits any more; what was delivered goes on. */
  clearWaiting(): void {
    for (const line of this.#lines.values()) line.waiting.clear();
    this.#ready.clear();
    this.#readyCount = 0;
  }
}

/** Types and tenants contain no control characters, so no two objects meet. */
export function objectKey({ tenant, type, id }: Address): string {
  return `${tenant}\u0000${type}\u0000${id}`;
}

function groupKey({ tenant, type }: Address): string {
  return `${tenant}\u0000${type}`;
}
