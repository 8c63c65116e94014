/**
 * The slot map: who owns which slot, as one node knows it.
 *
 * That a slot went to somebody in an epoch is a fact that stays one: what is learnt late is never wrong, only
 * old. So whatever is learnt of a higher epoch counts, wherever it comes from. Of its own slots a node knows
 * everything, because nobody but itself ends what it owns: a slot is
 *
 *   foreign ──► held ──► leaving ──► handed over (foreign)
 *
 * held: its calls run here. leaving: what has begun is finished, and calls of turns that run are taken, because
 * the end waits for them. handed over: nothing of it is here, and another node may have it.
 */

import { slotCount } from "../core/slot.ts";
import type { SlotEpoch, SlotRow } from "../ports/ownership-store.ts";

/** Who owns a slot. */
export interface SlotOwner {
  readonly node: string;
  readonly epoch: number;
}

type Stage = "foreign" | "held" | "leaving" | "closed";

interface Slot {
  owner: string | null;
  /** The highest that is known. */
  epoch: number;
  stage: Stage;
  /** The last epoch in which it was this node's. */
  heldAt: number;
}

/** Who owns which slot. */
export class SlotMap {
  readonly #me: string;
  readonly #slots: Slot[] = Array.from({ length: slotCount }, () => ({
    owner: null,
    epoch: 0,
    stage: "foreign",
    heldAt: 0,
  }));
  #held = 0;
  #step = 0;
  /** Hears of slots that have another owner, or are held now. */
  readonly #changed: (slot: number) => void;

  constructor(me: string, changed: (slot: number) => void) {
    this.#me = me;
    this.#changed = changed;
  }

  /** How many slots are this node's, those that leave included. */
  get held(): number {
    return this.#held;
  }

  /** A mark for `isContradicted`: taken before the store is asked. */
  get step(): number {
    return this.#step;
  }

  ownerOf(slot: number): SlotOwner | null {
    const { owner, epoch } = this.#at(slot);
    return owner === null ? null : { node: owner, epoch };
  }

  stage(slot: number): Stage {
    return this.#at(slot).stage;
  }

  /** Whether calls run here: those of turns that run also while the slot is leaving. */
  takes(slot: number, fromRunningTurn: boolean): boolean {
    const { stage } = this.#at(slot);
    return stage === "held" || (stage === "leaving" && fromRunningTurn);
  }

  /** The slots that calls run in here. */
  heldSlots(): SlotEpoch[] {
    return this.#slots.flatMap(({ stage, epoch }, slot) => (stage === "held" ? [{ slot, epoch }] : []));
  }

  /** Owners by slot, for placement; what this node is giving away counts as given. */
  owners(): readonly (string | null)[] {
    return this.#slots.map(({ owner }) => owner);
  }

  /** Somebody owns a slot in an epoch. Whether that is news. */
  learn(slot: number, owner: string, epoch: number): boolean {
    const known = this.#at(slot);
    if (epoch < known.epoch || (epoch === known.epoch && (known.owner === owner || known.stage !== "foreign"))) {
      return false;
    }
    // What this node gave away was its own in that epoch, and is not any more.
    if (owner === this.#me && epoch <= known.heldAt) return false;
    this.#end(known);
    known.owner = owner;
    known.epoch = epoch;
    if (owner === this.#me) {
      known.stage = "held";
      known.heldAt = epoch;
      this.#held += 1;
      this.#step += 1;
    }
    this.#changed(slot);
    return true;
  }

  /**
   * What the store says of all slots.
   *
   * @param step - `step` as it was before the store was asked
   * @returns the slots that are new to this node; null if it denies what is certain: then it has forgotten something
   */
  update(rows: readonly SlotRow[], step: number): number[] | null {
    const listed = new Map(rows.map((row) => [row.slot, row]));
    const isOld = step !== this.#step;
    const taken: number[] = [];
    for (let slot = 0; slot < slotCount; slot++) {
      const known = this.#at(slot);
      const row = listed.get(slot);
      if (known.stage !== "foreign") {
        const denies = row?.owner !== this.#me || row.epoch !== known.epoch;
        if (denies && !isOld && known.stage !== "closed") return null;
        continue;
      }
      if (row === undefined) {
        if (known.owner !== null) {
          known.owner = null;
          this.#changed(slot);
        }
      } else if (this.learn(slot, row.owner, row.epoch) && row.owner === this.#me) {
        taken.push(slot);
      }
    }
    return taken;
  }

  /** What has begun in a slot is finished here, and nothing else begins. */
  leave(slot: number): void {
    const known = this.#at(slot);
    if (known.stage === "held") known.stage = "leaving";
  }

  /** Nothing of a slot is in memory any more, and nothing may come. */
  close(slot: number): void {
    const known = this.#at(slot);
    if (known.stage === "leaving") known.stage = "closed";
  }

  /** What was closed in an epoch was given to somebody, or to nobody. */
  handedOver(slot: number, epoch: number, to: string | null): void {
    const known = this.#at(slot);
    // It may have been given back before its giver heard that it was given.
    if (known.stage !== "closed" || known.epoch !== epoch) return;
    this.#end(known);
    known.owner = to;
    if (to !== null) known.epoch += 1;
    this.#step += 1;
    this.#changed(slot);
  }

  #end(known: Slot): void {
    if (known.stage === "foreign") return;
    known.stage = "foreign";
    this.#held -= 1;
  }

  #at(slot: number): Slot {
    return this.#slots[slot] as Slot;
  }
}
