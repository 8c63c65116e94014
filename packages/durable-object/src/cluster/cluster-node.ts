/**
 * A node of a cluster: a process that owns a part of a store, as one among others.
 *
 *   joining ──► member ──► draining ──► stopped
 *      ▲           │
 *      └── lost ◄──┘
 *
 * What a node has ends with its row. A process that lost its row, because it was silent for too long or because
 * the store went back in time, joins again under a new name, with nothing in memory: no process has to be
 * restarted for that. Calls that have not run meanwhile wait and go on.
 */

import { formatAddress, type Address } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import { slotCount, slotOf } from "../core/slot.ts";
import type { OpenObjectStore, StoreFailure } from "../ports/object-store.ts";
import type { JoinedStore, OwnershipStore, ProcessIdentity } from "../ports/ownership-store.ts";
import type { OpenTransport } from "../ports/transport.ts";
import { publishOwnership } from "../telemetry/channels.ts";
import type { Cluster } from "./cluster-options.ts";
import { Inbox, typeNotServed } from "./inbox.ts";
import { Lease } from "./lease.ts";
import { Membership } from "./membership.ts";
import type { ClusterStatus, LiveObjects, NodeStatus, Ownership, OwnershipHost } from "./ownership.ts";
import { Peers } from "./peers.ts";
import type { IncomingCall, OutgoingCall, RemoteRequest, TakenCall } from "./remote-call.ts";
import { SlotMap, type SlotOwner } from "./slot-map.ts";
import { decodeMessage, encodeMessage, encodeParts, encodeResult } from "./wire.ts";

const shortestRejoinMs = 100;
const longestRejoinMs = 5_000;
/** How long a node that leaves waits for calls that run for others, in ms. */
const patienceMs = 1_000;
/** How long it goes on saying that it has left, in ms: as long as messages take, but for the slowest. */
const lingerMs = 300;
/** How long a call from another node waits for the hand-over of its slot before its caller is told to look around. */
const mostMovesMs = 5_000;

interface ClusterNodeOptions {
  readonly store: OwnershipStore;
  readonly cluster: Cluster;
  readonly environment: Environment;
  /** This process, and whether another one is known to be gone. */
  readonly process: ProcessIdentity;
  readonly isGone: (process: ProcessIdentity) => boolean;
}

/** Everything this process has under one row. */
interface Life {
  readonly node: string;
  readonly joined: JoinedStore;
  readonly transport: OpenTransport;
  readonly lease: Lease;
  readonly map: SlotMap;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly inbox: Inbox;
  readonly objects: LiveObjects;
  isOver: boolean;
}

/** One node among others. */
export class ClusterNode implements Ownership {
  readonly #options: ClusterNodeOptions;
  #host: OwnershipHost | null = null;
  #life: Life | null = null;
  #phase: "joining" | "member" | "draining" | "stopped" = "joining";
  /** Calls that wait for this process to be a node again. */
  readonly #homeless = new Map<OutgoingCall, { forwarded: { abort(): void } | null }>();
  /** Who waits for news of a slot. */
  readonly #watchers = new Map<number, (() => void)[]>();

  constructor(options: ClusterNodeOptions) {
    this.#options = options;
  }

  async start(host: OwnershipHost): Promise<void> {
    this.#host = host;
    await this.#join(host);
  }

  slotOf(address: Address): number {
    return slotOf(address);
  }

  takes(slot: number, fromRunningTurn: boolean): boolean {
    return this.#life?.map.takes(slot, fromRunningTurn) ?? false;
  }

  isLeaving(slot: number): boolean {
    return this.#life?.map.stage(slot) !== "held";
  }

  ownerOf(slot: number): SlotOwner | null {
    return this.#life?.map.ownerOf(slot) ?? null;
  }

