/**
 * Placement: which node should own which slot.
 *
 * Every node works it out alone, from the same rows, by the same rules, and acts on its own slots only; where two
 * see different rows, the store decides. Every node that takes slots has the same share, give or take one, and
 * no more slots move than that needs. Which ones move, and where to, is decided by rendezvous hashing: by a
 * weight of each pair of node and slot, so that nodes that look at the same time choose alike.
 *
 * A slot is not moved to a node that does not know all the types that its owner knows, unless the owner leaves:
 * so in a rolling deployment slots do not go back to nodes that are older.
 */

import { murmur3, slotCount } from "../core/slot.ts";

/** A node that slots may be given to, or that gives its slots away. */
export interface PlacementNode {
  readonly node: string;
  readonly types: readonly string[];
  readonly draining: boolean;
}

/** What one node should do. */
export interface Plan {
  /** Slots without an owner that are its share. */
  readonly acquire: readonly number[];
  /** Its own slots that should go to others. */
  readonly give: ReadonlyMap<string, readonly number[]>;
}

interface Taker extends PlacementNode {
  readonly hash: number;
  share: number;
  load: number;
}

/**
 * @param nodes - the nodes that live
 * @param owners - by slot; owners that are not among the nodes keep what they have
 */
export function plan(me: string, nodes: readonly PlacementNode[], owners: readonly (string | null)[]): Plan {
  const acquire: number[] = [];
  const give = new Map<string, number[]>();
  const takers = takersOf(nodes, owners);
  const free: number[] = [];
  const slotsOf = new Map<string, number[]>();
  owners.forEach((owner, slot) => {
    if (owner === null) free.push(slot);
    else append(slotsOf, owner, slot);
  });
  for (const slot of free) {
    const taker = heaviest(slot, takers, null);
    if (taker === null) break;
    taker.load += 1;
    if (taker.node === me) acquire.push(slot);
  }
  for (const giver of [...nodes].sort(byName)) {
    const own = slotsOf.get(giver.node) ?? [];
    const share = takers.find(({ node }) => node === giver.node)?.share ?? 0;
    const surplus = own.length - share;
    if (surplus <= 0) continue;
    // Those go first that weigh least here: they are what a new node weighs more for.
    const hash = murmur3(giver.node);
    own.sort((a, b) => weight(hash, a) - weight(hash, b) || a - b);
    let given = 0;
    for (const slot of own) {
      if (given === surplus) break;
      const taker = heaviest(slot, takers, giver);
      if (taker === null) break;
      given += 1;
      taker.load += 1;
      if (giver.node !== me) continue;
      append(give, taker.node, slot);
    }
  }
  return { acquire, give };
}

/** The nodes that take slots, with the share of each. */
function takersOf(nodes: readonly PlacementNode[], owners: readonly (string | null)[]): Taker[] {
  const loads = new Map<string, number>();
  for (const owner of owners) if (owner !== null) loads.set(owner, (loads.get(owner) ?? 0) + 1);
  const takers = nodes
    .filter(({ draining }) => !draining)
    .map((node): Taker => ({ ...node, hash: murmur3(node.node), share: 0, load: loads.get(node.node) ?? 0 }))
    .sort(byName);
  const base = Math.floor(slotCount / takers.length);
  const larger = slotCount % takers.length;
  // Whoever has most already may keep one more: so nothing moves for the sake of a remainder.
  const order = [...takers].sort((a, b) => b.load - a.load || byName(a, b));
  order.forEach((taker, index) => (taker.share = base + (index < larger ? 1 : 0)));
  return takers;
}

/** The taker with room that weighs most for a slot. */
function heaviest(slot: number, takers: readonly Taker[], giver: PlacementNode | null): Taker | null {
  let best: Taker | null = null;
  let bestWeight = -1;
  let bestKnows = false;
  for (const taker of takers) {
    if (taker.load >= taker.share || taker.node === giver?.node) continue;
    const knows = giver === null || giver.types.every((type) => taker.types.includes(type));
    // One that leaves gives to anybody, if need be.
    if (!knows && (!giver.draining || bestKnows)) continue;
    const weighs = weight(taker.hash, slot);
    if (weighs <= bestWeight && knows === bestKnows) continue;
    best = taker;
    bestWeight = weighs;
    bestKnows = knows;
  }
  return best;
}

/** How much a node weighs for a slot: the finish of MurmurHash3 over both. */
function weight(node: number, slot: number): number {
  let hash = node ^ Math.imul(slot + 1, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function byName(a: PlacementNode, b: PlacementNode): number {
  return a.node < b.node ? -1 : a.node > b.node ? 1 : 0;
}

function append(lists: Map<string, number[]>, key: string, slot: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [slot]);
  else list.push(slot);
}
