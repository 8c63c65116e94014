/**
 * The committer: makes writes durable, many in one commit.
 *
 * Writes gather while a commit is in flight and leave together in the next one. Batches are numbered, and
 * one is in flight at a time. A batch whose fate is unknown is sent again, the same under the same number,
 * until it is known: the store applies it once. A batch that the store refuses is split: around the write at
 * fault, if the store names it, else until it is alone. A reply is released only by `committed`: the output gate.
 */

import { formatAddress } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import { utf8Length } from "../core/json.ts";
import {
  StoreFailure,
  type CommitBatch,
  type CommitResult,
  type ObjectWrite,
  type OpenObjectStore,
} from "../ports/object-store.ts";
import { publishWarning } from "../telemetry/channels.ts";
import type { PendingWrite } from "./pending-write.ts";

const longestBatch = 1_024;
/** When a batch is closed early, in characters of state. */
const heaviestBatch = 4 * 1024 * 1024;

/** Writes on their way, with what the store is given; the same index is the same object. */
interface Batch {
  readonly pending: readonly PendingWrite[];
  readonly writes: readonly ObjectWrite[];
}

/** What the committer is given. */
export interface CommitterOptions {
  readonly store: OpenObjectStore;
  readonly environment: Environment;
  /** The largest state, in bytes of JSON. */
  readonly maxStateBytes: number;
  /** The right to write is gone: nothing can be committed any more. */
  readonly onLost: (failure: StoreFailure) => void;
}

