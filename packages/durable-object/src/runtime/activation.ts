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

import type { Address } from "../core/address.ts";
import type { DurableObjectError } from "../core/errors.ts";
import type { AdmittedState } from "../object/state-codec.ts";
import type { RecordedReply, StoredObject } from "../ports/object-store.ts";
import { publishPhase } from "../telemetry/channels.ts";
import type { ActivationHost } from "./activation-host.ts";
import { checkNextPhase, type Phase } from "./activation-phase.ts";
import {
  activationFailed,
  builtOnLost,
  leaseLapsed,
  mailboxFull,
  notActivated,
  staleRevision,
} from "./activation-errors.ts";
import type { Call, CallHolder, IdempotencyClaim } from "./call.ts";
import { Mailbox } from "./mailbox.ts";
import { beginWaiting, endObserved, runTurn } from "./observed-calls.ts";
import { ObjectState } from "./object-state.ts";
import type { ObjectType, Operation } from "./operation.ts";
import { PendingWrite, type WriteOwner } from "./pending-write.ts";
import { RecordedReplies, recordReply } from "./recorded-replies.ts";
import { deleteOperation } from "./system-operations.ts";
import { Turn, type Conclusion, type TurnObject } from "./turn.ts";
import { isVain, type TurnEffect } from "./turn-effect.ts";

/** One object in memory. */
export class Activation implements CallHolder, TurnObject, WriteOwner {
  readonly address: Address;
  readonly type: ObjectType;
  readonly state: ObjectState;
  readonly host: ActivationHost;
  readonly slot: number;
  /** Monotonic time of the last call, in ms. */
  lastUsedMs: number;
  #phase: Phase = "activating";
  #running: Turn | null = null;
  /** The call of the running turn; null for `afterLoad`. */
  #runningCall: Call | null = null;
  // Made when they are needed: an idle object has none of them.
  #reading: Map<Turn, Call> | null = null;
  #mailbox: Mailbox | null = null;
  #replies: RecordedReplies | null = null;

  constructor(address: Address, type: ObjectType, host: ActivationHost) {
    this.address = address;
    this.type = type;
    this.host = host;
    this.slot = host.slotOf(address);
    this.state = new ObjectState(address, type.codec, host.freezeState);
    this.lastUsedMs = host.environment.monotonic();
  }

  get phase(): Phase {
    return this.#phase;
  }

  get stateVersion(): number {
    return this.type.codec.version;
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
    checkNextPhase(this.address, from, phase);
    this.#phase = phase;
    publishPhase(this.address, from, phase);
    if (phase === "active") this.host.awake();
  }

  // ——— Coming to life ———

