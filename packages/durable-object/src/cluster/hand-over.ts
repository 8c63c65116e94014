/**
 * Handing over: slots on their way from this node to others.
 *
 * A slot leaves by itself: what has begun in it is finished, then it is closed, and with others that are closed
 * by then it is given away in one change. A turn that takes long holds up its own slot and no other, and a few
 * slots are under way at a time, so that an object waits for its own hand-over and not for that of all.
 */

import type { SlotEpoch } from "../ports/ownership-store.ts";
import type { SlotMap } from "./slot-map.ts";

/** How many slots are under way at a time. */
const mostUnderWay = 32;

interface HandOverOptions {
  readonly map: SlotMap;
  /** Calls back once nothing of a slot is in memory. */
  readonly vacate: (slot: number, done: () => void) => void;
  /** Gives slots that are closed to a node; rejects if that can never be done any more. */
  readonly give: (to: string, slots: readonly SlotEpoch[]) => Promise<void>;
  /** Some have gone: there is room for others. */
  readonly idle: () => void;
}

/** Slots on their way to other nodes. */
export class HandOver {
  readonly #options: HandOverOptions;
  #underWay = 0;
  /** Closed slots by the node they go to. */
  #closed = new Map<string, SlotEpoch[]>();
  #giving = false;

  constructor(options: HandOverOptions) {
    this.#options = options;
  }

  /** Whether another slot may begin. */
  get hasRoom(): boolean {
    return this.#underWay < mostUnderWay;
  }

  /** Begins to hand over a slot that is held. */
  begin(slot: number, to: string): void {
    const { map, vacate } = this.#options;
    this.#underWay += 1;
    map.leave(slot);
    vacate(slot, () => {
      map.close(slot);
      const { epoch } = map.ownerOf(slot) ?? { epoch: 0 };
      const closed = this.#closed.get(to);
      if (closed === undefined) this.#closed.set(to, [{ slot, epoch }]);
      else closed.push({ slot, epoch });
      if (!this.#giving) void this.#giveAll();
    });
  }

  async #giveAll(): Promise<void> {
    this.#giving = true;
    try {
      // What closes in the same moment goes together.
      await Promise.resolve();
      while (this.#closed.size > 0) {
        const closed = this.#closed;
        this.#closed = new Map();
        for (const [to, slots] of closed) {
          await this.#options.give(to, slots);
          this.#underWay -= slots.length;
        }
      }
    } catch {
      // The node has lost everything, these slots with it.
      return;
    } finally {
      this.#giving = false;
    }
    this.#options.idle();
  }
}
