/**
 * Membership: one node among the others, from the moment it has joined until it leaves or loses its row.
 *
 * Again and again it looks at the rows of all nodes and slots, and does its part of what they ask for: evicts
 * who is dead, takes free slots that are its share, gives away what is more than that. It decides nothing
 * for others, and whatever it decides is a change that the store makes only if it still applies.
 *
 * Its changes are numbered and made one after the other. One whose fate is not known is sent again, the same
 * under the same number, until it is known; then the rows are read, and what they say counts.
 */

import type { Environment, Timer } from "../core/environment.ts";
import { messageOf } from "../core/errors.ts";
import { StoreFailure } from "../ports/object-store.ts";
import type {
  NodeRow,
  OpenOwnershipStore,
  OwnershipChange,
  ProcessIdentity,
  SlotEpoch,
} from "../ports/ownership-store.ts";
import { publishOwnership } from "../telemetry/channels.ts";
import { HandOver } from "./hand-over.ts";
import { plan, type PlacementNode } from "./placement.ts";
import { Sightings, type Verdict } from "./sightings.ts";
import type { SlotMap } from "./slot-map.ts";

/** For how many looks a slot may be free before anybody takes it. */
const patience = 3;
const shortestRetryMs = 20;
const longestRetryMs = 1_000;

/** What a membership needs of its node. */
export interface MembershipHost {
  /** Calls back once nothing of a slot is in memory. */
  vacate(slot: number, done: () => void): void;
  /** Slots are this node's now. */
  acquired(slots: readonly number[]): void;
  /** Tells a node what it was given, so that it need not wait to see it. */
  tellGiven(to: NodeRow, slots: readonly SlotEpoch[]): void;
  /** A node is no member any more: whatever it was asked is not answered, and it writes nothing. */
  gone(node: string): void;
  /** The row of this node is gone, or the store has forgotten something. */
  lost(failure: StoreFailure): void;
  /** Whether a process is known to have ended. */
  isGone(process: ProcessIdentity): boolean;
  warn(warning: string, message: string, cause?: unknown): void;
}

interface MembershipOptions {
  readonly environment: Environment;
  readonly node: string;
  readonly ownership: OpenOwnershipStore;
  readonly leaseMs: number;
  readonly map: SlotMap;
  /** Whether it takes no slots from the first moment on. */
  readonly isGuest: boolean;
  readonly host: MembershipHost;
}

