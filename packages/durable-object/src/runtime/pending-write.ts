/**
 * What one object has to write: the turns since its last commit, as one row.
 *
 * Several turns fold into one write: the newest state, the net changes to alarms, and the replies to
 * record. A turn with SQL of the application is the only one in its write, so that a statement that fails
 * is a failure of that turn alone. Every call that saw this state, also one that changed nothing, waits here for its reply. A write
 * is gathering (turns may still join), then in flight, then settled: either all of it is durable and the
 * calls are released, or none of it is and they are rejected.
 */

import type { Address } from "../core/address.ts";
import type { DurableObjectError } from "../core/errors.ts";
import type { SqlStatement } from "../core/sql-statement.ts";
import type { AdmittedState } from "../object/state-codec.ts";
import type { AlarmChange, ObjectWrite, RecordedReply } from "../ports/object-store.ts";
import type { AlarmsChanged } from "../ports/scheduler.ts";
import type { Call } from "./call.ts";
import type { TurnEffect } from "./turn-effect.ts";

const noReplies: readonly RecordedReply[] = Object.freeze([]);
const noAlarms: readonly AlarmChange[] = Object.freeze([]);
const noStatements: readonly SqlStatement[] = Object.freeze([]);

/** The object a write belongs to, as far as a write and the committer know it. */
export interface WriteOwner {
  readonly address: Address;
  readonly stateVersion: number;
  /** Gives a call its answer: what its turn came to, or the error that took it away. */
  answer(call: Call, error: DurableObjectError | null): void;
  /** The write is about to leave. Returns the revision it is built on; null if it was dropped meanwhile. */
  sending(write: PendingWrite): number | null;
  committed(write: PendingWrite): void;
  /** Nothing of the write was applied. */
  rejected(write: PendingWrite, error: DurableObjectError): void;
  /** The store has another revision than the one the write is built on. */
  stale(): void;
}

/** What one object has to write. */
export class PendingWrite {
  readonly owner: WriteOwner;
  /** The newest state. */
  head: AdmittedState;
  /** Whether the store has been asked and nobody knows what it did. */
  inDoubt = false;
  // What was written, once it is: the revision of the object, and the commit it was part of.
  revision = 0;
  commitNumber = 0;
  commitSize = 0;
  /** Whether the state itself has to be written: effects alone leave it as it is. */
  #stateChanged = false;
  #destroyed = false;
  #cancelAll = false;
  #alarms: Map<string, AlarmChange> | null = null;
  #replies: RecordedReply[] | null = null;
  #statements: SqlStatement[] | null = null;
  readonly #calls: Call[] = [];
  #onlookers: Call[] | null = null;
  /** Null until its fate is known. */
  #fate: "durable" | DurableObjectError | null = null;
  #watchers: { readonly durable: () => void; readonly lost: (error: DurableObjectError) => void }[] | null = null;

  constructor(owner: WriteOwner, head: AdmittedState) {
    this.owner = owner;
    this.head = head;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** Whether a turn has SQL of the application in it: then no other turn may join. */
  get hasStatements(): boolean {
    return this.#statements !== null;
  }

  /**
   * A call whose reply depends on this write.
   *
   * @param isPart - whether its turn is part of the write, and has not only seen the state it carries
   */
  await(call: Call, isPart: boolean): void {
    if (call.stage !== "settled") call.stage = "committing";
    call.write = this;
    if (isPart) this.#calls.push(call);
    else (this.#onlookers ??= []).push(call);
  }

  /** Folds in what a turn came to. `stateChanged` says whether the state itself is another one. */
  add(head: AdmittedState, stateChanged: boolean, effects: readonly TurnEffect[]): void {
    this.head = head;
    if (stateChanged) this.#stateChanged = true;
    for (const effect of effects) {
      switch (effect.change) {
        case "cancelAll":
          this.#cancelAll = true;
          this.#alarms = null;
          break;
        case "destroy":
          this.#destroyed = true;
          break;
        case "sql":
          (this.#statements ??= []).push(effect.statement);
          break;
        default:
          (this.#alarms ??= new Map()).set(effect.name, effect);
          break;
      }
    }
    // What gathered before a destruction goes with it, replies of earlier calls included.
    if (this.#destroyed) {
      this.#stateChanged = false;
      this.#cancelAll = false;
      this.#alarms = null;
      this.#replies = null;
    }
  }

  /** Has the reply of a call recorded under its idempotency key. */
  record(reply: RecordedReply): void {
    (this.#replies ??= []).push(reply);
  }

  /** What it changes about alarms, for the scheduler; null if nothing. */
  get alarmsChanged(): AlarmsChanged | null {
    const all = this.#cancelAll || this.#destroyed;
    if (!all && this.#alarms === null) return null;
    return { address: this.owner.address, all, changes: [...(this.#alarms?.values() ?? [])] };
  }

  /** The write as the store takes it. Called once, when the batch is closed. */
  toObjectWrite(baseRevision: number): ObjectWrite {
    this.revision = baseRevision + 1;
    return {
      address: this.owner.address,
      baseRevision,
      state: this.#stateChanged ? JSON.stringify(this.head.stored) : null,
      stateVersion: this.owner.stateVersion,
      deleted: this.#destroyed,
      cancelAllAlarms: this.#cancelAll,
      alarms: this.#alarms === null ? noAlarms : [...this.#alarms.values()],
      replies: this.#replies ?? noReplies,
      statements: this.#statements ?? noStatements,
    };
  }

  /** Calls back when this write is durable or lost: at once if that is known, and before anything else happens. */
  whenDurable(durable: () => void, lost: (error: DurableObjectError) => void): void {
    if (this.#fate === "durable") durable();
    else if (this.#fate !== null) lost(this.#fate);
    else (this.#watchers ??= []).push({ durable, lost });
  }

  /** It is durable: everybody who waits for it goes on. */
  release(): void {
    this.#fate = "durable";
    for (const call of this.#calls) this.owner.answer(call, null);
    for (const call of this.#onlookers ?? []) this.owner.answer(call, null);
    for (const watcher of this.#watchers ?? []) watcher.durable();
  }

  /**
   * It is lost.
   *
   * @param error - for the calls that are part of it
   * @param seen - for those that only saw its state
   */
  reject(error: DurableObjectError, seen: DurableObjectError = error): void {
    this.#fate = error;
    for (const call of this.#calls) this.owner.answer(call, error);
    for (const call of this.#onlookers ?? []) this.owner.answer(call, seen);
    for (const watcher of this.#watchers ?? []) watcher.lost(seen);
  }
}
