/**
 * A call: one use of an operation, from the stub to the reply.
 *
 * waiting (for its turn) → running → committing (the turn is over, its reply waits for the disk) → settled.
 * A caller may be answered before its call is over: at its deadline, or when it gives up. Then `stage` is
 * already `settled` for the caller while the turn goes on; what the turn does is kept all the same.
 */

import { formatAddress, type Address } from "../core/address.ts";
import { copyJson } from "../core/json.ts";
import { DurableObjectError, type ErrorCode, type FailureOutcome } from "../core/errors.ts";
import type { Firing } from "../alarms/firing.ts";
import type { ObservedCall, ObservedCommit, ObservedTurn } from "../ports/instrumentation.ts";
import type { RecordedReply } from "../ports/object-store.ts";
import type { Bucket, Expiring } from "./deadlines.ts";
import type { Operation } from "./operation.ts";
import type { ChainLink } from "./call-chain.ts";

/** Where a call stands, as its caller sees it. */
export type CallStage = "waiting" | "running" | "committing" | "settled";

/** A call's claim that it is the same as an earlier one under the same key. */
export interface IdempotencyClaim {
  readonly key: string;
  readonly fingerprint: string;
}

/** Told when a caller has its answer. */
export interface CallObserver {
  settled(call: Call, error: DurableObjectError | null): void;
}

/** Takes a call back that has not started. */
export interface CallHolder {
  withdraw(call: Call): void;
}

let takenResolve: (value: unknown) => void;
let takenReject: (error: unknown) => void;
// One executor for all calls: no closure for each.
const take = (resolve: (value: unknown) => void, reject: (error: unknown) => void): void => {
  takenResolve = resolve;
  takenReject = reject;
};

/** One use of an operation. */
export class Call implements Expiring {
  readonly address: Address;
  readonly operation: Operation;
  readonly deadline: number;
  /** The turn that makes this call, or null if it comes from outside. */
  readonly caller: ChainLink | null;
  readonly promise: Promise<unknown>;
  args: readonly unknown[];
  idempotency: IdempotencyClaim | null = null;
  /** Who looks up its idempotency key; until that is done it may not start. */
  lookingUp: object | null = null;
  /** Calls under the same idempotency key that get the same answer. */
  followers: Call[] | null = null;
  /** The alarm it delivers, if it is not a caller's. */
  firing: Firing | null = null;
  /** Whether another node sent it, which looks for the owner if that is not this one. */
  isFromNode = false;
  /** Who holds it while it waits. */
  holder: CallHolder | null = null;
  /** The turn it runs in, once it does. */
  turn: { abort(error: DurableObjectError): void } | null = null;
  /** The write its reply waits for. */
  write: (ObservedCommit & { readonly inDoubt: boolean }) | null = null;
  /** What that write records under its idempotency key, if it changes anything. */
  record: RecordedReply | null = null;
  /** The answer, once the turn is over. */
  value: unknown = undefined;
  failure: DurableObjectError | null = null;
  /** For telemetry. */
  context: object | null = null;
  /** The context of its caller as a text, if somebody follows calls. */
  trace: string | null = null;
  /** Who follows it on its caller's side, and where it runs. */
  observed: ObservedCall | null = null;
  served: ObservedTurn | null = null;
  /** Since when it waits for its turn, in monotonic ms; set if it does, and somebody follows calls. */
  waitsSinceMs: number | null = null;
  stage: CallStage = "waiting";
  bucket: Bucket | null = null;
  earlier: Expiring | null = null;
  later: Expiring | null = null;
  #isFollower = false;
  readonly #observer: CallObserver;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    address: Address,
    operation: Operation,
    args: readonly unknown[],
    deadline: number,
    caller: ChainLink | null,
    observer: CallObserver,
  ) {
    this.address = address;
    this.operation = operation;
    this.args = args;
    this.deadline = deadline;
    this.caller = caller;
    this.#observer = observer;
    this.promise = new Promise(take);
    this.#resolve = takenResolve;
    this.#reject = takenReject;
  }

  /** Gives the caller the answer that the turn left in `value` or `failure`. */
  release(): void {
    if (this.failure === null) this.resolve(this.value);
    else this.reject(this.failure);
  }

  /** A call under the same idempotency key gets the answer of this one. */
  join(follower: Call): void {
    follower.#isFollower = true;
    (this.followers ??= []).push(follower);
  }

  resolve(value: unknown): void {
    if (this.stage !== "settled") {
      this.stage = "settled";
      this.#observer.settled(this, null);
      this.#resolve(value);
    }
    // A copy for each: nobody shares a result.
    if (this.followers !== null) this.#answerFollowers((follower) => follower.resolve(copyJson(value, "result")));
  }

  reject(error: DurableObjectError): void {
    if (this.stage !== "settled") {
      this.stage = "settled";
      this.#observer.settled(this, error);
      this.#reject(error);
    }
    if (this.followers !== null) this.#answerFollowers((follower) => follower.reject(error));
  }

  #answerFollowers(answer: (follower: Call) => void): void {
    const followers = this.followers ?? [];
    this.followers = null;
    for (const follower of followers) answer(follower);
  }

  /** The deadline has come. */
  expire(): void {
    this.#giveUp("CALL_TIMEOUT", "was not answered in time");
  }

  /** The caller has given up. */
  abort(cause: unknown): void {
    this.#giveUp("CALL_ABORTED", "was given up by its caller", cause);
  }

  #giveUp(code: ErrorCode, what: string, cause?: unknown): void {
    const name = `The call ${this.operation.name} of ${formatAddress(this.address)}`;
    const answer = (given: ErrorCode, outcome: FailureOutcome, rest: string): DurableObjectError =>
      new DurableObjectError(given, `${name} ${what}${rest}`, { address: this.address, outcome, cause });
    // Those who joined this call under its key still want it: only its own caller leaves.
    const followers = this.followers;
    this.followers = null;
    switch (this.stage) {
      case "waiting":
        if (followers !== null) {
          this.reject(answer(code, "unknown", ", and others wait for the same idempotency key: it will still run."));
        } else if (this.#isFollower || this.lookingUp !== null) {
          this.holder?.withdraw(this);
          this.reject(answer(code, "unknown", ". An earlier call under the same idempotency key may be applied."));
        } else {
          this.holder?.withdraw(this);
          this.reject(answer(code, "not-applied", " while it waited for its turn. It has not run and never will."));
        }
        break;
      case "running": {
        const error = answer(
          code,
          "unknown",
          " while its handler ran. The handler goes on, and what it returns is kept.",
        );
        this.reject(error);
        this.turn?.abort(error);
        break;
      }
      case "committing":
        if (this.write?.inDoubt === true) {
          this.reject(
            answer(
              "COMMIT_UNKNOWN",
              "unknown",
              " while the store did not say whether its commit landed. It is being found out; the object takes no write until then.",
            ),
          );
        } else {
          this.reject(answer(code, "unknown", " while its commit was under way."));
        }
        break;
      case "settled":
        break;
    }
    this.followers = followers;
  }
}