  /** Loads the state and runs `afterLoad`; then the calls that wait are taken. Never rejects. */
  async activate(): Promise<void> {
    try {
      const stored = await this.host.load(this.address);
      if (this.#phase !== "activating") return;
      const first = this.#mailbox?.first() ?? null;
      if (first?.operation === deleteOperation) {
        this.#deleteUnread(first, stored);
        return;
      }
      this.state.adopt(stored);
      if (this.type.afterLoad !== null) await this.#runAfterLoad(this.type.afterLoad);
    } catch (error) {
      if (this.#phase === "activating") this.#leaveWith(notActivated(this.address, error));
      return;
    }
    if (this.#phase !== "activating") return;
    this.#enter("active");
    this.#startReads();
    this.#goOn();
    // It was made for the calls that waited meanwhile: most objects need none after that.
    if (this.#mailbox?.size === 0) this.#mailbox = null;
  }

  /** What only reads waited for the object to be active, and not for the turns before it. */
  #startReads(): void {
    for (const call of this.#mailbox?.reads() ?? []) {
      this.#mailbox?.remove(call);
      this.#startRead(call);
    }
  }

  /** A deletion needs no state: also what cannot be read, or fails to come to life, can be deleted. */
  #deleteUnread(call: Call, stored: StoredObject | null): void {
    this.#mailbox?.remove(call);
    this.state.adoptUnread(stored);
    this.#enter("active");
    this.#start(call);
    // Whatever else waits needs the state, or `afterLoad`: it goes on at the next activation.
    if (this.#phase === "active") this.#enter("deactivating");
    this.#goOn();
  }

  async #runAfterLoad(operation: Operation): Promise<void> {
    const turn = new Turn(this, operation, null, Infinity, this.state.durable, null);
    this.#running = turn;
    const conclusion = await turn.run([]);
    turn.over = true;
    this.#running = null;
    if (turn.lost !== null) throw turn.lost;
    if (!conclusion.ok) throw activationFailed(this.address, conclusion.error);
    // Its commit is waited for here, so that calls build on it like on any committed state.
    const write = this.#write(turn, conclusion.head, conclusion.effects);
    if (write !== null) await new Promise<void>((resolve, reject) => write.whenDurable(resolve, reject));
  }

  // ——— Calls ———

  /** Takes a call: runs it now if it can run now, else lets it wait. */
  accept(call: Call, nowMs: number): void {
    this.lastUsedMs = nowMs;
    call.holder = this;
    if (this.#phase === "hibernated" && !this.#wake(call)) return;
    if (call.idempotency !== null && !call.operation.isRead && !this.#claim(call, call.idempotency)) return;
    if (this.#phase === "active" && call.operation.isRead) {
      this.#startRead(call);
    } else if ((this.#mailbox === null || this.#mailbox.size === 0) && this.#canStart(call)) {
      this.#start(call);
      this.#goOn();
    } else {
      this.#enqueue(call);
    }
  }

  /** A schema may refuse today what it let pass yesterday: then the object leaves, as if it failed to load. */
  #wake(call: Call): boolean {
    try {
      this.state.wake();
    } catch (error) {
      const failure = notActivated(this.address, error);
      this.#leaveWith(failure);
      call.reject(failure);
      return false;
    }
    this.#enter("active");
    return true;
  }

  #enqueue(call: Call): void {
    beginWaiting(call, this.host);
    this.#mailbox ??= new Mailbox(this.host.mailboxLimit);
    if (call.firing !== null || !this.#mailbox.isFull) {
      this.#mailbox.push(call);
      return;
    }
    this.answer(call, mailboxFull(this.address, this.#mailbox.size));
  }

  /** Takes back a call that waits; called when its caller gives up. */
  withdraw(call: Call): void {
    this.#mailbox?.remove(call);
    this.#forgetClaim(call, null);
    this.#goOn();
  }

  #canStart(call: Call): boolean {
    if (this.#running !== null || this.#phase !== "active" || call.lookingUp !== null) return false;
    if (this.state.newestWrite === null) return true;
    // Every commit that could have changed an alarm must be known before the alarm may fire.
    return call.firing === null && call.operation.pace === "sync" && this.state.takesTurns;
  }

  /** Goes on after something ended: with the calls that wait, as far as they can start, or by leaving. */
  #goOn(): void {
    const mailbox = this.#mailbox;
    if (mailbox !== null) {
      for (let call = mailbox.first(); call !== null && this.#canStart(call); call = mailbox.first()) {
        mailbox.remove(call);
        this.#start(call);
      }
    }
    if (this.#phase === "deactivating") {
      if (this.state.newestWrite === null && this.#running === null) this.#leave();
    } else if (this.#isToLeave) {
      this.leaveIfIdle();
    }
  }

  /** Runs a turn; one that is asynchronous goes on by itself when it is over. */
  #start(call: Call): void {
    const { state } = this;
    const { firing } = call;
    if (firing !== null && (firing.void || !state.exists)) {
      // Its alarm was set anew or called off while it waited, or went with its object.
      this.answer(call, null);
      return;
    }
    const turn = new Turn(this, call.operation, call.caller, call.deadline, state.head, state.newestWrite, firing);
    this.#running = turn;
    this.#runningCall = call;
    call.turn = turn;
    if (call.stage === "waiting") call.stage = "running";
    const conclusion = runTurn(call, turn, this.host);
    if (conclusion instanceof Promise) {
      void conclusion.then((concluded) => {
        this.lastUsedMs = this.host.environment.monotonic();
        this.#finish(call, turn, concluded);
        this.#goOn();
      });
    } else {
      this.#finish(call, turn, conclusion);
    }
  }

  #startRead(call: Call): void {
    const turn = new Turn(this, call.operation, call.caller, call.deadline, this.state.durable, null);
    call.turn = turn;
    call.stage = "running";
    const conclusion = runTurn(call, turn, this.host);
    if (conclusion instanceof Promise) {
      (this.#reading ??= new Map<Turn, Call>()).set(turn, call);
      void conclusion.then((concluded) => {
        this.lastUsedMs = this.host.environment.monotonic();
        this.#finishRead(call, turn, concluded);
      });
    } else {
      this.#finishRead(call, turn, conclusion);
    }
  }

  #finishRead(call: Call, turn: Turn, conclusion: Conclusion): void {
    turn.over = true;
    this.#reading?.delete(turn);
    conclude(call, conclusion);
    if (turn.lost === null) this.#answerFromMemory(call);
    else this.answer(call, turn.lost);
    if (this.#isToLeave) this.leaveIfIdle();
  }

  #finish(call: Call, turn: Turn, conclusion: Conclusion): void {
    turn.over = true;
    if (this.#running === turn) {
      this.#running = null;
      this.#runningCall = null;
    }
    if (turn.lost === null) {
      conclude(call, conclusion);
      const part = conclusion.ok ? this.#write(turn, conclusion.head, conclusion.effects) : null;
      if (part !== null && call.idempotency !== null) {
        call.record = recordReply(call, call.idempotency, this.host.environment.now());
        part.record(call.record);
      }
      // What it saw must be durable before anybody hears of it, also when it changed nothing.
      const write = part ?? this.state.newestWrite;
      if (write === null) this.#answerFromMemory(call);
      else write.await(call, part !== null);
    } else {
      this.answer(call, turn.lost);
    }
  }

  /** Has what a turn came to written, and returns the write; null if there is nothing to write. */
  #write(turn: Turn, head: AdmittedState, effects: readonly TurnEffect[]): PendingWrite | null {
    const stateChanged = head !== turn.base;
    if (!stateChanged && effects.length === 0) return null;
    const { exists } = this.state;
    const destroys = effects.some(({ change }) => change === "destroy");
    // Where nothing is stored there is nothing to delete and no alarm to call off.
    if (!exists && isVain(effects, stateChanged)) return null;
    // While it is activating no turn starts anyway.
    if (destroys && this.#phase === "active") this.#enter("deactivating");
    let write = this.state.gathering;
    if (write === null) {
      write = new PendingWrite(this, head);
      this.state.gather(write);
      this.host.commit(write);
    }
    // The first write of an object stores its state, also when that is the initial one.
    write.add(head, stateChanged || !exists, effects);
    return write;
  }

  /** Gives a call its answer: what its turn came to, or the error that took it away. */
  answer(call: Call, error: DurableObjectError | null): void {
    this.#forgetClaim(call, error === null ? call.record : null);
    endObserved(call, error);
    if (error === null) call.release();
    else call.reject(error);
  }

  /** Nothing asks the store whether this is still the owner: the lease must say so. */
  #answerFromMemory(call: Call): void {
    const { store, environment } = this.host;
    const isOwner = store.leaseUntilMs === Infinity || environment.monotonic() <= store.leaseUntilMs;
    if (isOwner) this.answer(call, null);
    else this.host.whenLeased((isLeased) => this.answer(call, isLeased ? null : leaseLapsed(this.address)));
  }

  // ——— Idempotency ———

  /** Whether the call has to run: it is the first under its key, as far as this process knows. */
  #claim(call: Call, claim: IdempotencyClaim): boolean {
    this.#replies ??= new RecordedReplies(this.address, this.host, (looked, answered) => {
      if (answered) this.#mailbox?.remove(looked);
      this.#goOn();
    });
    // While it is being loaded, nobody knows yet whether anything was ever written.
    const mayBeStored = this.#phase !== "active" || this.state.revision > 0;
    return this.#replies.claim(call, claim, mayBeStored);
  }

  #forgetClaim(call: Call, reply: RecordedReply | null): void {
    if (call.idempotency !== null) this.#replies?.finished(call, call.idempotency.key, reply);
  }

  // ——— What the committer reports ———

  sending(write: PendingWrite): number | null {
    if (this.state.gathering !== write) return null;
    this.state.sending(write);
    return this.state.revision;
  }

  committed(write: PendingWrite): void {
    if (this.#phase === "gone") return;
    this.state.committed(write);
    const { alarmsChanged } = write;
    if (alarmsChanged !== null) this.host.alarmsChanged(alarmsChanged);
    write.release();
    if (write.destroyed) this.#leave();
    else this.#goOn();
  }

  /** Nothing of the write was applied: back to the last committed state, with all that was built on it. */
  rejected(write: PendingWrite, error: DurableObjectError): void {
    if (this.#phase === "gone") return;
    const dropped = this.state.rollBack();
    const built = builtOnLost(this.address, error);
    const turn = this.#running;
    if (turn !== null && turn.basis !== null && dropped.includes(turn.basis)) {
      this.#lose(turn, this.#runningCall, built);
    }
    if (this.#phase === "deactivating" && !this.state.isUnread) {
      this.#enter("active");
      this.#startReads();
    }
    for (const each of dropped) each.reject(each === write ? error : built, built);
    this.#goOn();
  }

  /** The store has another revision than this activation knows: what is in memory counts for nothing. */
  stale(): void {
    if (this.#phase === "gone") return;
    const error = staleRevision(this.address, this.state.revision);
    const dropped = this.state.rollBack();
    if (this.#running !== null) this.#lose(this.#running, this.#runningCall, error);
    for (const each of dropped) each.reject(error);
    this.#leave();
  }

  /** What a turn saw is lost, or its object is: whatever it comes to counts for nothing, and that is certain now. */
  #lose(turn: Turn, call: Call | null, error: DurableObjectError): void {
    turn.lost = error;
    turn.abort(error);
    if (call !== null) this.answer(call, error);
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

  /** Finds a next state fit to be stored, or throws. */
  admit(base: AdmittedState, next: unknown): AdmittedState {
    return this.state.admit(base, next);
  }

  /** Starts no more turns, and leaves when the turn that asks for it is over. */
  beginToLeave(): void {
    this.#enter("deactivating");
  }

  /** Whether it only knows that its object was deleted. */
  get isTombstone(): boolean {
    return this.state.revision > 0 && !this.state.exists;
  }

  get #isToLeave(): boolean {
    return this.host.isLeaving(this.slot);
  }

  /** Leaves as soon as what has begun is over; calls that wait go on elsewhere. */
  vacate(): void {
    if (this.#phase === "hibernated") this.leaveIfIdle();
    if (this.#phase !== "active") return;
    this.#enter("deactivating");
    this.#goOn();
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
      call.lookingUp = null;
    }
    this.host.left(this, waiting);
  }

  /** Leaves now, whatever goes on. What runs counts for nothing. Who waits goes on elsewhere, or gets the error too. */
  abandon(error: DurableObjectError, inFlightError: DurableObjectError, waitingGoOn: boolean): void {
    if (this.#phase === "gone") return;
    const { inFlight } = this.state;
    const dropped = this.state.rollBack();
    if (this.#running !== null) this.#lose(this.#running, this.#runningCall, error);
    for (const [turn, call] of this.#reading ?? []) this.#lose(turn, call, error);
    if (waitingGoOn) this.#leave();
    else this.#leaveWith(error);
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