/** One node among the others. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #pollMs: number;
  readonly #sightings: Sightings;
  readonly #handOver: HandOver;
  #rows: ReadonlyMap<string, NodeRow> = new Map();
  #verdicts: ReadonlyMap<string, Verdict> = new Map();
  /** For how many looks a slot has been free. */
  readonly #freeFor = new Map<number, number>();
  /** Which nodes there were, and since when that has not changed. */
  #company = "";
  #companySinceMs = 0;
  #changes: Promise<void> = Promise.resolve();
  #looking: Promise<void> | null = null;
  #timer: Timer | null = null;
  #endWait = (): void => {};
  #phase: "member" | "draining" | "over" = "member";
  #drained = (): void => {};

  constructor(options: MembershipOptions) {
    this.#options = options;
    const { leaseMs, map } = options;
    this.#pollMs = Math.min(1_000, Math.ceil(leaseMs / 10));
    this.#sightings = new Sightings(leaseMs);
    this.#handOver = new HandOver({
      map,
      vacate: (slot, done) => options.host.vacate(slot, done),
      give: (to, slots) => this.#give(to, slots),
      idle: () => this.#moreToGive(),
    });
  }

  /** The rows of all nodes, as they were seen last. */
  get nodes(): ReadonlyMap<string, NodeRow> {
    return this.#rows;
  }

  /** Whether a node seemed to live when it was looked at last. */
  isAlive(node: string): boolean {
    return this.#verdicts.get(node) === "alive";
  }

  /** Looks for the first time, takes its share of what is free, and goes on by itself. */
  async start(): Promise<void> {
    if (this.#options.isGuest) {
      // Said before it looks: whoever sees its row for long gives it nothing.
      this.#phase = "draining";
      await this.#change({ change: "drain" });
    }
    await this.refresh();
    this.#schedule();
  }

  /** Looks now, or joins a look that is under way. Never rejects. */
  refresh(): Promise<void> {
    if (this.#phase === "over") return Promise.resolve();
    return (this.#looking ??= this.#look().finally(() => (this.#looking = null)));
  }

  /** Gives away all slots; resolves when none is left, or nobody is there to take them. */
  async drain(): Promise<void> {
    if (this.#isOver) return;
    const drained = new Promise<void>((resolve) => (this.#drained = resolve));
    if (this.#phase === "member") {
      this.#phase = "draining";
      try {
        await this.#change({ change: "drain" });
      } catch {
        this.#drained();
      }
    }
    await this.#looking;
    void this.refresh();
    await drained;
  }

  /** Gives a slot to a node that serves this type as well as those of this node. Whether there is one. */
  giveToServerOf(type: string, slot: number): boolean {
    const { node, map } = this.#options;
    const own = this.#rows.get(node)?.types ?? [];
    const able = [...this.#rows.values()].filter(
      (row) =>
        row.node !== node &&
        !row.draining &&
        this.isAlive(row.node) &&
        [type, ...own].every((each) => row.types.includes(each)),
    );
    const loads = new Map<string, number>();
    for (const owner of map.owners()) if (owner !== null) loads.set(owner, (loads.get(owner) ?? 0) + 1);
    able.sort((a, b) => (loads.get(a.node) ?? 0) - (loads.get(b.node) ?? 0));
    const [to] = able;
    if (to === undefined) return false;
    if (map.stage(slot) === "held") this.#handOver.begin(slot, to.node);
    return true;
  }

  /** Does nothing any more. */
  end(): void {
    this.#phase = "over";
    this.#timer?.cancel();
    this.#endWait();
    this.#drained();
  }

  get #isOver(): boolean {
    return this.#phase === "over";
  }

  #schedule(): void {
    if (this.#isOver) return;
    this.#timer = this.#options.environment.after(this.#pollMs, () => {
      void this.refresh().then(() => this.#schedule());
    });
  }

  // ——— Looking ———

  async #look(): Promise<void> {
    const { host } = this.#options;
    try {
      await this.#read();
      if (await this.#evictDead()) await this.#read();
      if (await this.#takeFree()) await this.#read();
      if (!this.#isOver) this.#moreToGive();
    } catch (error) {
      if (this.#isOver) return;
      if (error instanceof StoreFailure && error.kind === "lost") host.lost(error);
      else
        host.warn(
          "cluster-not-read",
          `The cluster could not be looked at, which is tried again: ${messageOf(error)}`,
          error,
        );
    }
  }

  async #read(): Promise<void> {
    const { environment, ownership, map, host } = this.#options;
    const askedAtMs = environment.monotonic();
    const { step } = map;
    const [nodes, slots] = await Promise.all([ownership.nodes(), ownership.slots()]);
    if (this.#isOver) return;
    const before = this.#rows;
    this.#rows = new Map(nodes.map((row) => [row.node, row]));
    this.#verdicts = this.#sightings.look(nodes, askedAtMs);
    const taken = map.update(slots, step);
    if (taken === null) {
      throw new StoreFailure(
        "lost",
        "STORE_CORRUPT",
        "The store went back in time: it denies that this node owns slots that it was given.",
      );
    }
    this.#noteCompany(askedAtMs);
    if (taken.length > 0) this.#acquired(taken);
    for (const node of before.keys()) {
      if (this.#rows.has(node)) continue;
      publishOwnership({ change: "left", node, slots: [] });
      host.gone(node);
    }
    for (const node of this.#rows.keys()) {
      if (!before.has(node)) publishOwnership({ change: "joined", node, slots: [] });
    }
    for (const [slot, owner] of map.owners().entries()) {
      if (owner === null) this.#freeFor.set(slot, (this.#freeFor.get(slot) ?? 0) + 1);
      else this.#freeFor.delete(slot);
    }
  }

  #acquired(slots: readonly number[]): void {
    publishOwnership({ change: "acquired", node: this.#options.node, slots });
    this.#options.host.acquired(slots);
  }

  /** Another node says that it has given slots to this one. */
  learnGiven(slots: readonly SlotEpoch[]): void {
    const { map, node } = this.#options;
    if (this.#isOver) return;
    const taken = slots.filter(({ slot, epoch }) => map.learn(slot, node, epoch) && map.stage(slot) === "held");
    if (taken.length > 0) this.#acquired(taken.map(({ slot }) => slot));
  }

  #noteCompany(nowMs: number): void {
    const company = this.#placementNodes()
      .map(({ node, draining, types }) => `${node} ${draining} ${types.join()}`)
      .sort()
      .join("\n");
    if (company === this.#company) return;
    this.#company = company;
    this.#companySinceMs = nowMs;
  }

  /** The nodes that slots can be given to, this one included whatever others may think of it. */
  #placementNodes(): PlacementNode[] {
    const { node: me } = this.#options;
    return [...this.#rows.values()]
      .filter(({ node }) => node === me || this.isAlive(node))
      .map((row) => (row.node === me && this.#phase === "draining" ? { ...row, draining: true } : row));
  }

  /** Evicts whoever is dead. Whether there was somebody. */
  async #evictDead(): Promise<boolean> {
    const { node: me, host } = this.#options;
    let any = false;
    for (const { node, beat, process } of this.#rows.values()) {
      if (node === me || this.#isOver) continue;
      const verdict = this.#verdicts.get(node);
      const isGone = host.isGone(process);
      if (verdict !== "dead" && verdict !== "dead for long" && !isGone) continue;
      any = true;
      await this.#change({ change: "evict", node, beat, force: isGone || verdict === "dead for long" });
      publishOwnership({ change: "evicted", node, slots: [] });
    }
    return any;
  }

  /** Takes slots that nobody has. Whether there were any to take. */
  async #takeFree(): Promise<boolean> {
    const { node, map } = this.#options;
    if (this.#phase !== "member") return false;
    const slots = new Set(plan(node, this.#placementNodes(), map.owners()).acquire);
    for (const [slot, looks] of this.#freeFor) if (looks > patience) slots.add(slot);
    if (slots.size === 0) return false;
    await this.#change({ change: "acquire", slots: [...slots].sort((a, b) => a - b) });
    return true;
  }

  // ——— Giving ———

  /** Begins to give away what is more than its share, as far as not enough is being given away. */
  #moreToGive(): void {
    const { environment, node, map, leaseMs } = this.#options;
    if (this.#isOver) return;
    const draining = this.#phase === "draining";
    const settled = environment.monotonic() - this.#companySinceMs >= leaseMs / 5;
    const { give } = plan(node, this.#placementNodes(), map.owners());
    if (draining || settled) {
      for (const [to, slots] of give) {
        for (const slot of slots)
          if (map.stage(slot) === "held" && this.#handOver.hasRoom) this.#handOver.begin(slot, to);
      }
    }
    if (!draining) return;
    const isAlone = ![...this.#rows.values()].some(
      (row) => row.node !== node && !row.draining && this.isAlive(row.node),
    );
    if (map.held === 0 || isAlone) this.#drained();
  }

  async #give(to: string, slots: readonly SlotEpoch[]): Promise<void> {
    const { map, host, node } = this.#options;
    try {
      await this.#change({ change: "hand over", slots, to });
    } catch (error) {
      if (!this.#isOver && error instanceof StoreFailure && error.kind === "lost") host.lost(error);
      throw error;
    }
    if (this.#isOver) return;
    for (const { slot, epoch } of slots) map.handedOver(slot, epoch, to);
    publishOwnership({ change: "handed over", node, slots: slots.map(({ slot }) => slot), to });
    const row = this.#rows.get(to);
    if (row !== undefined)
      host.tellGiven(
        row,
        slots.map(({ slot, epoch }) => ({ slot, epoch: epoch + 1 })),
      );
  }

  // ——— Changing ———

  /** Makes a change after those before it. Rejects if the row is gone, or this is over. */
  #change(change: OwnershipChange): Promise<void> {
    const made = this.#changes.then(() => this.#make(change));
    this.#changes = made.catch(() => undefined);
    return made;
  }

  async #make(change: OwnershipChange): Promise<void> {
    const { ownership, environment } = this.#options;
    const number = ownership.lastNumber + 1;
    for (let waitMs = shortestRetryMs; ; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
      if (this.#isOver) throw new StoreFailure("lost", "STORE_TAKEN_OVER", "This node is no member any more.");
      try {
        await ownership.change(number, change);
        return;
      } catch (error) {
        if (error instanceof StoreFailure && error.kind === "lost") throw error;
      }
      await new Promise<void>((resolve) => {
        const timer = environment.after(waitMs, resolve);
        this.#endWait = () => {
          timer.cancel();
          resolve();
        };
      });
    }
  }
}
