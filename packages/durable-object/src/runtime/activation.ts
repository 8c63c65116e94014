/**
 * An activation: one object in memory.
 *
 *   activating ──► active ◄──► hibernated
 *        │            │             │
 *        └────────────┴─► deactivating ─► gone
 *
 * activating: its state is being loaded, then `afterLoad` runs; calls wait.
 * active: calls run, one turn at a time, in order of arrival.
 * hibernated: the live state is replaced by its text; the next call wakes it without the store.
 * deactivating: it starts no more turns, and is gone once what it has written is durable. Only a
 *   destruction that could not be committed leads back to active.
 * gone: it answers nothing any more. Calls that waited go on at the next activation.
 *
 * While a turn runs that may wait (an async handler), everything before it is durable. Whoever comes back
 * from a wait looks at the phase, or at whether its turn was lost, before it touches anything.
 */

import { formatAddress, type Address } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import type { AnyDefinition } from "../object/define-object.ts";
import type { Stub, StubOptions } from "../object/stub.ts";
import type { OpenObjectStore, RecordedReply, StoredObject } from "../ports/object-store.ts";
import { publishPhase } from "../telemetry/channels.ts";
import type { Call, CallHolder } from "./call.ts";
import { Mailbox } from "./mailbox.ts";
import { ObjectState } from "./object-state.ts";
import type { ObjectType, Operation } from "./operation.ts";
import { PendingWrite } from "./pending-write.ts";
import { answerFromRecord, RecordedReplies, recordReply } from "./recorded-replies.ts";
import { Turn, type Conclusion, type TurnEffect } from "./turn.ts";

/** Where an activation is in its life. */
export type Phase = "activating" | "active" | "hibernated" | "deactivating" | "gone";

const nextPhases: Readonly<Record<Phase, readonly Phase[]>> = {
  activating: ["active", "deactivating", "gone"],
  active: ["hibernated", "deactivating", "gone"],
  hibernated: ["active", "deactivating", "gone"],
  deactivating: ["active", "gone"],
  gone: [],
};

/** What an activation needs of its node. */
export interface ActivationHost {
  readonly environment: Environment;
  readonly store: OpenObjectStore;
  /** How many calls may wait for one object. */
  readonly mailboxLimit: number;
  readonly freezeState: boolean;
  /** Whether the node is stopping: objects leave as soon as nothing is going on. */
  readonly isDraining: boolean;
  load(address: Address): Promise<StoredObject | null>;
  /** Has a write committed; its activation hears of it by `committed`, `rejected` or `stale`. */
  commit(write: PendingWrite): void;
  stub<Definition extends AnyDefinition>(
    turn: Turn,
    definition: Definition,
    id: string,
    options: StubOptions | undefined,
  ): Stub<Definition>;
  /** The activation has left; `waiting` are the calls it did not get to. */
  left(activation: Activation, waiting: readonly Call[]): void;
}

/** One object in memory. */
export class Activation implements CallHolder {
  readonly address: Address;
  readonly type: ObjectType;
  readonly state: ObjectState;
  readonly host: ActivationHost;
  /** Monotonic time of the last call, in ms. */
  lastUsedMs: number;
  #phase: Phase = "activating";
  #running: Turn | null = null;
  // Made when they are needed: an idle object has none of them.
  #reading: Set<Turn> | null = null;
  #mailbox: Mailbox | null = null;
  #replies: RecordedReplies | null = null;

