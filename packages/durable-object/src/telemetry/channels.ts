/**
 * What the library tells those who listen, on `node:diagnostics_channel`. When nobody listens, an event
 * costs one comparison.
 *
 * Operations are tracing channels (`tracing:durable-object:<name>:start`, `:asyncEnd`, `:error`): the same
 * context object is published at each step, and completed on the way. Changes are plain channels.
 */

import { channel, tracingChannel } from "node:diagnostics_channel";
import type { Address } from "../core/address.ts";

/** What the context of everything that takes time holds. */
export interface TimedContext {
  /** Wall-clock time of the start, in ms since 1970. */
  readonly systemTimeMs: number;
  /** Set at the end, in ms. */
  durationMs?: number;
  /** Set if it failed. */
  error?: unknown;
}

/** What the context of an operation on an object holds besides. */
export interface OperationContext extends TimedContext {
  readonly tenant: string;
  readonly type: string;
  readonly id: string;
}

/** The context of `durable-object:commit`. */
export interface CommitContext extends TimedContext {
  /** The store's name: `"memory"`, `"sqlite"`, … */
  readonly store: string;
  /** The number of the batch; one that is sent again has the same. */
  readonly number: number;
  /** How many objects it writes. */
  readonly objects: number;
  /** How many of them it did not, because another revision was stored. Set at the end. */
  stale?: number;
}

/** The context of `durable-object:storage.load`, `.save` and `.delete`. */
export interface StorageContext extends OperationContext {
  /** The store's name: `"memory"`, `"sqlite"`, … */
  readonly store: string;
}

/** The context of `durable-object:call`. */
export interface CallContext extends OperationContext {
  readonly handler: string;
}

/** The context of `durable-object:turn`. */
export interface TurnContext extends OperationContext {
  readonly handler: string;
  /** Who called: somebody in this process, another node, or an alarm. */
  readonly from: "caller" | "node" | "alarm";
  /** How long the call waited for its turn, coming to life included, in ms. */
  readonly waitMs: number;
}

/** The context of `durable-object:alarm`. */
export interface AlarmContextMessage extends OperationContext {
  readonly alarm: string;
  /** From 1. */
  readonly attempt: number;
  /** How long after it was due its handler started, in ms. */
  readonly lagMs: number;
  /** What became of it, set at the end: over, due again by its rule, due again because it failed, or given up. */
  becomes?: "done" | "repeat" | "retry" | "dead";
}

/** An object went from one phase of its life to another: the message on `durable-object:activation`. */
export interface PhaseMessage {
  readonly tenant: string;
  readonly type: string;
  readonly id: string;
  readonly from: string;
  readonly to: string;
}

/** Who owns what has changed, as this node sees it: the message on `durable-object:ownership`. */
export interface OwnershipMessage {
  /**
   * `joined`, `left`: a node came or went. `acquired`, `handed over`: slots this node has now, or has given away. `evicted`:
   * this node has evicted a dead one. `lost`: this node has lost everything it owned.
   */
  readonly change: "joined" | "left" | "acquired" | "handed over" | "evicted" | "lost";
  /** The node concerned. */
  readonly node: string;
  readonly slots: readonly number[];
  /** The node that slots were handed over to. */
  readonly to?: string;
}

/** Something an operator should know: the message on `durable-object:warning`. */
export interface WarningMessage {
  /** A stable name: `commit-in-doubt`, `sweep-failed`, `store-lost`. */
  readonly warning: string;
  readonly message: string;
  readonly cause?: unknown;
}

const phaseChannel = channel("durable-object:activation");
const ownershipChannel = channel("durable-object:ownership");
const warningChannel = channel("durable-object:warning");

/** Publishes a change of phase. */
export function publishPhase(address: Address, from: string, to: string): void {
  if (!phaseChannel.hasSubscribers) return;
  const message: PhaseMessage = { tenant: address.tenant, type: address.type, id: address.id, from, to };
  phaseChannel.publish(message);
}

/** Publishes a warning. */
export function publishWarning(message: WarningMessage): void {
  if (warningChannel.hasSubscribers) warningChannel.publish(message);
}

/** Publishes a change of ownership. */
export function publishOwnership(message: OwnershipMessage): void {
  if (ownershipChannel.hasSubscribers) ownershipChannel.publish(message);
}

/** One kind of operation that takes time. */
export class OperationChannel<Context extends TimedContext> {
  readonly #channel: ReturnType<typeof tracingChannel<unknown, Context>>;

  constructor(name: string) {
    this.#channel = tracingChannel<unknown, Context>(name);
  }

  get isHeard(): boolean {
    return this.#channel.hasSubscribers;
  }

  start(context: Context): void {
    this.#channel.start.publish(context);
  }

  stop(context: Context, nowMs: number): void {
    context.durationMs = nowMs - context.systemTimeMs;
    this.#channel.asyncEnd.publish(context);
  }

  fail(context: Context, nowMs: number, error: unknown): void {
    context.error = error;
    context.durationMs = nowMs - context.systemTimeMs;
    this.#channel.error.publish(context);
    this.#channel.asyncEnd.publish(context);
  }
}

/** Calls, from the stub to the reply. */
export const calls = new OperationChannel<CallContext>("durable-object:call");
/** Running a handler, wherever the call came from. */
export const turns = new OperationChannel<TurnContext>("durable-object:turn");
/** Running the handler of an alarm. */
export const alarmFirings = new OperationChannel<AlarmContextMessage>("durable-object:alarm");
/** Making a batch of writes durable. */
export const commits = new OperationChannel<CommitContext>("durable-object:commit");
/** Loading one object from the store. */
export const loads = new OperationChannel<StorageContext>("durable-object:storage.load");
/** Writing one object, as part of a batch. */
export const saves = new OperationChannel<StorageContext>("durable-object:storage.save");
/** Deleting one object, as part of a batch. */
export const deletes = new OperationChannel<StorageContext>("durable-object:storage.delete");