/** Makes writes durable, many in one commit. */
export class Committer {
  readonly #options: CommitterOptions;
  #gathering: PendingWrite[] = [];
  #phase: "idle" | "gathering" | "sending" | "closed" = "idle";
  #number: number;
  #endBackOff = (): void => {};

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#number = options.store.lastNumber;
  }

  /** Has a write committed with the next batch. */
  add(pending: PendingWrite): void {
    this.#gathering.push(pending);
    if (this.#phase === "idle") this.#gather();
  }

  /** Sends nothing any more. */
  close(): void {
    this.#phase = "closed";
    this.#endBackOff();
  }

  #gather(): void {
    this.#phase = "gathering";
    this.#options.environment.soon(this.#sendSoon);
  }

  /** One function for all batches. */
  readonly #sendSoon = (): void => {
    if (this.#phase === "gathering") void this.#sendGathered();
  };

  /** One commit. What goes wrong is handled elsewhere, so that the good path has one wait. */
  async #sendGathered(): Promise<void> {
    this.#phase = "sending";
    const batch = this.#closeBatch();
    if (batch.writes.length > 0) {
      const commit = this.#numbered(batch);
      let result: CommitResult | null = null;
      let failure: unknown;
      try {
        result = await this.#options.store.commit(commit);
      } catch (error) {
        failure = error;
      }
      if (result === null) await this.#recover(batch, commit, failure);
      else this.#applied(batch, result);
    }
    if (!this.#isSending) return;
    if (this.#gathering.length > 0) this.#gather();
    else this.#phase = "idle";
  }

  #numbered({ writes }: Batch): CommitBatch {
    return { number: this.#number + 1, at: this.#options.environment.now(), writes };
  }

  #applied({ pending }: Batch, { stale }: CommitResult): void {
    // Closed meanwhile: everybody has been told already.
    if (!this.#isSending) return;
    this.#number += 1;
    const isStale = stale.length === 0 ? null : new Set(stale);
    for (let index = 0; index < pending.length; index++) {
      const each = pending[index] as PendingWrite;
      each.commitNumber = this.#number;
      each.commitSize = pending.length;
      if (isStale?.has(index) === true) each.owner.stale();
      else each.owner.committed(each);
    }
  }

  /** Waits before a batch is sent again; the process may not end before its fate is known. */
  #backOff(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.environment.after(waitMs, resolve, true);
      this.#endBackOff = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** Asked after every wait: it may have been closed meanwhile. */
  get #isSending(): boolean {
    return this.#phase === "sending";
  }

  /** Takes what has gathered, as far as it fits into one batch, in the form the store is given. */
  #closeBatch(): Batch {
    const pending: PendingWrite[] = [];
    const writes: ObjectWrite[] = [];
    const refused: { readonly each: PendingWrite; readonly error: DurableObjectError }[] = [];
    const gathered = this.#gathering;
    let taken = 0;
    let weight = 0;
    while (taken < gathered.length && writes.length < longestBatch && weight < heaviestBatch) {
      const each = gathered[taken++] as PendingWrite;
      const baseRevision = each.owner.sending(each);
      // Dropped while it gathered: its calls have their answers.
      if (baseRevision === null) continue;
      const write = this.#serialise(each, baseRevision);
      if (write instanceof DurableObjectError) {
        refused.push({ each, error: write });
      } else {
        weight += write.state?.length ?? 0;
        pending.push(each);
        writes.push(write);
      }
    }
    this.#gathering = taken === gathered.length ? [] : gathered.slice(taken);
    // Only now: whoever hears of it goes on at once, and what it then writes belongs to the next batch.
    for (const { each, error } of refused) each.owner.rejected(each, error);
    return { pending, writes };
  }

  /** The write as the store takes it, or why its state cannot be stored. */
  #serialise(pending: PendingWrite, baseRevision: number): ObjectWrite | DurableObjectError {
    const { address } = pending.owner;
    const { maxStateBytes } = this.#options;
    let write: ObjectWrite;
    try {
      write = pending.toObjectWrite(baseRevision);
    } catch (cause) {
      const message = `${formatAddress(address)}: the state cannot be written as JSON: ${messageOf(cause)}`;
      return new DurableObjectError("INVALID_STATE", message, { address, cause });
    }
    if (write.state === null || write.state.length * 3 <= maxStateBytes) return write;
    const bytes = utf8Length(write.state);
    if (bytes <= maxStateBytes) return write;
    return new DurableObjectError(
      "STATE_TOO_LARGE",
      `${formatAddress(address)}: the state has ${bytes} bytes of JSON, and at most ${maxStateBytes} are allowed. Nothing was saved. Split the object, or raise maxStateBytes.`,
      { address },
    );
  }

  /** A batch was not acknowledged. Finds out what became of it, and tells every activation its part. */
  async #recover(batch: Batch, commit: CommitBatch, failure: unknown): Promise<void> {
    const outcome = await this.#resolve(batch, commit, failure);
    if (outcome === null || !this.#isSending) return;
    if (!(outcome instanceof StoreFailure)) {
      this.#applied(batch, outcome);
      return;
    }
    for (const each of batch.pending) each.inDoubt = false;
    if (outcome.kind === "lost") {
      this.#phase = "closed";
      this.#options.onLost(outcome);
    } else if (outcome.kind === "refused" && batch.writes.length > 1) {
      await this.#split(batch, outcome);
    } else {
      for (const each of batch.pending) each.owner.rejected(each, commitError(each, outcome));
    }
  }

  /** Leaves out the write at fault, if the store has named it, and sends the rest in two parts. */
  async #split(batch: Batch, failure: StoreFailure): Promise<void> {
    const { length } = batch.writes;
    const named = failure.write ?? -1;
    const culprit = batch.pending[named];
    const middle = culprit === undefined ? length >> 1 : named;
    culprit?.owner.rejected(culprit, commitError(culprit, failure));
    if (middle > 0 && this.#isSending) await this.#sendPart(batch, 0, middle);
    const rest = culprit === undefined ? middle : middle + 1;
    if (rest < length && this.#isSending) await this.#sendPart(batch, rest, length);
  }

  /** Sends a part of a batch that was refused as a whole. */
  async #sendPart({ pending, writes }: Batch, from: number, to: number): Promise<void> {
    const part: Batch = { pending: pending.slice(from, to), writes: writes.slice(from, to) };
    const commit = this.#numbered(part);
    let result: CommitResult;
    try {
      result = await this.#options.store.commit(commit);
    } catch (error) {
      await this.#recover(part, commit, error);
      return;
    }
    this.#applied(part, result);
  }

  /**
   * Sends the same again until it is known what became of it. Returns the result, or a failure after which
   * nothing of it is or will be applied; null if closed.
   */
  async #resolve({ pending }: Batch, commit: CommitBatch, first: unknown): Promise<CommitResult | StoreFailure | null> {
    let failure = first;
    for (let attempt = 0; ; attempt++) {
      // Whatever is not known to have failed may have been applied. That there is no room for a second copy says
      // nothing about the first one, which may still be on its way.
      const isInDoubt = attempt > 0;
      if (failure instanceof StoreFailure && failure.kind !== "retry" && !(failure.kind === "full" && isInDoubt)) {
        return failure.kind === "lost" && isInDoubt ? maybeApplied(failure) : failure;
      }
      if (!this.#isSending) return null;
      for (const each of pending) each.inDoubt = true;
      const message = `Commit ${commit.number} of ${commit.writes.length} objects is in doubt and is sent again: ${messageOf(failure)}`;
      publishWarning({ warning: "commit-in-doubt", message, cause: failure });
      await this.#backOff(Math.min(20 * 2 ** attempt, 1_000));
      if (!this.#isSending) return null;
      try {
        return await this.#options.store.commit(commit);
      } catch (error) {
        failure = error;
      }
    }
  }
}

/** The right to write is gone, and an attempt before may have landed while it was still there. */
function maybeApplied({ kind, code, message, cause }: StoreFailure): StoreFailure {
  return new StoreFailure(kind, code, message, { cause, maybeApplied: true });
}

function commitError(pending: PendingWrite, failure: StoreFailure): DurableObjectError {
  const { address } = pending.owner;
  if (failure.code === "SQL_FAILED") {
    const message = `${formatAddress(address)}: the SQL of the turn failed, and nothing of the turn was kept: ${failure.message}`;
    // The error of the database itself: that is what an application asks for its codes.
    return new DurableObjectError("SQL_FAILED", message, { address, cause: failure.cause ?? failure });
  }
  const code = failure.kind === "full" ? failure.code : "COMMIT_FAILED";
  return new DurableObjectError(
    code,
    `${formatAddress(address)}: the commit failed, and nothing of it was kept: ${failure.message}`,
    {
      address,
      cause: failure,
      ...(failure.kind === "refused" ? { retryable: false } : {}),
    },
  );
}
