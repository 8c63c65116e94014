/**
 * The nodes and slots of the memory store: the reference model of the port `OwnershipStore`.
 *
 * Everything a node has hangs on its row: its lane, through which it commits, its changes of ownership, its
 * slots. Deleting the row ends all of them at once.
 */

import { slotCount } from "../core/slot.ts";
import { StoreFailure, type CommitResult } from "../ports/object-store.ts";
import type {
  Beat,
  Joining,
  NodeRow,
  OpenOwnershipStore,
  OwnershipChange,
  SlotEpoch,
  SlotRow,
} from "../ports/ownership-store.ts";

/** The right of one node to commit, and the last batch it has committed. */
export interface Lane {
  readonly node: string;
  number: number;
  /** The answer to that batch, for whoever sends it again; null before the first one. */
  result: CommitResult | null;
  isAlive: boolean;
}

/** A node. What was given to one does not speak of another one of its name. */
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
  readonly #rows = new Map<string, Row>();
  readonly #slots = Array.from({ length: slotCount }, () => ({ owner: null as string | null, epoch: 0 }));
  readonly #now: (() => number) | null;
  readonly #evicted: (at: number, slots: ReadonlySet<number>) => void;

  /**
   * @param now - the store's clock, or null for that of whoever asks
   * @param evicted - hears when a node is evicted, and which slots it had: it may have died of one of their alarms
   */
  constructor(now: (() => number) | null, evicted: (at: number, slots: ReadonlySet<number>) => void) {
    this.#now = now;
    this.#evicted = evicted;
  }

  /** The name of any node, or null if there is none. */
  get someNode(): string | null {
    const [node] = this.#rows.keys();
    return node ?? null;
  }

  /** @throws {@link StoreFailure} if there is a node of that name */
  join(joining: Joining): { lane: Lane; ownership: OpenOwnershipStore } {
    const { node } = joining;
    if (this.#rows.has(node)) {
      throw new StoreFailure("refused", "STORE_LOCKED", `There is a node ${node} already. Join under a new name.`);
    }
    const lane: Lane = { node, number: 0, result: null, isAlive: true };
    const expiresAt = this.#time(joining) + joining.leaseMs;
    const row: Row = { joining, lane, beat: 0, expiresAt, changeNumber: 0, draining: false };
    this.#rows.set(node, row);
    return { lane, ownership: new OpenMemoryOwnership(this, row) };
  }

  beat(row: Row): Beat {
    this.assertMember(row);
    row.beat += 1;
    row.expiresAt = this.#time(row.joining) + row.joining.leaseMs;
    return { beat: row.beat, batchNumber: row.lane.number, changeNumber: row.changeNumber };
  }

  /** @param asking - the node that asks, by whose clock leases are over if the store has none */
  nodes(asking: Row): readonly NodeRow[] {
    const now = this.#time(asking.joining);
    return [...this.#rows.values()].map(
      ({ joining: { node, types, endpoint, process }, beat, expiresAt, draining }) => {
        return { node, types, endpoint, process, beat, expired: expiresAt < now, draining };
      },
    );
  }

  slots(): readonly SlotRow[] {
    return this.#slots.flatMap(({ owner, epoch }, slot) => (owner === null ? [] : [{ slot, owner, epoch }]));
  }

  change(row: Row, number: number, change: OwnershipChange): void {
    this.assertMember(row);
    if (number === row.changeNumber && number > 0) return;
    if (number !== row.changeNumber + 1) {
      const problem = `Change ${number} was sent to a store whose last change is ${row.changeNumber}. It was not made.`;
      throw new StoreFailure("lost", "STORE_CORRUPT", problem);
    }
    row.changeNumber = number;
    const { node } = row.joining;
    switch (change.change) {
      case "acquire":
        for (const slot of change.slots) if (this.#slots[slot]?.owner === null) this.#give(slot, node);
        break;
      case "release":
        for (const each of change.slots) if (this.#owns(node, each)) this.#give(each.slot, null);
        break;
      case "hand over": {
        const to = this.#rows.has(change.to) ? change.to : null;
        for (const each of change.slots) if (this.#owns(node, each)) this.#give(each.slot, to);
        break;
      }
      case "evict": {
        const now = this.#time(row.joining);
        const victim = this.#rows.get(change.node);
        if (victim?.beat !== change.beat || (victim.expiresAt >= now && !change.force)) break;
        this.#evicted(now, this.remove(victim));
        break;
      }
      case "drain":
        row.draining = true;
        break;
    }
  }

  /** Removes a node, if it is there. Returns the slots that are free now. */
  remove(row: Row): ReadonlySet<number> {
    const freed = new Set<number>();
    const { node } = row.joining;
    if (this.#rows.get(node) !== row) return freed;
    row.lane.isAlive = false;
    this.#rows.delete(node);
    this.#slots.forEach(({ owner }, slot) => {
      if (owner !== node) return;
      this.#give(slot, null);
      freed.add(slot);
    });
    return freed;
  }

  assertMember(row: Row): void {
    const { node } = row.joining;
    if (this.#rows.get(node) === row) return;
    const problem = `The node ${node} is no member any more: it left or was evicted.`;
    throw new StoreFailure("lost", "STORE_TAKEN_OVER", problem);
  }

  /** Whether a node owns a slot now. */
  isOwner(node: string, slot: number): boolean {
    return this.#slots[slot]?.owner === node;
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
  readonly #row: Row;

  constructor(nodes: MemoryNodes, row: Row) {
    this.#nodes = nodes;
    this.#row = row;
  }

  get lastNumber(): number {
    return this.#row.changeNumber;
  }

  async beat(): Promise<Beat> {
    return this.#nodes.beat(this.#row);
  }

  async nodes(): Promise<readonly NodeRow[]> {
    this.#nodes.assertMember(this.#row);
    return this.#nodes.nodes(this.#row);
  }

  async slots(): Promise<readonly SlotRow[]> {
    this.#nodes.assertMember(this.#row);
    return this.#nodes.slots();
  }

  async change(number: number, change: OwnershipChange): Promise<void> {
    this.#nodes.change(this.#row, number, change);
  }

  async leave(): Promise<void> {
    this.#nodes.remove(this.#row);
  }
}