  constructor(address: Address, type: ObjectType, host: ActivationHost) {
    this.address = address;
    this.type = type;
    this.host = host;
    this.state = new ObjectState(address, type.codec, host.freezeState);
    this.lastUsedMs = host.environment.monotonic();
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Whether nothing waits, runs, or is being written. */
  get isIdle(): boolean {
    return (
      this.#running === null &&
      this.state.newestWrite === null &&
      (this.#mailbox === null || this.#mailbox.size === 0) &&
      (this.#reading === null || this.#reading.size === 0)
    );
  }

  #enter(phase: Phase): void {
    const from = this.#phase;
    if (!nextPhases[from].includes(phase)) {
      throw new Error(`${formatAddress(this.address)} cannot go from ${from} to ${phase}`);
    }
    this.#phase = phase;
    publishPhase(this.address, from, phase);
  }

  // ——— Coming to life ———

  /** Loads the state and runs `afterLoad`; then the calls that wait are taken. Never rejects. */
  async activate(): Promise<void> {
    try {
      const stored = await this.host.load(this.address);
      if (this.#phase !== "activating") return;
      this.state.adopt(stored);
      if (this.type.afterLoad !== null) await this.#runAfterLoad(this.type.afterLoad);
    } catch (error) {
      if (this.#phase === "activating" || this.#phase === "active")
        this.#leaveWith(activationError(this.address, error));
      return;
    }
    if (this.#phase !== "activating") return;
    this.#enter("active");
    for (const call of this.#mailbox?.reads() ?? []) {
      this.#mailbox?.remove(call);
      this.#startRead(call);
    }
    this.#goOn();
  }

  async #runAfterLoad(operation: Operation): Promise<void> {
    const turn = new Turn(this, operation, null, Infinity, this.state.durable, null);
    this.#running = turn;
    const conclusion = await turn.run([]);
    turn.over = true;
    this.#running = null;
    if (turn.lost !== null) throw turn.lost;
    if (!conclusion.ok) {
      const { message, reason } = conclusion.error;
      throw new DurableObjectError("ACTIVATION_FAILED", `${message}. The object was not activated.`, {
        address: this.address,
        reason,
        cause: conclusion.error,
      });
    }
    // Its commit is waited for here, so that calls build on it like on any committed state.
    await this.#write(turn, conclusion.head, conclusion.effects)?.durable();
  }

  // ——— Calls ———

  /** Takes a call: runs it now if it can run now, else lets it wait. */
  accept(call: Call, nowMs: number): void {
    this.lastUsedMs = nowMs;
    if (this.#phase === "hibernated") {
      this.state.wake();
      this.#enter("active");
    }
    call.holder = this;
    if (call.idempotency !== null && !this.#claim(call)) return;
    if (this.#phase === "active" && call.operation.isRead) {
      this.#startRead(call);
    } else if ((this.#mailbox === null || this.#mailbox.size === 0) && this.#canStart(call)) {
      this.#start(call);
    } else {
      this.#enqueue(call);
    }
  }

  #enqueue(call: Call): void {
    this.#mailbox ??= new Mailbox(this.host.mailboxLimit);
    if (!this.#mailbox.isFull) {
      this.#mailbox.push(call);
      return;
    }
    const error = new DurableObjectError(
      "MAILBOX_FULL",
      `${formatAddress(this.address)} has ${this.#mailbox.size} calls waiting and takes no more. Try again later, or raise mailboxLimit.`,
      { address: this.address },
    );
    this.answer(call, error);
  }

  /** Takes back a call that waits; called when its caller gives up. */
  withdraw(call: Call): void {
    this.#mailbox?.remove(call);
    this.#forgetClaim(call, null);
    this.#goOn();
  }

  #canStart(call: Call): boolean {
    if (this.#running !== null || this.#phase !== "active" || call.lookingUp) return false;
    if (this.state.newestWrite === null) return true;
    return call.operation.pace === "sync" && this.state.inFlight?.inDoubt !== true;
  }

  /** Starts the calls that wait, as far as they can start. */
  #pump(): void {
    const mailbox = this.#mailbox;
    if (mailbox === null) return;
    for (let call = mailbox.first(); call !== null && this.#canStart(call); call = mailbox.first()) {
      mailbox.remove(call);
      this.#start(call);
    }
  }

  #start(call: Call): void {
    const { state } = this;
    const turn = new Turn(this, call.operation, call.caller, call.deadline, state.head, state.newestWrite);
    this.#running = turn;
    call.turn = turn;
    if (call.stage === "waiting") call.stage = "running";
    const conclusion = turn.run(call.args);
    if (conclusion instanceof Promise) void conclusion.then((concluded) => this.#finish(call, turn, concluded));
    else this.#finish(call, turn, conclusion);
  }

  #startRead(call: Call): void {
    const turn = new Turn(this, call.operation, call.caller, call.deadline, this.state.durable, null);
    call.turn = turn;
    call.stage = "running";
    const conclusion = turn.run(call.args);
    if (conclusion instanceof Promise) {
      (this.#reading ??= new Set()).add(turn);
      void conclusion.then((concluded) => this.#finishRead(call, turn, concluded));
    } else {
      this.#finishRead(call, turn, conclusion);
    }
  }

  #finishRead(call: Call, turn: Turn, conclusion: Conclusion): void {
    turn.over = true;
    this.#reading?.delete(turn);
    conclude(call, conclusion);
    this.answer(call, turn.lost);
    if (this.host.isDraining) this.leaveIfIdle();
  }

  #finish(call: Call, turn: Turn, conclusion: Conclusion): void {
    turn.over = true;
    if (this.#running === turn) this.#running = null;
    if (turn.lost === null) {
      conclude(call, conclusion);
      if (conclusion.ok) {
        const write = this.#write(turn, conclusion.head, conclusion.effects);
        if (write !== null && call.idempotency !== null) {
          call.record = recordReply(call, call.idempotency, this.host.environment.now());
          write.record(call.record);
        }
      }
      // What it saw must be durable before anybody hears of it, also when it changed nothing.
      const write = this.state.newestWrite;
      if (write === null) this.answer(call, null);
      else write.await(call);
    } else {
      this.answer(call, turn.lost);
    }
    this.#goOn();
  }

  /** Goes on after something ended: with the next call, or by leaving. */
  #goOn(): void {
    if (this.#phase === "deactivating" && this.state.newestWrite === null && this.#running === null) {
      this.#leave();
      return;
    }
    this.#pump();
    if (this.host.isDraining) this.leaveIfIdle();
  }

  /** Has what a turn came to written, and returns the write; null if there is nothing to write. */
  #write(turn: Turn, head: Turn["base"], effects: readonly TurnEffect[]): PendingWrite | null {
    const stateChanged = head !== turn.base;
    if (!stateChanged && effects.length === 0) return null;
    const { exists } = this.state;
    if (effects.some(({ change }) => change === "destroy")) this.#enter("deactivating");
    // Nothing is stored: there is nothing to delete and no alarm to call off.
    if (!exists && (this.#phase === "deactivating" || (!stateChanged && effects.every(isCancellation)))) return null;
    let write = this.state.gathering;
    if (write === null) {
      write = new PendingWrite(this, head);
      this.state.gather(write);
      this.host.commit(write);
    }
    write.add(head, stateChanged, effects);
    return write;
  }

  /** Gives a call its answer: what its turn came to, or the error that took it away. */
  answer(call: Call, error: DurableObjectError | null): void {
    this.#forgetClaim(call, error === null ? call.record : null);
    if (error === null) call.release();
    else call.reject(error);
  }

  // ——— Idempotency ———

  /** Whether the call has to run: it is the first under its key, as far as this process knows. */
  #claim(call: Call): boolean {
    const claim = call.idempotency;
    if (claim === null || call.operation.isRead) return true;
    this.#replies ??= new RecordedReplies();
    if (!this.#replies.claim(call, claim)) return false;
    const neverWritten = this.#phase === "active" && this.state.revision === 0;
    if (!neverWritten) {
      call.lookingUp = true;
      void this.#lookUp(call, claim.key);
    }
    return true;
  }

  async #lookUp(call: Call, key: string): Promise<void> {
    let found: RecordedReply | null = null;
    let failure: DurableObjectError | null = null;
    try {
      found = await this.host.store.findReply(this.address, key, this.host.environment.now());
    } catch (error) {
      failure = loadError(this.address, `the idempotency key ${JSON.stringify(key)} could not be looked up`, error);
    }
    // It may have been withdrawn, or moved to the next activation, which looks up for itself.
    if (call.holder !== this || !call.lookingUp) return;
    call.lookingUp = false;
    if (failure !== null || found !== null) {
      this.#mailbox?.remove(call);
      this.#forgetClaim(call, found);
      if (failure !== null) call.reject(failure);
      else if (found !== null) answerFromRecord(call, found);
    }
    this.#goOn();
  }

  #forgetClaim(call: Call, reply: RecordedReply | null): void {
    if (call.idempotency === null) return;
    call.lookingUp = false;
    this.#replies?.finished(call, call.idempotency.key, reply);
  }

  // ——— What the committer reports ———

  committed(write: PendingWrite): void {
    this.state.committed(write);
    write.release();
    if (write.destroyed) this.#leave();
    else this.#goOn();
  }

  /** Nothing of the write was applied: back to the last committed state, with all that was built on it. */
  rejected(write: PendingWrite, error: DurableObjectError): void {
    const dropped = this.state.rollBack();
    const built = new DurableObjectError(
      "COMMIT_FAILED",
      `${formatAddress(this.address)}: the call ran on a state that could not be committed. Nothing of it was kept. (${error.message})`,
      { address: this.address, cause: error, outcome: error.outcome },
    );
    const turn = this.#running;
    if (turn !== null && turn.basis !== null && dropped.includes(turn.basis)) lose(turn, built);
    if (this.#phase === "deactivating") this.#enter("active");
    for (const each of dropped) each.reject(each === write ? error : built);
    this.#goOn();
  }

  /** The store has another revision than this activation knows: what is in memory counts for nothing. */
  stale(): void {
    const error = new DurableObjectError(
      "STALE_REVISION",
      `${formatAddress(this.address)} was changed by somebody else: its revision in the store is not ${this.state.revision}. The call was not applied; the object is loaded afresh.`,
      { address: this.address },
    );
    const dropped = this.state.rollBack();
    if (this.#running !== null) lose(this.#running, error);
    for (const each of dropped) each.reject(error);
    this.#leave();
  }

  // ——— Sleeping and leaving ———

  /** Replaces the live state by its text, if nothing is going on. */
  hibernate(): void {
    if (this.#phase !== "active" || !this.isIdle) return;
    this.state.sleep();
    this.#mailbox = null;
    this.#reading = null;
    this.#replies = null;
    this.#enter("hibernated");
  }

  /** Starts no more turns, and leaves when the turn that asks for it is over. */
  beginToLeave(): void {
    this.#enter("deactivating");
  }

  /** Leaves memory at once, if nothing is going on. */
  leaveIfIdle(): void {
    if ((this.#phase !== "active" && this.#phase !== "hibernated") || !this.isIdle) return;
    this.#enter("deactivating");
    this.#leave();
  }

  #leave(): void {
    const waiting = this.#mailbox?.drain() ?? [];
    this.#enter("gone");
    for (const call of waiting) {
      call.holder = null;
      call.lookingUp = false;
    }
    this.host.left(this, waiting);
  }

  /** Leaves now, whatever goes on. Everybody who waits gets the error; what runs counts for nothing. */
  abandon(error: DurableObjectError, inFlightError: DurableObjectError): void {
    if (this.#phase === "gone") return;
    const { inFlight } = this.state;
    const dropped = this.state.rollBack();
    if (this.#running !== null) lose(this.#running, error);
    for (const turn of this.#reading ?? []) lose(turn, error);
    this.#leaveWith(error);
    for (const each of dropped) each.reject(each === inFlight ? inFlightError : error);
  }

  #leaveWith(error: DurableObjectError): void {
    const waiting = this.#mailbox?.drain() ?? [];
    this.#enter("gone");
    this.host.left(this, []);
    for (const call of waiting) this.answer(call, error);
  }
}

function conclude(call: Call, conclusion: Conclusion): void {
  if (conclusion.ok) call.value = conclusion.value;
  else call.failure = conclusion.error;
}

/** The state a turn saw is lost: its conclusion counts for nothing, and it is told so. */
function lose(turn: Turn, error: DurableObjectError): void {
  turn.lost = error;
  turn.abort(error);
}

function isCancellation({ change }: TurnEffect): boolean {
  return change === "cancel" || change === "cancelAll";
}

function activationError(address: Address, error: unknown): DurableObjectError {
  return error instanceof DurableObjectError ? error : loadError(address, "the object could not be loaded", error);
}

function loadError(address: Address, what: string, error: unknown): DurableObjectError {
  return new DurableObjectError("LOAD_FAILED", `${formatAddress(address)}: ${what}: ${messageOf(error)}`, {
    address,
    cause: error,
  });
}
