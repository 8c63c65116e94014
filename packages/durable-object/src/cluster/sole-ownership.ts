/** Sole ownership: one process has a store for itself, and everything in it is its own. */

import type { ObjectStore, OpenObjectStore } from "../ports/object-store.ts";
import type { ClusterStatus, Ownership, OwnershipHost } from "./ownership.ts";
import type { SlotOwner } from "./slot-map.ts";
import { slotCount } from "../core/slot.ts";
import type { Environment } from "../core/environment.ts";

/** One process owns a whole store. */
export class SoleOwnership implements Ownership {
  readonly #store: ObjectStore;
  readonly #node: string;
  readonly #environment: Environment;
  #opened: OpenObjectStore | null = null;

  constructor(store: ObjectStore, environment: Environment) {
    this.#store = store;
    this.#environment = environment;
    this.#node = environment.uniqueId();
  }

  async start(host: OwnershipHost): Promise<void> {
    const opened = await this.#store.open({ environment: this.#environment, node: this.#node });
    this.#opened = opened;
    try {
      const objects = host.begin(opened, this.#node, (failure, maybeApplied) => {
        host.ended(failure);
        objects.lose(failure, maybeApplied, false);
      });
    } catch (error) {
      // Nothing can be done with it: the next one may.
      await opened.close();
      throw error;
    }
  }

  slotOf(): number {
    return 0;
  }

  takes(): boolean {
    return true;
  }

  isLeaving(): boolean {
    return false;
  }

  ownerOf(): SlotOwner {
    return { node: this.#node, epoch: 1 };
  }

  forward(): { abort(): void } {
    throw new Error("every object is here");
  }

  status(): ClusterStatus {
    const leaseMs = (this.#opened?.leaseUntilMs ?? -Infinity) - this.#environment.monotonic();
    return {
      node: this.#node,
      phase: this.#opened === null ? "stopped" : "alone",
      leaseMs,
      freeSlots: 0,
      nodes: [
        {
          node: this.#node,
          isMe: true,
          slots: slotCount,
          types: [],
          endpoint: null,
          host: "",
          pid: process.pid,
          draining: false,
          alive: leaseMs > 0,
        },
      ],
    };
  }

  async drain(): Promise<void> {}

  async close(): Promise<void> {
    await this.#opened?.close();
    this.#opened = null;
  }
}
