/**
 * One case of the suite of ownership stores, and what every case works with: nodes that number their batches
 * and changes, and send again what they do not know the fate of.
 */

import assert from "node:assert/strict";
import type { ObjectWrite } from "../ports/object-store.ts";
import type {
  JoinedStore,
  Joining,
  NodeRow,
  OpenOwnershipStore,
  OwnershipChange,
  OwnershipStore,
  SlotEpoch,
} from "../ports/ownership-store.ts";
import { slotCount } from "../core/slot.ts";
import { assertFails, NumberedStore, write } from "./object-store-case.ts";
import { systemEnvironment } from "../runtime/system-environment.ts";

/** An ownership store under test, and what can be done to it. */
export interface OwnershipStoreSubject {
  readonly store: OwnershipStore;
  /** A store on the same data, as another process has it, with connections of its own; absent if one is all there is. */
  connect?(): OwnershipStore;
  /**
   * Lets time pass for every lease. Nobody has to wait: taking as much off the end of each lease is the same.
   *
   * @param ms - minutes and hours; so the suite does not notice the time that it takes itself
   */
  passTime(ms: number): Promise<void>;
  /** Removes everything. Every node was closed before. */
  dispose(): Promise<void>;
}

/** A rule of the port, and how it is checked. */
export interface OwnershipStoreCase {
  readonly name: string;
  run(tested: TestedNodes): Promise<void>;
}

const minuteMs = 60_000;
/** How long the lease of a node lasts that does not say. */
export const leaseMs = 60 * minuteMs;
/** How long a lease that has just begun lasts in any case. */
export const almostLeaseMs = leaseMs - 5 * minuteMs;
/** After this, one that has just begun is over in any case. */
export const beyondLeaseMs = leaseMs + 5 * minuteMs;

/** Every slot there is. */
export const allSlots: readonly number[] = Array.from({ length: slotCount }, (_, slot) => slot);

/** A slot with its owner and epoch, for comparing. */
export type OwnedSlot = readonly [slot: number, owner: string, epoch: number];

/** A subject with the nodes that have joined. */
export class TestedNodes {
  readonly subject: OwnershipStoreSubject;
  readonly #environment = systemEnvironment;
  readonly #joined: JoinedStore[] = [];

  constructor(subject: OwnershipStoreSubject) {
    this.subject = subject;
  }

  /** Wall-clock time in whole ms. */
  get nowMs(): number {
    return Math.floor(this.#environment.now());
  }

  /** What a node says of itself; what is not given is its own and plain. */
  joining(parts: Partial<Joining> = {}): Joining {
    return {
      environment: this.#environment,
      node: this.#environment.uniqueId(),
      leaseMs,
      types: ["counter"],
      endpoint: null,
      process: { host: "host-1", boot: null, pid: 4_121 },
      ...parts,
    };
  }

  async join(parts: Partial<Joining> = {}): Promise<TestedNode> {
    const joining = this.joining(parts);
    const store = this.subject.connect?.() ?? this.subject.store;
    const joined = await store.join(joining);
    this.#joined.push(joined);
    return new TestedNode(joining, joined);
  }

  /** Lets time pass after which no lease is left but those that are renewed now. */
  async passLease(...renewed: readonly TestedNode[]): Promise<void> {
    await this.subject.passTime(beyondLeaseMs);
    for (const node of renewed) await node.ownership.beat();
  }

  /** Closes whatever a case has opened. */
  async closeAll(): Promise<void> {
    for (const { ownership, objects } of this.#joined) {
      // A store may have let go of its connections with the objects, and then there is nothing to say.
      await ownership.leave().catch(() => undefined);
      await objects.close();
    }
  }
}

/** A node that has joined. */
export class TestedNode {
  readonly name: string;
  readonly ownership: OpenOwnershipStore;
  readonly objects: NumberedStore;

  constructor({ node }: Joining, { ownership, objects }: JoinedStore) {
    this.name = node;
    this.ownership = ownership;
    this.objects = new NumberedStore(objects);
  }

  /** Makes the next change, however often it has to be sent. */
  async change(change: OwnershipChange): Promise<void> {
    const number = this.ownership.lastNumber + 1;
    await untilKnown(() => this.ownership.change(number, change));
  }

  async acquire(...slots: readonly number[]): Promise<void> {
    await this.change({ change: "acquire", slots });
  }

  async release(...slots: readonly SlotEpoch[]): Promise<void> {
    await this.change({ change: "release", slots });
  }

  async handOver(to: string, ...slots: readonly SlotEpoch[]): Promise<void> {
    await this.change({ change: "hand over", slots, to });
  }

  /** Sends these writes as the next batch, however often it has to be sent. Returns the indexes that were stale. */
  async commit(...writes: readonly ObjectWrite[]): Promise<readonly number[]> {
    const batch = this.objects.batch(writes);
    const { stale } = await untilKnown(() => this.objects.store.commit(batch));
    return [...stale];
  }

  /** The row of a node, or null if it has none. */
  async rowOf({ name }: { readonly name: string }): Promise<NodeRow | null> {
    const rows = (await this.ownership.nodes()).filter(({ node }) => node === name);
    assert.ok(rows.length <= 1, `one row for each node, but ${name} has ${rows.length}`);
    return rows[0] ?? null;
  }

  /** Evicts a node, if it has not renewed its lease since now, and its lease is over. */
  async evict(victim: TestedNode): Promise<void> {
    const row = await this.rowOf(victim);
    assert.ok(row !== null, "the node to evict is one");
    await this.change({ change: "evict", node: victim.name, beat: row.beat });
  }

  /** The slots that have an owner, in order. */
  async owned(): Promise<readonly OwnedSlot[]> {
    const rows = await this.ownership.slots();
    return rows
      .map(({ slot, owner, epoch }): OwnedSlot => [slot, owner, epoch])
      .sort(([left], [right]) => left - right);
  }

  /** Checks which slots have which owner, and that no other slot has one. */
  async assertOwned(...expected: readonly OwnedSlot[]): Promise<void> {
    assert.deepEqual(await this.owned(), expected);
  }

  /** Checks that this node can do nothing any more. */
  async assertGone(): Promise<void> {
    const { ownership, objects } = this;
    const lost = (call: Promise<unknown>): Promise<void> => assertFails(call, "lost", "STORE_TAKEN_OVER");
    const batch = objects.batch([write("written by a node that is gone")]);
    await lost(objects.store.commit(batch));
    await lost(objects.store.commit(batch));
    await lost(objects.store.sweep({ now: 1e15, tombstonesBefore: 1e15, limit: 10 }));
    await lost(ownership.beat());
    await lost(ownership.nodes());
    await lost(ownership.slots());
    const number = ownership.lastNumber + 1;
    await lost(ownership.change(number, { change: "acquire", slots: allSlots }));
    await lost(ownership.change(number, { change: "acquire", slots: allSlots }));
    await lost(ownership.change(number, { change: "drain" }));
  }
}

/** Asks until there is an answer: whoever hears `retry` asks the same again. */
export async function untilKnown<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if ((error as { readonly kind?: unknown }).kind !== "retry" || attempt === 20) throw error;
    }
  }
}
