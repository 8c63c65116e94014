/**
 * Ownership, as a node uses it: which calls run here, where the others go, and what happens when that changes.
 *
 * There are two: one owner of everything, in a process that is alone with its store, and a node of a cluster.
 * The engine does not know which one it has.
 */

import type { Address } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import type { OpenObjectStore, StoreFailure } from "../ports/object-store.ts";
import type { IncomingCall, OutgoingCall, TakenCall } from "./remote-call.ts";
import type { SlotOwner } from "./slot-map.ts";

/** The objects that are in memory under one right to write. */
export interface LiveObjects {
  /** Calls back once nothing of a slot is in memory; what has begun is finished first. */
  vacate(slot: number, done: () => void): void;
  /** There may be alarms now that are due. */
  look(): void;
  /**
   * The right to write is gone: whatever is in memory counts for nothing.
   *
   * @param waitingGoOn - whether calls that have not run wait for another right to write
   */
  lose(failure: StoreFailure, maybeApplied: boolean, waitingGoOn: boolean): void;
}

/** What ownership needs of its node. */
export interface OwnershipHost {
  readonly environment: Environment;
  /** The object types it serves. */
  readonly types: readonly string[];
  /**
   * There is a right to write, under this name: objects may come to life.
   *
   * @param lost - hears when a request finds that it is gone; what is being committed then may have landed, or not
   */
  begin(
    store: OpenObjectStore,
    node: string,
    lost: (failure: StoreFailure, maybeApplied: boolean) => void,
  ): LiveObjects;
  /** There will be no other right to write: every call is refused from now on. */
  ended(failure: StoreFailure): void;
  /** Runs a call from another node. */
  receive(call: IncomingCall): TakenCall;
  warn(warning: string, message: string, cause?: unknown): void;
}

/** A node, as operators want to see it. */
export interface NodeStatus {
  readonly node: string;
  /** Whether it is this one. */
  readonly isMe: boolean;
  readonly slots: number;
  readonly types: readonly string[];
  readonly endpoint: string | null;
  readonly host: string;
  readonly pid: number;
  /** Whether it gives its slots away. */
  readonly draining: boolean;
  /** Whether it has renewed its lease in time. */
  readonly alive: boolean;
}

/** The cluster, as this node sees it. */
export interface ClusterStatus {
  readonly node: string;
  readonly phase: "alone" | "joining" | "member" | "draining" | "stopped";
  /** How much longer this node may answer from memory, in ms; negative if it may not; `Infinity` if nobody can follow it. */
  readonly leaseMs: number;
  /** Slots without an owner. */
  readonly freeSlots: number;
  readonly nodes: readonly NodeStatus[];
}

/** Which calls run here, and where the others go. */
export interface Ownership {
  /** Takes the right to write. Rejects with {@link StoreFailure} or a failure of the transport. */
  start(host: OwnershipHost): Promise<void>;
  /** The slot of an object, as far as it matters for ownership. */
  slotOf(address: Address): number;
  /**
   * Whether calls on a slot run here.
   *
   * @param fromRunningTurn - whether a turn waits for the call, here or elsewhere
   */
  takes(slot: number, fromRunningTurn: boolean): boolean;
  /** Whether a slot is being given away: its objects leave memory as soon as they can. */
  isLeaving(slot: number): boolean;
  ownerOf(slot: number): SlotOwner | null;
  /** Takes a call to the owner of its object. */
  forward(call: OutgoingCall): { abort(): void };
  status(): ClusterStatus;
  /** Gives everything away that others can take, and takes nothing more. */
  drain(): Promise<void>;
  /** Ends. Nothing is in memory any more. */
  close(): Promise<void>;
}
