/**
 * The peers: takes a call to whoever owns its object.
 *
 * A call is sent to the owner as this node knows it. Where nobody is known, it waits until somebody is; where
 * the other node says that the object has moved, it follows. It is sent again only if it is known not to have
 * run, or if doing it twice does no harm: everything else is told to its caller, who alone can know.
 */

import type { Environment } from "../core/environment.ts";
import { formatAddress } from "../core/address.ts";
import { DurableObjectError, type ErrorCode } from "../core/errors.ts";
import { slotOf } from "../core/slot.ts";
import type { NodeRow } from "../ports/ownership-store.ts";
import type { OpenTransport, Peer } from "../ports/transport.ts";
import { Outbox, type Arrival, type SentCall } from "./outbox.ts";
import type { OutgoingCall, RemoteReply, RemoteRequest } from "./remote-call.ts";
import type { SlotMap } from "./slot-map.ts";
import type { WireResult } from "./wire.ts";

/** How often a call is sent to nodes that cannot be reached before its caller is told. */
const mostUnreachable = 8;
/** How often a call that may be done twice is repeated, if it is not known what became of it. */
const mostRepeated = 4;
/** How often it follows an object at once; then it takes its time. */
const quickMoves = 3;
/** What a node answers that does not know whether it still owns the object, or has just lost it. */
const lostOwnership: ReadonlySet<ErrorCode> = new Set(["LEASE_LAPSED", "STORE_TAKEN_OVER", "RUNTIME_STOPPED"]);
/** For how long answers of a node that is gone are waited for. */
const lastAnswersMs = 250;
const shortestWaitMs = 10;
const longestWaitMs = 500;

interface PeersOptions {
  readonly environment: Environment;
  readonly transport: OpenTransport;
  readonly node: string;
  readonly map: SlotMap;
  /** The row of a node, as it was seen last. */
  readonly row: (node: string) => NodeRow | undefined;
  /** Looks at the cluster again: something is not as it was known. */
  readonly refresh: () => void;
}

/** Takes calls to whoever owns their objects. */
export class Peers {
  readonly #options: PeersOptions;
  readonly #outboxes = new Map<string, Outbox>();
  /** Calls that wait to learn of an owner, by slot. */
  readonly #waiting = new Map<number, Set<Forwarding>>();
  /** Calls that are neither waiting nor over. */
  readonly #all = new Set<Forwarding>();
  readonly #watchers: (() => void)[] = [];
  /** Where nodes were reached last. */
  readonly #endpoints = new Map<string, string | null>();
  #calls = 0;
  #isOver = false;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Takes a call to whoever owns its object. Returns what withdraws it. */
  forward(call: OutgoingCall): { abort(): void } {
    const forwarding = new Forwarding(call, this);
    this.#all.add(forwarding);
    this.route(forwarding);
    return forwarding;
  }

