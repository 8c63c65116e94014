/**
 * The activation table: every object of this node that is in memory, at most one activation for an
 * address. Looking one up and putting a new one in are one synchronous step, so first calls that arrive
 * together meet the same activation.
 */

import type { Address } from "../core/address.ts";
import { Activation } from "./activation.ts";
import type { ActivationHost, LeftActivation } from "./activation-host.ts";
import { slotCount } from "../core/slot.ts";
import type { ObjectType } from "./operation.ts";

/** Every object of this node that is in memory. */
export class ActivationTable {
  /** type → tenant → id: ids come as flat strings from callers, so no key has to be put together. */
  readonly #types = new Map<ObjectType, Map<string, Map<string, Activation>>>();
  readonly #maxActive: number;
  readonly #watchers: (() => void)[] = [];
  /** How many there are of each slot. */
  readonly #counts = new Int32Array(slotCount);
  #size = 0;

  /** @param maxActive - how many objects may be in memory before idle ones leave, the oldest first */
  constructor(maxActive: number) {
    this.#maxActive = maxActive;
  }

  get size(): number {
    return this.#size;
  }

  find(type: ObjectType, tenant: string, id: string): Activation | null {
    return this.#types.get(type)?.get(tenant)?.get(id) ?? null;
  }

  /** The activation of an address; a new one starts to activate at once. */
  obtain(address: Address, type: ObjectType, host: ActivationHost): Activation {
    let tenants = this.#types.get(type);
    if (tenants === undefined) this.#types.set(type, (tenants = new Map<string, Map<string, Activation>>()));
    let objects = tenants.get(address.tenant);
    if (objects === undefined) tenants.set(address.tenant, (objects = new Map<string, Activation>()));
    let activation = objects.get(address.id);
    if (activation === undefined) {
      activation = new Activation(address, type, host);
      objects.set(address.id, activation);
      this.#size += 1;
      this.#count(activation.slot, 1);
      void activation.activate();
      this.makeRoom();
    }
    return activation;
  }

  /** Takes out an activation that has left. */
  remove(activation: LeftActivation): void {
    const { address, type } = activation;
    const tenants = this.#types.get(type);
    const objects = tenants?.get(address.tenant);
    if (objects?.get(address.id) !== activation) return;
    objects.delete(address.id);
    this.#size -= 1;
    this.#count(activation.slot, -1);
    if (objects.size === 0) tenants?.delete(address.tenant);
  }

  /** How many objects of a slot are in memory. */
  countIn(slot: number): number {
    return this.#counts[slot] ?? 0;
  }

  #count(slot: number, by: number): void {
    this.#counts[slot] = this.countIn(slot) + by;
  }

  /** Tells whoever waits for that, if no object is in memory. */
  checkEmpty(): void {
    if (this.#size === 0) for (const wake of this.#watchers.splice(0)) wake();
  }

  /** Resolves when no object is in memory. */
  emptied(): Promise<void> {
    return this.#size === 0 ? Promise.resolve() : new Promise((resolve) => this.#watchers.push(resolve));
  }

  *[Symbol.iterator](): IterableIterator<Activation> {
    for (const tenants of this.#types.values()) {
      for (const objects of tenants.values()) yield* objects.values();
    }
  }

  /** If there are too many, the least recently used idle objects leave, a tenth at a time: finding them costs a walk. */
  makeRoom(): void {
    if (this.#size <= this.#maxActive) return;
    const idle = [...this].filter(({ phase, isIdle }) => isIdle && (phase === "active" || phase === "hibernated"));
    idle.sort((a, b) => a.lastUsedMs - b.lastUsedMs);
    const surplus = this.#size - this.#maxActive + Math.floor(this.#maxActive / 10);
    for (const activation of idle.slice(0, surplus)) activation.leaveIfIdle();
  }
}
