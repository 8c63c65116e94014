/**
 * The committer: makes writes durable, many in one commit.
 *
 * Writes gather while a commit is in flight and leave together in the next one. Batches are numbered, and
 * one is in flight at a time. A batch whose fate is unknown is sent again, the same under the same number,
 * until it is known: the store applies it once. A batch that the store refuses is split until the write at
 * fault is alone. A reply is released only by `committed`: the output gate.
 */

import { formatAddress } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import { utf8Length } from "../core/json.ts";
import { StoreFailure, type CommitResult, type ObjectWrite, type OpenObjectStore } from "../ports/object-store.ts";
import { publishWarning } from "../telemetry/channels.ts";
import type { PendingWrite } from "./pending-write.ts";

const longestBatch = 1_024;
/** When a batch is closed early, in characters of state. */
const heaviestBatch = 4 * 1024 * 1024;

/** A write on its way, with what the store was given. */
interface Sent {
  readonly pending: PendingWrite;
  readonly write: ObjectWrite;
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
    this.#options.environment.soon(() => {
      if (this.#phase === "gathering") void this.#sendGathered();
    });
  }

  async #sendGathered(): Promise<void> {
    this.#phase = "sending";
    await this.#send(this.#closeBatch());
    if (!this.#isSending) return;
    if (this.#gathering.length > 0) {
      this.#gather();
    } else {
      this.#phase = "idle";
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
  #closeBatch(): Sent[] {
    const batch: Sent[] = [];
    const refused: { readonly pending: PendingWrite; readonly error: DurableObjectError }[] = [];
    const gathered = this.#gathering;
    let taken = 0;
    let weight = 0;
    while (taken < gathered.length && batch.length < longestBatch && weight < heaviestBatch) {
      const pending = gathered[taken++] as PendingWrite;
      const baseRevision = pending.owner.sending(pending);
      // Dropped while it gathered: its calls have their answers.
      if (baseRevision === null) continue;
      const write = this.#serialise(pending, baseRevision);
      if (write instanceof DurableObjectError) {
        refused.push({ pending, error: write });
      } else {
        weight += write.state?.length ?? 0;
        batch.push({ pending, write });
      }
    }
    this.#gathering = gathered.slice(taken);
    // Only now: whoever hears of it goes on at once, and what it then writes belongs to the next batch.
    for (const { pending, error } of refused) pending.owner.rejected(pending, error);
    return batch;
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

  /** Sends a batch until its fate is known, and tells every activation its part. */
  async #send(batch: readonly Sent[]): Promise<void> {
    if (batch.length === 0) return;
    const outcome = await this.#commit(batch);
    // Closed meanwhile: everybody has been told already.
    if (outcome === null || !this.#isSending) return;
    if (!(outcome instanceof StoreFailure)) {
      this.#number += 1;
      const stale = new Set(outcome.stale);
      batch.forEach(({ pending }, index) => {
        if (stale.has(index)) pending.owner.stale();
        else pending.owner.committed(pending);
      });
      return;
    }
    for (const { pending } of batch) pending.inDoubt = false;
    if (outcome.kind === "lost") {
      this.#phase = "closed";
      this.#options.onLost(outcome);
    } else if (outcome.kind === "refused" && batch.length > 1) {
      const middle = batch.length >> 1;
      await this.#send(batch.slice(0, middle));
      if (this.#isSending) await this.#send(batch.slice(middle));
    } else {
      for (const { pending } of batch) pending.owner.rejected(pending, commitError(pending, outcome));
    }
  }

  /** The result of a batch, or a failure after which nothing of it is or will be applied; null if closed. */
  async #commit(batch: readonly Sent[]): Promise<CommitResult | StoreFailure | null> {
    const { store, environment } = this.#options;
    const commit = { number: this.#number + 1, at: environment.now(), writes: batch.map(({ write }) => write) };
    for (let attempt = 0; ; attempt++) {
      try {
        return await store.commit(commit);
      } catch (error) {
        // Whatever is not known to have failed may have been applied.
        if (error instanceof StoreFailure && error.kind !== "retry") {
          return error.kind === "lost" && attempt > 0 ? maybeApplied(error) : error;
        }
        if (!this.#isSending) return null;
        for (const { pending } of batch) pending.inDoubt = true;
        const message = `Commit ${commit.number} of ${batch.length} objects is in doubt and is sent again: ${messageOf(error)}`;
        publishWarning({ warning: "commit-in-doubt", message, cause: error });
        await this.#backOff(Math.min(20 * 2 ** attempt, 1_000));
        if (!this.#isSending) return null;
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