  forward(call: OutgoingCall): { abort(): void } {
    if (this.#life !== null) return this.#life.peers.forward(call);
    const waiting = { forwarded: null as { abort(): void } | null };
    if (this.#phase === "stopped") {
      call.reject(this.#stopped(call.request));
      return { abort() {} };
    }
    this.#homeless.set(call, waiting);
    return {
      abort: () => {
        this.#homeless.delete(call);
        waiting.forwarded?.abort();
      },
    };
  }

  status(): ClusterStatus {
    const { environment } = this.#options;
    const life = this.#life;
    const owners = life?.map.owners() ?? [];
    const counts = new Map<string, number>();
    for (const owner of owners) if (owner !== null) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    const rows = [...(life?.membership.nodes.values() ?? [])];
    return {
      node: life?.node ?? "",
      phase: this.#phase,
      leaseMs: (life?.lease.untilMs ?? -Infinity) - environment.monotonic(),
      freeSlots: owners.length === 0 ? slotCount : owners.filter((owner) => owner === null).length,
      nodes: rows
        .map(({ node, types, endpoint, process, draining }): NodeStatus => {
          const isMe = node === life?.node;
          const alive = isMe || (life?.membership.isAlive(node) ?? false);
          const slots = counts.get(node) ?? 0;
          return { node, isMe, slots, types, endpoint, host: process.host, pid: process.pid, draining, alive };
        })
        .sort((a, b) => (a.node < b.node ? -1 : 1)),
    };
  }

  async drain(): Promise<void> {
    if (this.#phase === "stopped") return;
    this.#phase = "draining";
    await this.#life?.membership.drain();
    // Calls from here to objects elsewhere, which are all of them now, are answered before this node goes.
    await this.#life?.peers.emptied();
  }

  async close(): Promise<void> {
    this.#phase = "stopped";
    const life = this.#life;
    this.#life = null;
    for (const call of this.#homeless.keys()) call.reject(this.#stopped(call.request));
    this.#homeless.clear();
    if (life === null) return;
    life.isOver = true;
    life.membership.end();
    // Whoever asked hears where the object is now, or that it is nobody's.
    for (const slot of [...this.#watchers.keys()]) this.#slotChanged(life, slot);
    await Promise.race([life.inbox.emptied(), this.#after(patienceMs)]);
    for (const call of life.peers.close()) call.reject(this.#stopped(call.request));
    await life.lease.end();
    // A node that cannot say that it leaves is evicted.
    await life.joined.ownership.leave().catch(() => undefined);
    await life.joined.objects.close().catch(() => undefined);
    // A call that is still on its way hears that it has not run. Unheard, its caller could not know.
    if (life.membership.nodes.size > 1) await this.#after(lingerMs);
    await life.transport.close();
  }

  #after(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.environment.after(ms, resolve, true));
  }

  #stopped({ address }: RemoteRequest): DurableObjectError {
    return new DurableObjectError("RUNTIME_STOPPED", `${formatAddress(address)}: the runtime has stopped.`, {
      address,
    });
  }

  // ——— Joining, and losing everything ———

  async #join(host: OwnershipHost): Promise<void> {
    const { store, cluster, environment, process, isGone } = this.#options;
    const node = `${cluster.name}.${environment.uniqueId()}`;
    let life: Life | null = null;
    const transport = await cluster.transport.open({
      environment,
      node,
      answer: (message) => this.#answer(life, node, message),
      warn: (warning, message, cause) => host.warn(warning, message, cause),
    });
    const joinedAtMs = environment.monotonic();
    let joined: JoinedStore;
    try {
      const { leaseMs } = cluster;
      const { endpoint } = transport;
      joined = await store.join({ environment, node, leaseMs, types: host.types, endpoint, process });
    } catch (error) {
      await transport.close();
      throw error;
    }
    const lost = (failure: StoreFailure, maybeApplied = true): void => {
      if (life !== null) this.#lose(life, failure, maybeApplied);
    };
    const warn = host.warn.bind(host);
    const lease = new Lease({ environment, joined, leaseMs: cluster.leaseMs, joinedAtMs, lost, warn });
    const objects = host.begin(leased(joined.objects, lease), node, lost);
    const map = new SlotMap(node, (slot) => this.#slotChanged(life, slot));
    const membership = new Membership({
      environment,
      node,
      ownership: joined.ownership,
      leaseMs: cluster.leaseMs,
      map,
      isGuest: cluster.isGuest === true,
      host: {
        vacate: (slot, done) => objects.vacate(slot, done),
        acquired: () => objects.look(),
        tellGiven: (to, slots) => {
          const message = encodeMessage({ kind: "given", from: node, slots });
          void transport.request(to, message, 1_000).catch(() => undefined);
        },
        gone: (other) => life?.peers.gone(other),
        lost,
        isGone,
        warn,
      },
    });
    const peers = new Peers({
      environment,
      transport,
      node,
      map,
      row: (other) => membership.nodes.get(other),
      refresh: () => void membership.refresh(),
    });
    const inbox = new Inbox({
      environment,
      transport,
      node,
      peer: (other) => peers.peer(other),
      take: (call) => this.#take(life, call),
      ownerOf: (request) => this.#whoOwns(request),
    });
    life = { node, joined, transport, lease, map, membership, peers, inbox, objects, isOver: false };
    this.#life = life;
    if (this.#phase === "joining") this.#phase = "member";
    await membership.start();
    for (const [call, waiting] of [...this.#homeless]) {
      this.#homeless.delete(call);
      if (!call.isOver) waiting.forwarded = peers.forward(call);
    }
  }

  /** The row of this node is gone, with everything it had. */
  #lose(life: Life, failure: StoreFailure, maybeApplied: boolean): void {
    if (life.isOver) return;
    life.isOver = true;
    if (this.#life === life) this.#life = null;
    const host = this.#host as OwnershipHost;
    life.membership.end();
    publishOwnership({ change: "lost", node: life.node, slots: [] });
    host.warn("node-lost", `This node has lost what it owned, and joins again: ${failure.message}`, failure);
    life.objects.lose(failure, maybeApplied, true);
    const again = life.peers.close();
    if (this.#phase === "member") this.#phase = "joining";
    for (const call of again) this.#homeless.set(call, { forwarded: null });
    void this.#replace(life, host);
  }

  async #replace(life: Life, host: OwnershipHost): Promise<void> {
    const { environment } = this.#options;
    const quietly = (promise: Promise<unknown>): Promise<unknown> => promise.catch(() => undefined);
    await quietly(life.lease.end());
    // If the row is still there, in a store that went back in time, others need not wait for the end of its lease.
    await quietly(life.joined.ownership.leave());
    await quietly(life.joined.objects.close());
    await quietly(life.transport.close());
    for (let waitMs = shortestRejoinMs; this.#phase === "joining"; waitMs = Math.min(waitMs * 2, longestRejoinMs)) {
      await new Promise<void>((resolve) => environment.after(waitMs * (0.5 + environment.random() / 2), resolve));
      if (this.#phase !== "joining") return;
      try {
        await this.#join(host);
        return;
      } catch (error) {
        host.warn(
          "node-not-joined",
          `This node could not join again, which is tried again: ${messageOf(error)}`,
          error,
        );
      }
    }
  }

  // ——— What other nodes say ———

  async #answer(life: Life | null, node: string, text: string): Promise<string> {
    const nothing = encodeParts("results", node, []);
    let message;
    try {
      message = decodeMessage(text);
    } catch (error) {
      this.#host?.warn("message-not-understood", `Another node sent ${messageOf(error)}`, error);
      return "";
    }
    if (life === null || life.isOver) {
      if (message.kind !== "calls") return nothing;
      // None of them has run.
      return encodeParts(
        "results",
        node,
        message.calls.map(({ call }) => encodeResult({ call, moved: null })),
      );
    }
    switch (message.kind) {
      case "calls":
        return await life.inbox.calls(message.from, message.calls);
      case "results":
        life.peers.arrived(message.from, message.results);
        break;
      case "aborts":
        life.inbox.abort(message.from, message.calls);
        break;
      case "given":
        life.membership.learnGiven(message.slots);
        break;
    }
    return nothing;
  }

  #take(life: Life | null, call: IncomingCall): TakenCall {
    const host = this.#host as OwnershipHost;
    const { request } = call;
    const slot = slotOf(request.address);
    const notTaken = { abort() {} };
    if (life === null || life.isOver || life.map.stage(slot) === "foreign") {
      call.reply({ kind: "moved" });
    } else if (!host.types.includes(request.address.type)) {
      void this.#giveAway(life, call, slot);
    } else {
      return host.receive(call);
    }
    return notTaken;
  }

  /** This node does not know the type of an object that it owns: the slot goes to one that does. */
  async #giveAway({ membership, node }: Life, call: IncomingCall, slot: number): Promise<void> {
    const { request } = call;
    const { type } = request.address;
    let isOnItsWay = membership.giveToServerOf(type, slot);
    if (!isOnItsWay) {
      // Whoever asks for it knows it, and may be so new that it was not seen yet.
      await membership.refresh();
      isOnItsWay = membership.giveToServerOf(type, slot);
    }
    call.reply(isOnItsWay ? { kind: "moved" } : { kind: "error", error: typeNotServed(request, node) });
  }

  /** Who owns the object of a call that does not run here. */
  async #whoOwns({ address }: RemoteRequest): Promise<SlotOwner | null> {
    const slot = slotOf(address);
    const life = this.#life;
    if (life === null) return null;
    if (life.map.stage(slot) === "leaving" || life.map.stage(slot) === "closed") await this.#slotNews(slot);
    const owner = life.map.ownerOf(slot);
    return owner?.node === life.node ? null : owner;
  }

  /** Resolves when a slot has another owner, or after a while. */
  #slotNews(slot: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.environment.after(mostMovesMs, resolve);
      const watch = (): void => {
        timer.cancel();
        resolve();
      };
      const watchers = this.#watchers.get(slot);
      if (watchers === undefined) this.#watchers.set(slot, [watch]);
      else watchers.push(watch);
    });
  }

  #slotChanged(life: Life | null, slot: number): void {
    life?.peers.slotChanged(slot);
    const watchers = this.#watchers.get(slot);
    this.#watchers.delete(slot);
    for (const watch of watchers ?? []) watch();
  }
}

/** The objects of a node, which may be answered for from memory as long as its lease lasts. */
function leased(objects: OpenObjectStore, lease: Lease): OpenObjectStore {
  return {
    get lastNumber() {
      return objects.lastNumber;
    },
    get leaseUntilMs() {
      return lease.untilMs;
    },
    companions: objects.companions,
    commit: (batch) => objects.commit(batch),
    load: (addresses) => objects.load(addresses),
    findReply: (address, key, now) => objects.findReply(address, key, now),
    listAlarms: (address) => objects.listAlarms(address),
    listObjects: (query) => objects.listObjects(query),
    dueAlarms: (query) => objects.dueAlarms(query),
    nextDueAfter: (types, after) => objects.nextDueAfter(types, after),
    dueTenants: (type, dueBy) => objects.dueTenants(type, dueBy),
    alarmTypes: () => objects.alarmTypes(),
    deadAlarms: (query) => objects.deadAlarms(query),
    sweep: (sweep) => objects.sweep(sweep),
    close: () => objects.close(),
    abandon: () => objects.abandon(),
  };
}
