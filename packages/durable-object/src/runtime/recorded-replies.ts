/**
 * Idempotency keys of one object: which are under way, and the replies of those that were applied lately.
 * What is not known here is looked up in the store.
 *
 * Only replies of calls that changed something are recorded: repeating one that changed nothing is
 * harmless, and a failed call applied nothing.
 */

import { formatAddress, type Address } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import { DurableObjectError } from "../core/errors.ts";
import type { OpenObjectStore, RecordedReply } from "../ports/object-store.ts";
import { loadFailed } from "./activation-errors.ts";
import type { Call, IdempotencyClaim } from "./call.ts";

const keptReplies = 256;
/** How long a reply is kept in the store. */
const replyKeptMs = 86_400_000;
/** The longest result that is kept, in characters of JSON. */
const longestKeptResult = 65_536;

/** Where replies are looked up. */
interface ReplySource {
  readonly environment: Environment;
  readonly store: Pick<OpenObjectStore, "findReply">;
}

/** The idempotency keys of one object. */
export class RecordedReplies {
  readonly #address: Address;
  readonly #source: ReplySource;
  readonly #lookedUp: (call: Call, answered: boolean) => void;
  readonly #underWay = new Map<string, Call>();
  readonly #applied = new Map<string, RecordedReply>();

  /** @param lookedUp - hears that a call's key was looked up, and whether that answered it */
  constructor(address: Address, source: ReplySource, lookedUp: (call: Call, answered: boolean) => void) {
    this.#address = address;
    this.#source = source;
    this.#lookedUp = lookedUp;
  }

  /**
   * Claims the key of a call. True if this call is the first under its key and has to run; not before
   * `lookingUp` is over. False if it was answered, or will be together with the call that holds the key.
   *
   * @param mayBeStored - whether the store may know the key
   */
  claim(call: Call, { key, fingerprint }: IdempotencyClaim, mayBeStored: boolean): boolean {
    const first = this.#underWay.get(key);
    if (first !== undefined) {
      if (first.idempotency?.fingerprint === fingerprint) first.join(call);
      else call.reject(keyReused(call, key));
      return false;
    }
    const reply = this.#applied.get(key);
    if (reply !== undefined) {
      answerFromRecord(call, reply);
      return false;
    }
    this.#underWay.set(key, call);
    if (mayBeStored) {
      call.lookingUp = this;
      void this.#lookUp(call, key);
    }
    return true;
  }

  async #lookUp(call: Call, key: string): Promise<void> {
    let found: RecordedReply | null = null;
    let failure: DurableObjectError | null = null;
    try {
      found = await this.#source.store.findReply(this.#address, key, this.#source.environment.now());
    } catch (cause) {
      failure = loadFailed(this.#address, `the idempotency key ${JSON.stringify(key)} could not be looked up`, cause);
    }
    // It may have been given up, or moved to the next activation, which looks up for itself.
    if (call.lookingUp !== this) return;
    call.lookingUp = null;
    if (failure !== null || found !== null) this.finished(call, key, found);
    if (failure !== null) call.reject(failure);
    else if (found !== null) answerFromRecord(call, found);
    this.#lookedUp(call, failure !== null || found !== null);
  }

  /** The call that held the key is over; `reply` is what was recorded, if anything was. */
  finished(call: Call, key: string, reply: RecordedReply | null): void {
    if (call.lookingUp === this) call.lookingUp = null;
    if (this.#underWay.get(key) === call) this.#underWay.delete(key);
    if (reply === null) return;
    this.#applied.set(key, reply);
    if (this.#applied.size <= keptReplies) return;
    const [oldest] = this.#applied.keys();
    if (oldest !== undefined) this.#applied.delete(oldest);
  }
}

/** The record of a call that is about to be committed. */
export function recordReply(call: Call, claim: IdempotencyClaim, nowMs: number): RecordedReply {
  const text = call.value === undefined ? "" : JSON.stringify(call.value);
  return {
    key: claim.key,
    fingerprint: claim.fingerprint,
    result: text.length > longestKeptResult ? null : text,
    expiresAt: nowMs + replyKeptMs,
  };
}

/** Answers a repeated call with what the first one was answered. */
function answerFromRecord(call: Call, reply: RecordedReply): void {
  if (reply.fingerprint !== call.idempotency?.fingerprint) {
    call.reject(keyReused(call, reply.key));
  } else if (reply.result === null) {
    call.reject(
      new DurableObjectError(
        "RESULT_NOT_RECORDED",
        `${formatAddress(call.address)}: the call "${call.operation.name}" with the idempotency key ${JSON.stringify(reply.key)} was applied before. Its result was larger than 64 KiB and was not kept: read the state instead.`,
        { address: call.address },
      ),
    );
  } else {
    call.resolve(reply.result === "" ? undefined : JSON.parse(reply.result));
  }
}

function keyReused(call: Call, key: string): DurableObjectError {
  return new DurableObjectError(
    "IDEMPOTENCY_KEY_REUSED",
    `${formatAddress(call.address)}: the idempotency key ${JSON.stringify(key)} belongs to another call (another handler or other arguments). Use a new key for every call that is not a repetition.`,
    { address: call.address },
  );
}