  /** Resolves when every call that was to be taken somewhere has its answer, or this is over. */
  emptied(): Promise<void> {
    return this.#all.size === 0 || this.#isOver
      ? Promise.resolve()
      : new Promise((resolve) => this.#watchers.push(resolve));
  }

  /** A slot has another owner: what waited for that goes on. */
  slotChanged(slot: number): void {
    const waiting = this.#waiting.get(slot);
    if (waiting === undefined) return;
    this.#waiting.delete(slot);
    // Not now: whoever changed the map may not be done with it.
    queueMicrotask(() => {
      for (const forwarding of waiting) this.route(forwarding);
    });
  }

  /** Results that another node sends. */
  arrived(from: string, results: readonly WireResult[]): void {
    const outbox = this.#outboxes.get(from);
    for (const result of results) outbox?.arrived(result);
  }

  /** A node is gone for good: what it was asked and has not answered by now, it never will. */
  gone(node: string): void {
    const outbox = this.#outboxes.get(node);
    if (outbox === undefined) return;
    // Its last answers may still be on their way.
    this.#options.environment.after(lastAnswersMs, () => {
      this.#outboxes.delete(node);
      this.#endpoints.delete(node);
      outbox.close();
    });
  }

  /** This node has no right to speak for anybody any more. Calls that have not run are given back. */
  close(): OutgoingCall[] {
    this.#isOver = true;
    for (const outbox of this.#outboxes.values()) outbox.close();
    this.#outboxes.clear();
    this.#waiting.clear();
    for (const resolve of this.#watchers.splice(0)) resolve();
    return [...this.#all].map(({ call }) => call).filter(({ isOver }) => !isOver);
  }

  // ——— What forwardings ask for ———

  /** Sends a call to the owner of its object, or has it wait for one. */
  route(forwarding: Forwarding): void {
    const { node: me, map } = this.#options;
    const { call, slot } = forwarding;
    if (this.#isOver) return;
    if (call.isOver) {
      this.#forget(forwarding);
      return;
    }
    const owner = map.ownerOf(slot);
    if (owner === null || owner.node === me) {
      if (map.stage(slot) === "held") {
        this.#forget(forwarding);
        call.comeHome();
        return;
      }
      if (owner === null) this.#options.refresh();
      this.#wait(forwarding);
      return;
    }
    forwarding.outbox = this.#outbox(owner.node);
    forwarding.outbox.send(forwarding);
  }

  withdraw(forwarding: Forwarding): void {
    this.#forget(forwarding);
    this.#waiting.get(forwarding.slot)?.delete(forwarding);
    forwarding.outbox?.abort(forwarding);
  }

  arrivedAt(forwarding: Forwarding, arrival: Arrival): void {
    const { map, refresh } = this.#options;
    const { call, slot } = forwarding;
    if (call.isOver) {
      this.#forget(forwarding);
      return;
    }
    if ("reply" in arrival) {
      this.#replied(forwarding, arrival.reply);
    } else if ("moved" in arrival) {
      call.returned();
      const { moved } = arrival;
      const isNews = moved !== null && map.learn(slot, moved.node, moved.epoch);
      if (!isNews) refresh();
      forwarding.moves += 1;
      if (isNews && forwarding.moves <= quickMoves) this.route(forwarding);
      else this.#later(forwarding, forwarding.moves);
    } else if (arrival.failed === "too large") {
      this.#settle(forwarding, requestTooLarge(call.request, arrival.bytes, this.#options.transport.maxMessageBytes));
    } else if (arrival.failed === "unreachable") {
      this.#notRun(forwarding, ownerUnreachable(call.request, map.ownerOf(slot)?.node ?? "unknown"));
    } else {
      refresh();
      forwarding.repeated += 1;
      if (call.isRepeatable && forwarding.repeated <= mostRepeated) this.#later(forwarding, forwarding.repeated);
      else this.#settle(forwarding, unanswered(call.request));
    }
  }

  #replied(forwarding: Forwarding, reply: Exclude<RemoteReply, { kind: "moved" }>): void {
    const { call } = forwarding;
    if (reply.kind === "value") {
      this.#forget(forwarding);
      call.resolve(reply.value);
    } else if (call.isRepeatable && lostOwnership.has(reply.error.code) && reply.error.outcome === "not-applied") {
      // Its handler may have begun, and have called others: that is done again only where it does no harm.
      this.#notRun(forwarding, reply.error);
    } else {
      this.#settle(forwarding, reply.error);
    }
  }

  /** It is known not to have run: it is sent again, for a while. */
  #notRun(forwarding: Forwarding, error: DurableObjectError): void {
    forwarding.call.returned();
    this.#options.refresh();
    forwarding.unreachable += 1;
    if (forwarding.unreachable < mostUnreachable) this.#later(forwarding, forwarding.unreachable);
    else this.#settle(forwarding, error);
  }

  #forget(forwarding: Forwarding): void {
    this.#all.delete(forwarding);
    if (this.#all.size === 0) for (const resolve of this.#watchers.splice(0)) resolve();
  }

  #settle(forwarding: Forwarding, error: DurableObjectError): void {
    this.#forget(forwarding);
    forwarding.call.reject(error);
  }

  /** Goes on after a while that grows, and that is not the same for everybody. */
  #later(forwarding: Forwarding, attempt: number): void {
    const { environment } = this.#options;
    const longest = Math.min(longestWaitMs, shortestWaitMs * 2 ** attempt);
    environment.after(longest * (0.5 + environment.random() / 2), () => this.route(forwarding));
  }

  #wait(forwarding: Forwarding): void {
    const waiting = this.#waiting.get(forwarding.slot);
    if (waiting === undefined) this.#waiting.set(forwarding.slot, new Set([forwarding]));
    else waiting.add(forwarding);
  }

  #outbox(node: string): Outbox {
    let outbox = this.#outboxes.get(node);
    if (outbox === undefined) {
      const { environment, transport, node: me } = this.#options;
      const nextCall = (): number => (this.#calls += 1);
      outbox = new Outbox({ environment, transport, node: me, to: () => this.peer(node), nextCall });
      this.#outboxes.set(node, outbox);
    }
    return outbox;
  }

  peer(node: string): Peer {
    const endpoint = this.#options.row(node)?.endpoint;
    // One that has left is reached where it was, for its last answers.
    if (endpoint !== undefined) this.#endpoints.set(node, endpoint);
    return { node, endpoint: this.#endpoints.get(node) ?? null };
  }

  get environment(): Environment {
    return this.#options.environment;
  }
}

/** A call on its way, with how often it was tried. */
class Forwarding implements SentCall {
  readonly call: OutgoingCall;
  readonly slot: number;
  /** Where it was sent last. */
  outbox: Outbox | null = null;
  moves = 0;
  unreachable = 0;
  repeated = 0;
  readonly #peers: Peers;

  constructor(call: OutgoingCall, peers: Peers) {
    this.call = call;
    this.slot = slotOf(call.request.address);
    this.#peers = peers;
  }

  get request(): RemoteRequest {
    return this.call.request;
  }

  remainingMs(): number {
    return this.call.deadline - this.#peers.environment.monotonic();
  }

  leaves(): void {
    this.call.sent();
  }

  arrived(arrival: Arrival): void {
    this.#peers.arrivedAt(this, arrival);
  }

  /** Its caller has given up. */
  abort(): void {
    this.#peers.withdraw(this);
  }
}

function requestTooLarge({ address, operation }: RemoteRequest, bytes: number, most: number): DurableObjectError {
  return new DurableObjectError(
    "MESSAGE_TOO_LARGE",
    `${formatAddress(address)}: the call ${operation} has ${bytes} bytes of JSON, and the transport between nodes carries ${most}. It was not sent. Send less, or raise the limit of the transport.`,
    { address },
  );
}

function ownerUnreachable({ address, operation }: RemoteRequest, node: string): DurableObjectError {
  return new DurableObjectError(
    "OWNER_UNREACHABLE",
    `${formatAddress(address)}: the node ${node} owns the object and cannot be reached. The call ${operation} was not delivered; try again.`,
    { address },
  );
}

function unanswered({ address, operation }: RemoteRequest): DurableObjectError {
  return new DurableObjectError(
    "REPLY_LOST",
    `${formatAddress(address)}: the node that owns the object was asked to do ${operation}, and did not answer. Whether it was done is not known. With an idempotency key the call is repeated safely.`,
    { address },
  );
}
