/**
 * A database that the nodes of a cluster share, in a simulated world: it keeps what it was given, has a clock of
 * its own, may stand still, and may lose what it was told last, as a standby does that takes over too early.
 *
 * What changes anything is written down, so that losing the last of it is doing everything before it again. The
 * rows and the rules are those of the memory store; here it is watched that they were enough: a batch is
 * accepted only from the owner of what it writes.
 */

import { slotOf } from "../core/slot.ts";
import { formatAddress, type Address } from "../core/address.ts";
import { MemoryObjectStore } from "../memory/memory-object-store.ts";
import { StoreFailure, type CommitBatch, type CommitResult, type StoredObject } from "../ports/object-store.ts";
import type { Beat, JoinedStore, Joining, NodeRow, OwnershipChange, SlotRow } from "../ports/ownership-store.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

/** Something that was done to what is stored. */
interface Deed {
  readonly atMs: number;
  /** The database's clock then. */
  readonly clockMs: number;
  readonly redo: () => Promise<unknown>;
}

/** What is kept in a database for the nodes of a cluster. */
export class SimulatedClusterDatabase {
  readonly #world: SimulatedWorld;
  readonly #fullness: () => number;
  /** Hears of what must never happen. */
  readonly #broken: (problem: string) => void;
  #store = this.#empty();
  #known: ReadonlyMap<number, SlotRow> | null = null;
  readonly #members = new Map<string, JoinedStore>();
  #deeds: Deed[] = [];
  #clockOffsetMs = 0;
  /** While deeds are done again, the clock shows when they were done. */
  #clockThenMs: number | null = null;
  #standsUntilMs = -Infinity;
  /** Which server answers: a request to the one before never arrives. */
  #server = 1;
  #lostTails = 0;
  evictions = 0;
  handOvers = 0;

  /**
   * @param fullness - how probable it is that there is no room for a commit
   * @param broken - hears of what must never happen
   */
  constructor(world: SimulatedWorld, fullness: () => number, broken: (problem: string) => void) {
    this.#world = world;
    this.#fullness = fullness;
    this.#broken = broken;
  }

  /** How often it has lost its tail. */
  get lostTails(): number {
    return this.#lostTails;
  }

  /** Which server answers now. */
  get server(): number {
    return this.#server;
  }

  // ——— What happens to it ———

  /** Somebody sets its clock. */
  moveClock(ms: number): void {
    this.#clockOffsetMs += ms;
  }

  /** It does nothing for a while; what arrives meanwhile waits. */
  standStill(ms: number): void {
    this.#standsUntilMs = Math.max(this.#standsUntilMs, this.#world.nowMs + ms);
  }

  /** It stands still no longer. */
  goOn(): void {
    this.#standsUntilMs = -Infinity;
  }

  /** It forgets what it was told last. What is on its way to it, or back, is lost. */
  async loseTail(ms: number): Promise<void> {
    const kept = this.#deeds.filter(({ atMs }) => atMs < this.#world.nowMs - ms);
    this.#world.note(`the database loses its last ${Math.round(ms)} ms: ${this.#deeds.length - kept.length} deeds`);
    this.#lostTails += 1;
    this.#server += 1;
    this.#known = null;
    this.#deeds = kept;
    this.#store = this.#empty();
    this.#members.clear();
    for (const { clockMs, redo } of kept) {
      this.#clockThenMs = clockMs;
      // What was refused then is refused again.
      await redo().catch(() => undefined);
    }
    this.#clockThenMs = null;
  }

