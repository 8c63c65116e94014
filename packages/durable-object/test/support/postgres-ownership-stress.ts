/**
 * Logical nodes that count, while they take slots, hand them over, evict each other, leave and come back, and while
 * their connections are cut: what every one of them was told is written down, and compared with what is stored.
 *
 * A node commits to objects of its own slots only. It knows of its slots what the store said when it took them, and
 * loads their objects then. So nobody's commit is ever stale, unless two nodes write one object.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { slotCount, slotOf } from "../../src/core/slot.ts";
import { StoreFailure, type OpenObjectStore } from "../../src/ports/object-store.ts";
import type { OpenOwnershipStore, OwnershipChange, OwnershipStore } from "../../src/ports/ownership-store.ts";
import { address, write } from "../../src/testing/object-store-case.ts";
import { joining } from "./postgres-nodes.ts";

/** What all nodes were told. */
export class StressLog {
  /** The revisions that were acknowledged, of each object, in the order in which they were. */
  readonly revisions = new Map<string, number[]>();
  /** What should not have happened. */
  readonly problems: string[] = [];
  readonly counts = { commits: 0, retries: 0, handOvers: 0, evictions: 0, losses: 0, leaves: 0 };

  acknowledged(id: string, revision: number): void {
    const known = this.revisions.get(id);
    if (known === undefined) this.revisions.set(id, [revision]);
    else known.push(revision);
  }
}

export interface StressOptions {
  readonly store: OwnershipStore;
  readonly ids: readonly string[];
  readonly log: StressLog;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly isOver: () => boolean;
}

interface Known {
  revision: number;
  count: number;
}

const allSlots = Array.from({ length: slotCount }, (_, slot) => slot);

/** A process that is a node, and another one when it has lost that. */
export async function runStressProcess(options: StressOptions): Promise<void> {
  while (!options.isOver()) await new StressNode(options).run();
}

/** Thrown where a node is none any more. */
class Lost extends Error {}

class StressNode {
  readonly #options: StressOptions;
  readonly #name = joining().node;
  readonly #objects = new Map<string, Known>();
  /** The slots that this node owns, with their epochs. */
  readonly #slots = new Map<number, number>();
  /** What is to be done before the next batch; a batch is never under way meanwhile. */
  #pause: (() => Promise<void>) | null = null;
  #isGone = false;

