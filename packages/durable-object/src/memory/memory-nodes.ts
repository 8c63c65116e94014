/**
 * The nodes and slots of the memory store: the reference model of the port `OwnershipStore`.
 *
 * Everything a node has hangs on its row: its lane, through which it commits, its changes of ownership, its
 * slots. Deleting the row ends all of them at once.
 */

import { StoreFailure, type CommitResult } from "../ports/object-store.ts";
import {
  slotCount,
  type Beat,
  type Joining,
  type NodeRow,
  type OpenOwnershipStore,
  type OwnershipChange,
  type SlotEpoch,
  type SlotRow,
} from "../ports/ownership-store.ts";

/** The right of one node to commit, and the last batch it has committed. */
export interface Lane {
  readonly node: string;
  number: number;
  /** The answer to that batch, for whoever sends it again; null before the first one. */
  result: CommitResult | null;
  isAlive: boolean;
}

interface Row {
  readonly joining: Joining;
  readonly lane: Lane;
  beat: number;
  expiresAt: number;
  changeNumber: number;
  draining: boolean;
}

/** The nodes and slots of one store. */
export class MemoryNodes {
  readonly rows = new Map<string, Row>();
  readonly #slots = Array.from({ length: slotCount }, () => ({ owner: null as string | null, epoch: 0 }));
  readonly #now: (() => number) | null;
  readonly #evicted: (at: number) => void;

  /**
   * @param now - the store's clock, or null for that of whoever asks
   * @param evicted - hears when a node is evicted: it may have died of an alarm
   */
  constructor(now: (() => number) | null, evicted: (at: number) => void) {
    this.#now = now;
    this.#evicted = evicted;
  }

  /** The name of any node, or null if there is none. */
  get someNode(): string | null {
    const [node] = this.rows.keys();
    return node ?? null;
  }

  join(joining: Joining): { lane: Lane; ownership: OpenOwnershipStore } {
    const lane: Lane = { node: joining.node, number: 0, result: null, isAlive: true };
    const expiresAt = this.#time(joining) + joining.leaseMs;
    this.rows.set(joining.node, { joining, lane, beat: 0, expiresAt, changeNumber: 0, draining: false });
    return { lane, ownership: new OpenMemoryOwnership(this, joining) };
  }

  beat(joining: Joining): Beat {
    const row = this.row(joining.node);
    row.beat += 1;
    row.expiresAt = this.#time(joining) + joining.leaseMs;
    return { beat: row.beat, batchNumber: row.lane.number, changeNumber: row.changeNumber };
  }

  nodes(joining: Joining): readonly NodeRow[] {
    const now = this.#time(joining);
    return [...this.rows.values()].map(({ joining: { node, types, endpoint, process }, beat, expiresAt, draining }) => {
      return { node, types, endpoint, process, beat, expired: expiresAt < now, draining };
    });
  }

  slots(): readonly SlotRow[] {
    return this.#slots.flatMap(({ owner, epoch }, slot) => (owner === null ? [] : [{ slot, owner, epoch }]));
  }

  change(joining: Joining, number: number, change: OwnershipChange): void {
    const row = this.row(joining.node);
    if (number === row.changeNumber) return;
    if (number !== row.changeNumber + 1) {
      const problem = `Change ${number} was sent to a store whose last change is ${row.changeNumber}. It was not made.`;
      throw new StoreFailure("lost", "STORE_CORRUPT", problem);
    }
    row.changeNumber = number;
    switch (change.change) {
      case "acquire":
        for (const slot of change.slots) if (this.#slots[slot]?.owner === null) this.#give(slot, joining.node);
        break;
      case "release":
        for (const each of change.slots) if (this.#owns(joining.node, each)) this.#give(each.slot, null);
        break;
      case "hand over": {
        const to = this.rows.has(change.to) ? change.to : null;
        for (const each of change.slots) if (this.#owns(joining.node, each)) this.#give(each.slot, to);
        break;
      }
      case "evict": {
        const now = this.#time(joining);
        const victim = this.rows.get(change.node);
        if (victim?.beat !== change.beat || victim.expiresAt >= now) break;
        this.remove(change.node);
        this.#evicted(now);
        break;
      }
      case "drain":
        row.draining = true;
        break;
    }
  }

  remove(node: string): void {
    const row = this.rows.get(node);
    if (row === undefined) return;
    row.lane.isAlive = false;
    this.rows.delete(node);
    this.#slots.forEach(({ owner }, slot) => owner === node && this.#give(slot, null));
  }

  row(node: string): Row {
    const row = this.rows.get(node);
    if (row !== undefined) return row;
    throw new StoreFailure(
      "lost",
      "STORE_TAKEN_OVER",
      `The node ${node} is no member any more: it left or was evicted.`,
    );
  }

  #owns(node: string, { slot, epoch }: SlotEpoch): boolean {
    const owned = this.#slots[slot];
    return owned?.owner === node && owned.epoch === epoch;
  }

  /** An epoch begins with an owner. */
  #give(slot: number, owner: string | null): void {
    const epoch = (this.#slots[slot]?.epoch ?? 0) + (owner === null ? 0 : 1);
    this.#slots[slot] = { owner, epoch };
  }

  #time({ environment }: Joining): number {
    return this.#now === null ? environment.now() : this.#now();
  }
}

/** Ownership as one node sees it. */
class OpenMemoryOwnership implements OpenOwnershipStore {
  readonly #nodes: MemoryNodes;
  readonly #joining: Joining;

  constructor(nodes: MemoryNodes, joining: Joining) {
    this.#nodes = nodes;
    this.#joining = joining;
  }

  get lastNumber(): number {
    return this.#nodes.rows.get(this.#joining.node)?.changeNumber ?? 0;
  }

  async beat(): Promise<Beat> {
    return this.#nodes.beat(this.#joining);
  }

  async nodes(): Promise<readonly NodeRow[]> {
    this.#nodes.row(this.#joining.node);
    return this.#nodes.nodes(this.#joining);
  }

  async slots(): Promise<readonly SlotRow[]> {
    this.#nodes.row(this.#joining.node);
    return this.#nodes.slots();
  }

  async change(number: number, change: OwnershipChange): Promise<void> {
    this.#nodes.change(this.#joining, number, change);
  }

  async leave(): Promise<void> {
    this.#nodes.remove(this.#joining.node);
  }
}
