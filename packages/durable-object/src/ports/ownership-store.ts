/**
 * The ownership store: which nodes there are, and which of them may write which objects.
 *
 * Every object belongs to a slot, by a hash of its address (`slotOf`). A slot has at most one owner, and an epoch that
 * is raised whenever it gets one. A node is a row with a lease; nothing a node has outlives its row. Where
 * the row is deleted (the node left, or was evicted), its slots are free, its right to commit is gone, and
 * whatever it still sends is refused. So an owner that was paused for too long can wake up and write
 * nothing.
 *
 * What a node changes here is numbered, apart from its batches of writes: change n is accepted only after
 * n-1, and a change that was sent before under the same number is not made again. Whoever does not know
 * whether a change was made sends the same one again until that is known, and reads what is so.
 *
 * Time is the store's own: a lease is over when the store's clock says so, whatever the nodes' clocks say.
 * An adapter is dumb: it decides nothing and repeats nothing. It passes `ownershipStoreSuite` of
 * `durable-object/testing`.
 */

import type { Environment } from "../core/environment.ts";
import type { OpenObjectStore, StoreFailure } from "./object-store.ts";

/** Where a process runs, so that its successor on the same machine can tell that it is gone. */
export interface ProcessIdentity {
  readonly host: string;
  /** Changes with every start of the machine, and where pids mean something else; null if unknown. */
  readonly boot: string | null;
  readonly pid: number;
  /** When the process started, in whatever the machine counts: pids are used again. Absent or null if unknown. */
  readonly started?: string | null;
}

/** What a node says of itself when it joins. */
export interface Joining {
  readonly environment: Environment;
  /** A name that no process has had before. */
  readonly node: string;
  /** How long the lease lasts without being renewed, in ms. */
  readonly leaseMs: number;
  /** The object types it serves: it gets no calls for others. */
  readonly types: readonly string[];
  /** Where others reach it, for transports that need to know; null if they do not. */
  readonly endpoint: string | null;
  readonly process: ProcessIdentity;
}

/** A node as the others see it. */
export interface NodeRow {
  readonly node: string;
  readonly types: readonly string[];
  readonly endpoint: string | null;
  readonly process: ProcessIdentity;
  /** How often it has renewed its lease. */
  readonly beat: number;
  /** Whether its lease is over by the store's clock. */
  readonly expired: boolean;
  /** Whether it gives its slots away and takes no more. */
  readonly draining: boolean;
}

/** The owner of a slot. Slots without one are not listed. */
export interface SlotRow {
  readonly slot: number;
  readonly owner: string;
  readonly epoch: number;
}

/** A slot in an epoch: a change speaks only of the ownership it knows. */
export interface SlotEpoch {
  readonly slot: number;
  readonly epoch: number;
}

/** A change that a node makes. What does not apply any more is left out: one reads what is so afterwards. */
export type OwnershipChange =
  /** Takes those of the slots that have no owner. */
  | { readonly change: "acquire"; readonly slots: readonly number[] }
  /** Frees slots that this node owns. */
  | { readonly change: "release"; readonly slots: readonly SlotEpoch[] }
  /** Gives slots that this node owns to another one, if that is a node; frees them if it is not. */
  | { readonly change: "hand over"; readonly slots: readonly SlotEpoch[]; readonly to: string }
  /**
   * Deletes the row of a node that has not renewed its lease since that beat, and whose lease is over. It may have died
   * of an alarm: those of its slots that are set and due become suspects. With `force` the lease need not be over: its
   * process is known to be gone, or the store's clock is not to be trusted.
   */
  | { readonly change: "evict"; readonly node: string; readonly beat: number; readonly force?: boolean }
  /** Gives its slots away from now on, and takes no more. */
  | { readonly change: "drain" };

/** What a node hears when it renews its lease. */
export interface Beat {
  readonly beat: number;
  /** The number of its last batch, as the store knows it. Lower than what was answered: the store went back in time. */
  readonly batchNumber: number;
  /** The number of its last change, likewise. */
  readonly changeNumber: number;
}

/** How a lease is kept. */
export interface HeartOptions {
  /** Time between two renewals, in ms. */
  readonly intervalMs: number;
  /** Without a sign of the application's thread for so long, in ms, no renewal is sent until there is one. */
  readonly stallMs: number;
  /** What a renewal was answered, and when it was sent, in ms of the environment's monotonic clock. */
  heard(beat: Beat, sentAtMs: number): void;
  /** A renewal failed: `lost` if the row is gone (then there is no further one), otherwise it is tried again. */
  failed(failure: StoreFailure): void;
}

/** What keeps a lease. */
export interface Heart {
  /**
   * When the last renewal that was answered was sent, in ms of the environment's monotonic clock; -Infinity before the
   * first one. Right at any moment, also before `heard` could be told.
   */
  readonly sentAtMs: number;
  /** Sends no further renewal. The lease stays what it is. */
  stop(): Promise<void>;
}

/** An ownership store as the application configures it. */
export interface OwnershipStore {
  /** For telemetry. */
  readonly name: string;
  /**
   * Makes a row for a node, with no slots.
   *
   * @throws {@link StoreFailure} of the kind `refused` if there is a node of that name
   */
  join(joining: Joining): Promise<JoinedStore>;
}

/** What a node has once it has joined: both end with its row. */
export interface JoinedStore {
  /**
   * Its right to commit; `close` lets go of what it holds here, and leaves the row. Of alarms that are due or will be
   * it knows those of the slots that the node owns. How long it may answer from memory follows from its beats:
   * `leaseUntilMs` is `Infinity`.
   */
  readonly objects: OpenObjectStore;
  readonly ownership: OpenOwnershipStore;
}

/**
 * Ownership, as one node sees it. Every method throws {@link StoreFailure} of the kind `lost` with
 * `STORE_TAKEN_OVER` once the row is gone, and `retry` where the store could not be asked.
 */
export interface OpenOwnershipStore {
  /** The number of the last change that was made; the next one is one more. */
  readonly lastNumber: number;
  /** Renews the lease: from now on it lasts for its whole length. */
  beat(): Promise<Beat>;
  /**
   * Renews the lease again and again from a thread of its own, so that a node whose thread is busy keeps it. The first
   * one is sent at once. Without it, `beat` is called from time to time. Called once at most.
   */
  heart?(options: HeartOptions): Heart;
  nodes(): Promise<readonly NodeRow[]>;
  slots(): Promise<readonly SlotRow[]>;
  /**
   * Makes a change; resolves once it is known to have been made, now or under the same number before. A change whose
   * number leaves a gap is `lost`: whoever sends it does not know what was made.
   */
  change(number: number, change: OwnershipChange): Promise<void>;
  /** Deletes the row of this node. Nothing happens if it is gone. */
  leave(): Promise<void>;
}