  /** Carries out a request that was sent to a server, when that gets to it; never, if another one answers now. */
  async serve<Answer>(server: number, execute: () => Promise<Answer>): Promise<Answer> {
    while (this.#world.nowMs < this.#standsUntilMs) {
      await this.#world.sleep(Math.min(100, this.#standsUntilMs - this.#world.nowMs));
    }
    if (server !== this.#server) return await new Promise<Answer>(() => undefined);
    return await execute();
  }

  // ——— What it does with a request ———

  async join(joining: Joining): Promise<void> {
    await this.#do(async () => void this.#members.set(joining.node, await this.#store.join(joining)));
  }

  async beat(node: string): Promise<Beat> {
    return await this.#do(async () => this.member(node).ownership.beat());
  }

  async change(node: string, number: number, change: OwnershipChange): Promise<void> {
    this.#known = null;
    const members = (await this.rows()).nodes.length;
    await this.#do(async () => this.member(node).ownership.change(number, change));
    if (change.change === "hand over") this.handOvers += change.slots.length;
    if (change.change === "evict" && (await this.rows()).nodes.length !== members) this.evictions += 1;
    this.#world.note(`${node} makes change ${number}: ${describe(change)}`);
  }

  async leave(node: string): Promise<void> {
    this.#known = null;
    if (this.#members.has(node)) await this.#do(async () => this.member(node).ownership.leave());
    this.#world.note(`${node} leaves`);
  }

  async commit(node: string, batch: CommitBatch): Promise<CommitResult> {
    const { objects } = this.member(node);
    if (batch.number <= objects.lastNumber) return await objects.commit(batch);
    if (this.#world.chance(this.#fullness())) {
      throw new StoreFailure("full", "STORE_FULL", "There is no room for this commit.");
    }
    const owners = await this.#owners();
    const result = await this.#do(async () => this.member(node).objects.commit(batch));
    for (const [index, { address }] of batch.writes.entries()) {
      const owner = owners.get(slotOf(address))?.owner;
      const name = formatAddress(address);
      const what = `${node} commits ${name} in batch ${batch.number}`;
      if (result.stale.includes(index)) this.#complain(`${what}, built on a revision that is not the stored one`);
      if (owner !== node) this.#complain(`${what}, which ${owner ?? "nobody"} owns`);
    }
    return result;
  }

  async sweep(node: string, sweep: { now: number; tombstonesBefore: number; limit: number }): Promise<number> {
    return await this.#do(async () => this.member(node).objects.sweep(sweep));
  }

  /** What only reads goes to what a node has been given. Throws if its row is gone. */
  member(node: string): JoinedStore {
    const member = this.#members.get(node);
    if (member === undefined) {
      throw new StoreFailure("lost", "STORE_TAKEN_OVER", `There is no node ${node}.`);
    }
    return member;
  }

  /** What is stored, as nobody's node sees it; null if there is no node at all. */
  async stored(address: Address): Promise<StoredObject | null> {
    for (const { objects } of this.#members.values()) {
      try {
        const [found] = await objects.load([address]);
        return found ?? null;
      } catch {
        // That one is gone.
      }
    }
    return null;
  }

  /** The rows of nodes and slots, as they are. */
  async rows(): Promise<{ nodes: readonly NodeRow[]; slots: readonly SlotRow[] }> {
    for (const { ownership } of this.#members.values()) {
      try {
        return { nodes: await ownership.nodes(), slots: await ownership.slots() };
      } catch {
        // That one is gone.
      }
    }
    return { nodes: [], slots: [] };
  }

  /** Who owns what, read anew after whatever may have changed it. */
  async #owners(): Promise<ReadonlyMap<number, SlotRow>> {
    this.#known ??= new Map((await this.rows()).slots.map((row) => [row.slot, row]));
    return this.#known;
  }

  #complain(problem: string): void {
    // Whoever was given something that is forgotten now has no way to know before its next renewal.
    if (this.#lostTails === 0) this.#broken(problem);
  }

  async #do<Answer>(redo: () => Promise<Answer>): Promise<Answer> {
    this.#deeds.push({ atMs: this.#world.nowMs, clockMs: this.#clockMs, redo });
    return await redo();
  }

  get #clockMs(): number {
    return this.#clockThenMs ?? this.#world.nowMs + this.#clockOffsetMs;
  }

  #empty(): MemoryObjectStore {
    return new MemoryObjectStore(() => this.#clockMs);
  }
}

function describe(change: OwnershipChange): string {
  switch (change.change) {
    case "acquire":
      return `acquire ${change.slots.length} slots`;
    case "hand over":
      return `hand over ${change.slots.map(({ slot, epoch }) => `${slot}@${epoch}`).join(" ")} to ${change.to}`;
    case "release":
      return `release ${change.slots.length} slots`;
    case "evict":
      return `evict ${change.node} after beat ${change.beat}${change.force === true ? " by force" : ""}`;
    case "drain":
      return "drain";
  }
}
