/** What a case has set: the alarms as they should be delivered, and the revisions of their objects. */

import type { Address } from "../core/address.ts";
import { formatAddress } from "../core/address.ts";
import type { AddressedAlarm, ObjectWrite } from "../ports/object-store.ts";

interface KnownAlarm {
  readonly generation: number;
  readonly dueAt: number;
  readonly isDead: boolean;
}

/** The alarms of all objects, dead ones included. */
export class KnownAlarms {
  readonly #revisions = new Map<string, number>();
  readonly #alarms = new Map<string, Map<string, KnownAlarm>>();

  revisionOf(address: Address): number {
    return this.#revisions.get(formatAddress(address)) ?? 0;
  }

  /** Whether an alarm is to fire as it is: what was set last, or put off last. */
  has({ address, name, generation, dueAt }: AddressedAlarm): boolean {
    const known = this.#alarms.get(formatAddress(address))?.get(name);
    return known?.generation === generation && known.dueAt === dueAt && !known.isDead;
  }

  /** How many alarms will fire. */
  get waiting(): number {
    let waiting = 0;
    for (const alarms of this.#alarms.values()) for (const { isDead } of alarms.values()) if (!isDead) waiting += 1;
    return waiting;
  }

  /** A write was committed. */
  apply({ address, baseRevision, deleted, cancelAllAlarms, alarms: changes }: ObjectWrite): void {
    const key = formatAddress(address);
    const revision = baseRevision + 1;
    this.#revisions.set(key, revision);
    const alarms = this.#alarms.get(key) ?? new Map<string, KnownAlarm>();
    this.#alarms.set(key, alarms);
    if (deleted || cancelAllAlarms) alarms.clear();
    for (const change of changes) {
      const { name } = change;
      const known = alarms.get(name);
      switch (change.change) {
        case "set":
          alarms.set(name, { generation: revision, dueAt: change.dueAt, isDead: false });
          break;
        case "cancel":
          alarms.delete(name);
          break;
        case "acknowledge":
          if (known?.generation === change.generation) alarms.delete(name);
          break;
        case "attempted":
          if (known?.generation !== change.generation) break;
          alarms.set(name, { ...known, dueAt: change.dueAt, isDead: change.status === "dead" });
          break;
        case "redrive":
          if (known?.isDead === true) alarms.set(name, { ...known, dueAt: change.dueAt, isDead: false });
          break;
      }
    }
  }
}
