/**
 * Calls between nodes, as the engine and the cluster hand them to each other: on the way out to whoever owns
 * the object, and on the way in from another node.
 */

import type { Address } from "../core/address.ts";
import type { DurableObjectError } from "../core/errors.ts";

/** A turn that waits for a call, as another node knows it. */
export interface ChainEntry {
  readonly address: Address;
  readonly operation: string;
  readonly isRead: boolean;
  readonly isActivating: boolean;
}

/** What a node asks another one to do. */
export interface RemoteRequest {
  readonly address: Address;
  readonly operation: string;
  readonly args: readonly unknown[];
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | null;
  /** The turns that wait for it, the nearest first. */
  readonly chain: readonly ChainEntry[];
  /** The context of the caller, for who follows calls; null if nobody does. */
  readonly trace: string | null;
}

/** A call on its way to the owner of its object. */
export interface OutgoingCall {
  readonly request: RemoteRequest;
  /** Whether doing it twice does no harm: it only reads, or has an idempotency key. */
  readonly isRepeatable: boolean;
  /** Monotonic time, in ms; `Infinity` for never. */
  readonly deadline: number;
  /** Whether its caller has the answer, or has given up. */
  readonly isOver: boolean;
  /** It is being sent: from now on it may run. */
  sent(): void;
  /** It is known not to have run, and waits again. */
  returned(): void;
  /** The object belongs to this node: it runs here. */
  comeHome(): void;
  resolve(value: unknown): void;
  reject(error: DurableObjectError): void;
}

/** What became of a call at another node. `moved`: it has not run there. */
export type RemoteReply =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "error"; readonly error: DurableObjectError }
  | { readonly kind: "moved" };

/** A call from another node that runs here. */
export interface IncomingCall {
  readonly request: RemoteRequest;
  readonly timeoutMs: number;
  /** Called once. */
  reply(reply: RemoteReply): void;
}

/** A call that was taken. */
export interface TakenCall {
  /** Its caller has given up. */
  abort(): void;
}
