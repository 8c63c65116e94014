/**
 * A cluster in virtual time: the code that decides who owns what, as it is, on the memory store, without
 * objects and without calls. What the nodes ask the store for is counted.
 */

import { ClusterNode } from "../../src/cluster/cluster-node.ts";
import { cluster } from "../../src/cluster/cluster-options.ts";
import type { Duration } from "../../src/core/duration.ts";
import { slotCount } from "../../src/core/slot.ts";
import { MemoryObjectStore } from "../../src/memory/memory-object-store.ts";
import { memoryTransport } from "../../src/memory/memory-transport.ts";
import type { JoinedStore, OpenOwnershipStore, OwnershipStore, SlotRow } from "../../src/ports/ownership-store.ts";
import { VirtualClock, type VirtualLife } from "../../src/testing/virtual-clock.ts";

/** What nodes have asked a database for. */
export interface Statements {
  beats: number;
  /** Looks at the rows of nodes and slots. */
  looks: number;
  changes: number;
}

interface Member {
  readonly life: VirtualLife;
  readonly node: ClusterNode;
}

/** A cluster whose nodes come and go. */
export class ChurningCluster {
  readonly #clock = new VirtualClock(Date.UTC(2030, 0, 1), 1);
  readonly #store = new MemoryObjectStore(() => this.#clock.nowMs);
  readonly #transport = memoryTransport();
  readonly #lease: Duration;
  readonly #members: Member[] = [];
  /** Sees the rows, and owns nothing. */
  #onlooker: JoinedStore | null = null;
  readonly statements: Statements = { beats: 0, looks: 0, changes: 0 };
  #joined = 0;

  constructor(lease: Duration) {
    this.#lease = lease;
  }

  get size(): number {
    return this.#members.length;
  }

  /** In ms since virtual time began. */
  get nowMs(): number {
    return this.#clock.nowMs;
  }

  async advance(ms: number): Promise<void> {
    await this.#clock.advance(ms);
  }

  async join(): Promise<void> {
    const life = this.#clock.begin();
    const { environment } = life;
    const process = { host: "simulated", boot: null, pid: ++this.#joined };
    const lease = this.#lease;
    const node = new ClusterNode({
      store: counted(this.#store, this.statements),
      cluster: cluster({ transport: this.#transport, name: `node-${this.#joined}`, lease }),
      environment,
      process,
      isGone: () => false,
    });
    const started = node.start({
      environment,
      types: ["counter"],
      // Nothing is in memory: a slot is empty as soon as it is to be.
      begin: () => ({ vacate: (_slot, done) => done(), look() {}, lose() {} }),
      receive: () => ({ abort() {} }),
      ended() {},
      warn() {},
    });
    await this.#clock.advance(0);
    await started;
    this.#members.push({ life, node });
  }

  /** The node that has been there longest stops, and hands over what it has. */
  async leave(): Promise<void> {
    const member = this.#members.shift();
    if (member === undefined) return;
    const left = member.node.drain().then(() => member.node.close());
    // It has a second for its last answers.
    await this.#clock.advance(5_000);
    await left;
    member.life.end();
  }

  /** The node that has been there longest dies. */
  die(): void {
    this.#members.shift()?.life.end();
  }

  /** The owner of each slot; null if it has none. */
  async owners(): Promise<(string | null)[]> {
    const owners: (string | null)[] = Array.from({ length: slotCount }, () => null);
    for (const { slot, owner } of await this.#rows()) owners[slot] = owner;
    return owners;
  }

  /** How often a slot was given to somebody, since the beginning. */
  async grants(): Promise<number> {
    return (await this.#rows()).reduce((sum, { epoch }) => sum + epoch, 0);
  }

  async #rows(): Promise<readonly SlotRow[]> {
    const { environment } = this.#clock.begin();
    this.#onlooker ??= await this.#store.join({
      environment,
      node: "onlooker",
      leaseMs: 1e12,
      types: [],
      endpoint: null,
      process: { host: "simulated", boot: null, pid: 0 },
    });
    return await this.#onlooker.ownership.slots();
  }
}

/** A store that counts what it is asked for. */
function counted(store: OwnershipStore, statements: Statements): OwnershipStore {
  return {
    name: store.name,
    async join(joining) {
      const { objects, ownership } = await store.join(joining);
      const counting: OpenOwnershipStore = {
        get lastNumber() {
          return ownership.lastNumber;
        },
        beat() {
          statements.beats += 1;
          return ownership.beat();
        },
        // The onlooker is no node that anybody could give slots to.
        async nodes() {
          statements.looks += 1;
          return (await ownership.nodes()).filter(({ node }) => node !== "onlooker");
        },
        slots() {
          statements.looks += 1;
          return ownership.slots();
        },
        change(number, change) {
          statements.changes += 1;
          return ownership.change(number, change);
        },
        leave: () => ownership.leave(),
      };
      return { objects, ownership: counting };
    },
  };
}
