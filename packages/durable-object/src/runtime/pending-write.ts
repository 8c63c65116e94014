/**
 * What one object has to write: the turns since its last commit, as one row.
 *
 * Several turns fold into one write: the newest state, the net changes to alarms, and the replies to
 * record. Every call that saw this state, also one that changed nothing, waits here for its reply. A write
 * is gathering (turns may still join), then in flight, then settled: either all of it is durable and the
 * calls are released, or none of it is and they are rejected.
 */

import type { DurableObjectError } from "../core/errors.ts";
import type { AdmittedState } from "../object/state-codec.ts";
import type { AlarmChange, ObjectWrite, RecordedReply } from "../ports/object-store.ts";
import type { Activation } from "./activation.ts";
import type { Call } from "./call.ts";
import type { TurnEffect } from "./turn.ts";

const noReplies: readonly RecordedReply[] = Object.freeze([]);
const noAlarms: readonly AlarmChange[] = Object.freeze([]);

/** What one object has to write. */
export class PendingWrite {
  readonly activation: Activation;
  /** The newest state. */
  head: AdmittedState;
  /** Whether the store has been asked and nobody knows what it did. */
  inDoubt = false;
  /** Whether the state itself has to be written: effects alone leave it as it is. */
  #stateChanged = false;
  #destroyed = false;
  #cancelAll = false;
  #alarms: Map<string, AlarmChange> | null = null;
  #replies: RecordedReply[] | null = null;
  readonly #calls: Call[] = [];
  #watchers: { resolve: () => void; reject: (error: DurableObjectError) => void }[] | null = null;

  constructor(activation: Activation, head: AdmittedState) {
    this.activation = activation;
    this.head = head;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** A call whose reply depends on this write. */
  await(call: Call): void {
    if (call.stage !== "settled") call.stage = "committing";
    call.write = this;
    this.#calls.push(call);
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
        case "set":
        case "cancel":
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

  /** The write as the store takes it. Called once, when the batch is closed. */
  toObjectWrite(baseRevision: number): ObjectWrite {
    return {
      address: this.activation.address,
      baseRevision,
      state: this.#stateChanged ? JSON.stringify(this.head.stored) : null,
      stateVersion: this.activation.type.codec.version,
      deleted: this.#destroyed,
      cancelAllAlarms: this.#cancelAll,
      alarms: this.#alarms === null ? noAlarms : [...this.#alarms.values()],
      replies: this.#replies ?? noReplies,
    };
  }

  /** Resolves when this write is durable; rejects if it is lost. */
  durable(): Promise<void> {
    return new Promise((resolve, reject) => (this.#watchers ??= []).push({ resolve, reject }));
  }

  release(): void {
    for (const call of this.#calls) this.activation.answer(call, null);
    for (const watcher of this.#watchers ?? []) watcher.resolve();
  }

  reject(error: DurableObjectError): void {
    for (const call of this.#calls) this.activation.answer(call, error);
    for (const watcher of this.#watchers ?? []) watcher.reject(error);
  }
}
