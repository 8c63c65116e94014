/**
 * Tracing: what a runtime tells whoever follows calls through it, and what it carries along for them.
 *
 * A runtime without it pays one comparison at each of these points. The context of a caller travels as a text that
 * nobody here reads: to other nodes with the call, and into the alarms that a turn sets. What a method throws is
 * dropped: following a call must not change what becomes of it. Counting and measuring need none of this: for that
 * there are the events of `node:diagnostics_channel`.
 */

import type { Address } from "../core/address.ts";

/** A call, as its caller makes it. */
export interface CallBegun {
  readonly address: Address;
  /** The name of the handler, or of one of the library's own operations. */
  readonly handler: string;
}

/** A turn, as it begins: its call has waited, and its handler runs next. */
export interface TurnBegun {
  readonly address: Address;
  /** The name of the handler, of the alarm, or of one of the library's own operations. */
  readonly handler: string;
  /** What the caller's context came as; of an alarm, that of the turn that set it; null if there is none. */
  readonly trace: string | null;
  /** How long the call waited for its turn, coming to life included, in ms. */
  readonly waitMs: number;
  /** Which attempt it is, from 1, if it fires an alarm; else null. */
  readonly attempt: number | null;
}

/** A commit that the answer of a turn has waited for. */
export interface ObservedCommit {
  /** Of the batch; 0 if it was not written. */
  readonly commitNumber: number;
  /** How many objects were in it. */
  readonly commitSize: number;
  /** That the object has with it. */
  readonly revision: number;
}

/** A call that is followed on its caller's side. */
export interface ObservedCall {
  /** The context as a text, to be carried along; null for nothing. */
  readonly trace: string | null;
  /** The caller has its answer. */
  end(error: Error | null): void;
}

/** A turn that is followed where it runs. */
export interface ObservedTurn {
  /** The context of the turn, for the alarms that it sets; null for nothing. */
  readonly trace: string | null;
  /** Runs the handler in the context of the turn, and returns what it returns. */
  run<Result>(work: () => Result): Result;
  /** The handler has come to an end; what it came to may still have to be committed. */
  handled(error: Error | null): void;
  /**
   * All is over. Called once; perhaps before `handled`, if what the turn saw was lost while the handler ran.
   *
   * @param commit - what its answer waited for; null for nothing
   */
  end(error: Error | null, commit: ObservedCommit | null): void;
}

/** Who follows calls. `openTelemetry()` of `durable-object/otel` makes one. */
export interface Instrumentation {
  /** A runtime starts; what is returned is called when it has stopped. */
  attach(): () => void;
  call(call: CallBegun): ObservedCall;
  turn(turn: TurnBegun): ObservedTurn;
}
