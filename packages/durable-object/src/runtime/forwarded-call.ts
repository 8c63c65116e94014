/**
 * A forwarded call: a call on its way to the node that owns its object. For its caller it waits until it is
 * sent, and runs from then on, until it is known that it has not.
 */

import type { ChainEntry, OutgoingCall, RemoteRequest } from "../cluster/remote-call.ts";
import { DurableObjectError } from "../core/errors.ts";
import type { Call, CallHolder } from "./call.ts";
import type { ChainLink } from "./call-chain.ts";
import { wireName } from "./system-operations.ts";

/** A call on its way to another node. */
export class ForwardedCall implements OutgoingCall, CallHolder {
  readonly request: RemoteRequest;
  readonly isRepeatable: boolean;
  readonly #call: Call;
  readonly #runHere: (call: Call) => void;
  #carrier: { abort(): void } | null = null;
  /** How often it was sent, and is not known not to have run. */
  #uncertain = 0;

  /** @param runHere - takes the call if its object belongs to this node after all */
  constructor(call: Call, runHere: (call: Call) => void) {
    this.#call = call;
    this.#runHere = runHere;
    const { address, operation, args, idempotency, trace } = call;
    this.request = { address, operation: wireName(operation), args, idempotency, chain: chainOf(call.caller), trace };
    this.isRepeatable = operation.isRead || idempotency !== null;
    call.holder = this;
  }

  get deadline(): number {
    return this.#call.deadline;
  }

  get isOver(): boolean {
    return this.#call.stage === "settled";
  }

  /** Who carries it, and is told if its caller gives up. */
  carriedBy(carrier: { abort(): void }): void {
    this.#carrier = carrier;
  }

  sent(): void {
    this.#uncertain += 1;
    const call = this.#call;
    if (this.isOver) return;
    call.stage = "running";
    call.turn = { abort: () => this.#carrier?.abort() };
  }

  returned(): void {
    this.#uncertain -= 1;
    if (this.isOver || this.#uncertain > 0) return;
    this.#call.stage = "waiting";
    this.#call.turn = null;
  }

  comeHome(): void {
    this.#call.holder = null;
    // One that was sent, and may have run, has an idempotency key or only reads.
    if (!this.isOver) this.#call.stage = "waiting";
    this.#runHere(this.#call);
  }

  resolve(value: unknown): void {
    this.#call.resolve(value);
  }

  reject(error: DurableObjectError): void {
    const isOwn = error.code === "OWNER_UNREACHABLE" || error.code === "RUNTIME_STOPPED";
    if (this.#uncertain === 0 || !isOwn || error.outcome === "unknown") {
      this.#call.reject(error);
      return;
    }
    const { code, message, address } = error;
    const unknown = `${message} It was sent before, and whether it was done then is not known.`;
    this.#call.reject(new DurableObjectError(code, unknown, { address, outcome: "unknown" }));
  }

  withdraw(): void {
    this.#carrier?.abort();
  }
}

function chainOf(caller: ChainLink | null): ChainEntry[] {
  const chain: ChainEntry[] = [];
  for (let link = caller; link !== null && !link.over; link = link.caller) {
    const { address, operation, isActivating } = link;
    chain.push({ address, operation: operation.name, isRead: operation.isRead, isActivating });
  }
  return chain;
}

/** The turns that wait for a call from another node, as links of a chain. */
export function remoteChain(chain: readonly ChainEntry[], deadline: number): ChainLink | null {
  let caller: ChainLink | null = null;
  for (const { address, operation, isRead, isActivating } of chain.toReversed()) {
    caller = {
      address,
      operation: { name: operation, isRead },
      caller,
      over: false,
      deadline,
      basis: null,
      isActivating,
    };
  }
  return caller;
}