  constructor(options: StressOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { store, log, isOver } = this.#options;
    const joined = await this.#untilKnown(() => store.join(joining({ node: this.#name })));
    const { objects, ownership } = joined;
    try {
      // Also a node that is gone waits to hear what became of its last batch.
      const ends = await Promise.allSettled([this.#commitAll(objects), this.#rule(objects, ownership)]);
      for (const end of ends) if (end.status === "rejected") throw end.reason;
      await this.#untilKnown(() => ownership.leave());
      if (!isOver()) log.counts.leaves += 1;
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      log.counts.losses += 1;
    } finally {
      await objects.close();
    }
  }

  /** Commits, batch after batch, until the node is gone or leaves. */
  async #commitAll(objects: OpenObjectStore): Promise<void> {
    const { ids, log, random, isOver } = this.#options;
    try {
      while (!this.#isGone && !isOver()) {
        await this.#pause?.();
        const chosen = ids.filter((id) => this.#objects.has(id) && random() < 0.3);
        if (chosen.length === 0) {
          await sleep(1);
          continue;
        }
        const writes = chosen.map((id) => {
          const known = this.#objects.get(id);
          return write(id, { baseRevision: known?.revision ?? 0, state: `${(known?.count ?? 0) + 1}` });
        });
        const batch = { number: objects.lastNumber + 1, at: 1, writes };
        const { stale } = await this.#untilKnown(() => objects.commit(batch));
        log.counts.commits += 1;
        for (const index of stale) log.problems.push(`${chosen[index] ?? ""} was stale for ${this.#name}`);
        for (const id of chosen) {
          const known = this.#objects.get(id);
          if (known === undefined) continue;
          known.revision += 1;
          known.count += 1;
          log.acknowledged(id, known.revision);
        }
      }
    } finally {
      this.#isGone = true;
    }
  }

  /** Changes who owns what. */
  async #rule(objects: OpenObjectStore, ownership: OpenOwnershipStore): Promise<void> {
    const { log, random, isOver } = this.#options;
    try {
      while (!this.#isGone && !isOver()) {
        await sleep(random() * 10);
        await this.#untilKnown(() => ownership.beat());
        const chance = random();
        const others = (await this.#untilKnown(() => ownership.nodes())).filter(({ node }) => node !== this.#name);
        const other = others[Math.floor(random() * others.length)];
        if (chance < 0.02) return;
        if (chance < 0.06 && other !== undefined) {
          await this.#change(ownership, { change: "evict", node: other.node, beat: other.beat, force: true });
          log.counts.evictions += 1;
        } else if (chance < 0.4 && other !== undefined) {
          await this.#handOver(ownership, other.node);
        } else {
          await this.#change(ownership, { change: "acquire", slots: allSlots.filter(() => random() < 0.5) });
        }
        await this.#takeUp(objects, ownership);
      }
    } finally {
      this.#isGone = true;
    }
  }

  /** Gives slots away, when nothing is under way. */
  async #handOver(ownership: OpenOwnershipStore, to: string): Promise<void> {
    const { log, random } = this.#options;
    await this.#betweenBatches(async () => {
      const slots = [...this.#slots].filter(() => random() < 0.3).map(([slot, epoch]) => ({ slot, epoch }));
      for (const { slot } of slots) this.#forget(slot);
      await this.#change(ownership, { change: "hand over", slots, to });
      log.counts.handOvers += slots.length;
    });
  }

  /** Loads the objects of slots that are this node's now. */
  async #takeUp(objects: OpenObjectStore, ownership: OpenOwnershipStore): Promise<void> {
    const rows = await this.#untilKnown(() => ownership.slots());
    const mine = rows.filter(({ slot, owner, epoch }) => owner === this.#name && this.#slots.get(slot) !== epoch);
    const slots = new Map(mine.map(({ slot, epoch }) => [slot, epoch]));
    const ids = this.#options.ids.filter((id) => slots.has(slotOf(address(id))));
    const stored = await this.#untilKnown(() => objects.load(ids.map((id) => address(id))));
    for (const [slot, epoch] of slots) this.#slots.set(slot, epoch);
    for (const [index, id] of ids.entries()) {
      const object = stored[index];
      this.#objects.set(id, { revision: object?.revision ?? 0, count: Number(object?.state ?? 0) });
    }
  }

  #forget(slot: number): void {
    this.#slots.delete(slot);
    for (const id of this.#objects.keys()) if (slotOf(address(id)) === slot) this.#objects.delete(id);
  }

  async #betweenBatches(work: () => Promise<void>): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#pause = async () => {
        this.#pause = null;
        await work().then(resolve, (error: unknown) => {
          reject(error);
          throw error;
        });
      };
      const look = (): void => {
        if (this.#pause === null) return;
        if (this.#isGone) reject(new Lost());
        else setTimeout(look, 1);
      };
      look();
    });
  }

  async #change(ownership: OpenOwnershipStore, change: OwnershipChange): Promise<void> {
    const number = ownership.lastNumber + 1;
    await this.#untilKnown(() => ownership.change(number, change));
  }

  /** Asks until there is an answer. */
  async #untilKnown<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof StoreFailure)) throw error;
        if (error.kind === "lost" && error.code === "STORE_TAKEN_OVER") throw new Lost();
        if (error.kind !== "retry") throw error;
        this.#options.log.counts.retries += 1;
        await sleep(1);
      }
    }
  }
}
