/**
 * The router: takes a call to the activation of its object. Here a call gets its deadline and its place in
 * the chain of calls; here it is refused if it can never work, or if the node has too much to do.
 */

import { hash } from "node:crypto";
import type { Ownership } from "../cluster/ownership.ts";
import type { IncomingCall, TakenCall } from "../cluster/remote-call.ts";
import { formatAddress, type Address } from "../core/address.ts";
import { parseDuration } from "../core/duration.ts";
import type { Environment } from "../core/environment.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import { isStorable } from "../core/storable-text.ts";
import type { StubOptions } from "../object/stub.ts";
import type { Instrumentation } from "../ports/instrumentation.ts";
import { calls, type CallContext } from "../telemetry/channels.ts";
import type { Firing } from "../alarms/firing.ts";
import { Call, type CallObserver } from "./call.ts";
import { copyArguments } from "./call-arguments.ts";
import { chainProblem, type Basis, type ChainLink } from "./call-chain.ts";
import { Deadlines } from "./deadlines.ts";
import { ForwardedCall, remoteChain } from "./forwarded-call.ts";
import type { Incarnation } from "./incarnation.ts";
import { observeCall } from "./observed-calls.ts";
import type { ObjectType, Operation } from "./operation.ts";
import { deactivateOperation, operationNamed, wakeOperation } from "./system-operations.ts";
import { currentTurn } from "./turn.ts";

const longestKey = 255;
/** For how long the owner of an object is asked to look for due alarms, in ms. Then the queue asks again. */
const wakeTimeoutMs = 10_000;

/** How calls are made, worked out once for a stub. */
export interface CallOptions {
  readonly timeoutMs: number;
  readonly idempotencyKey: string | null;
  readonly signal: AbortSignal | null;
  /** The turn the stub was made for, or null. */
  readonly caller: ChainLink | null;
}

/** What the router is given. */
export interface RouterOptions {
  readonly environment: Environment;
  readonly ownership: Ownership;
  readonly callTimeoutMs: number;
  readonly maxPendingCalls: number;
  readonly maxArgumentBytes: number;
  readonly instrumentation: Instrumentation | null;
}

/** Takes calls to the activations of their objects. */
export class Router implements CallObserver {
  readonly #options: RouterOptions;
  readonly #deadlines: Deadlines;
  readonly #defaults: CallOptions;
  #pending = 0;
  /** What is in memory here; null while this node has no right to write. */
  #here: Incarnation | null = null;
  /** Why no call is taken any more; calls that running turns make are still taken while draining. */
  #closed: { readonly error: (address: Address) => DurableObjectError; readonly draining: boolean } | null = null;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.environment);
    this.#defaults = { timeoutMs: options.callTimeoutMs, idempotencyKey: null, signal: null, caller: null };
  }

  /** Takes no new calls; those that running turns make still go through if `draining`. */
  close(error: (address: Address) => DurableObjectError, draining: boolean): void {
    this.#closed = { error, draining };
    if (!draining) this.#deadlines.close();
  }

  /** @throws {@link DurableObjectError} `INVALID_OPTION` */
  callOptions(options: StubOptions | undefined, caller: ChainLink | null): CallOptions {
    if (options === undefined && caller === null) return this.#defaults;
    const { timeout, idempotencyKey, signal } = options ?? {};
    let { timeoutMs } = this.#defaults;
    if (timeout !== undefined) {
      const parsed = timeout === "never" ? Infinity : parseDuration(timeout);
      if (parsed === null) {
        throw new DurableObjectError(
          "INVALID_OPTION",
          `timeout must be a duration such as "5s" or 5000, or "never", not ${JSON.stringify(timeout)}.`,
        );
      }
      timeoutMs = parsed;
    }
    if (
      idempotencyKey !== undefined &&
      (typeof idempotencyKey !== "string" ||
        idempotencyKey === "" ||
        idempotencyKey.length > longestKey ||
        !isStorable(idempotencyKey))
    ) {
      throw new DurableObjectError(
        "INVALID_OPTION",
        `idempotencyKey must be a text of 1 to ${longestKey} characters, without U+0000 and unpaired surrogates.`,
      );
    }
    if (signal !== undefined && typeof signal?.addEventListener !== "function") {
      throw new DurableObjectError("INVALID_OPTION", "signal must be an AbortSignal.");
    }
    return { timeoutMs, idempotencyKey: idempotencyKey ?? null, signal: signal ?? null, caller };
  }

  /** Makes a call. Never throws: whatever is wrong is a rejection. */
  call(
    address: Address,
    type: ObjectType,
    operation: Operation,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<unknown> {
    const caller = options.caller ?? currentTurn();
    const { environment } = this.#options;
    const nowMs = environment.monotonic();
    // A whole number: it is kept without an allocation.
    let deadline = Math.ceil(nowMs + options.timeoutMs);
    if (caller !== null && !caller.over && caller.deadline < deadline) deadline = caller.deadline;
    const call = new Call(address, operation, args, deadline, caller, this);
    this.#pending += 1;
    if (calls.isHeard) this.#publishStart(call);
    if (this.#options.instrumentation !== null) observeCall(this.#options.instrumentation, call);
    const refusal = this.#refusal(call) ?? this.#prepare(call, options);
    if (refusal !== null) {
      call.reject(refusal);
    } else if (caller !== null && caller.basis !== null) {
      this.#deliverWhenDurable(call, type, caller.basis);
    } else {
      this.#deliver(call, type, nowMs);
    }
    // After it was accepted: what was answered at once needs no deadline.
    if (call.stage !== "settled") this.#deadlines.add(call);
    return call.promise;
  }

  /** Takes a due alarm to its object. Resolves when it was handled, put off, or found to be void. */
  async fire(type: ObjectType, operation: Operation, firing: Firing): Promise<void> {
    const call = new Call(firing.alarm.address, operation, [], Infinity, null, this);
    call.firing = firing;
    this.#pending += 1;
    const refusal = this.#refusal(call);
    if (refusal === null) this.#deliver(call, type, this.#options.environment.monotonic());
    else call.reject(refusal);
    await call.promise;
  }

  /**
   * Has the owner of an object look for its due alarms, whichever node that is, and whether this one knows the type or not.
   * It goes past the mailbox: nothing is loaded for it, and an object that is busy holds nobody up.
   *
   * @param dueAtMs - when the alarm is due: the owner's clock may not be there yet
   */
  async wake(address: Address, dueAtMs: number): Promise<void> {
    const deadline = Math.ceil(this.#options.environment.monotonic() + wakeTimeoutMs);
    const call = new Call(address, wakeOperation, [dueAtMs], deadline, null, this);
    this.#pending += 1;
    const refusal = this.#refusal(call);
    if (refusal === null) this.#wake(call);
    else call.reject(refusal);
    if (call.stage !== "settled") this.#deadlines.add(call);
    await call.promise;
  }

  #wake(call: Call): void {
    const here = this.#here;
    if (this.#closed !== null && !this.#closed.draining) {
      call.reject(this.#closed.error(call.address));
    } else if (here !== null && this.#isHere(call)) {
      here.look(Number(call.args[0]));
      call.resolve(undefined);
    } else if (call.isFromNode) {
      call.reject(new NotOwner(call.address));
    } else {
      const forwarded = new ForwardedCall(call, (home) => this.#wake(home));
      forwarded.carriedBy(this.#options.ownership.forward(forwarded));
    }
  }

  /** From now on objects come to life here, or nowhere. */
  setHere(here: Incarnation | null): void {
    this.#here = here;
  }

  /** Takes a call to its object: here, or to the node that owns it. */
  #deliver(call: Call, type: ObjectType, nowMs: number): void {
    const { ownership } = this.#options;
    const here = this.#here;
    const live = here?.find(type, call.address) ?? null;
    if (live !== null) {
      live.accept(call, nowMs);
    } else if (call.operation === deactivateOperation && here !== null && this.#isHere(call)) {
      call.resolve(undefined);
    } else if (here !== null && this.#isHere(call)) {
      here.accept(call, type, nowMs);
    } else if (call.firing !== null) {
      // Its alarm is another node's now.
      call.resolve(undefined);
    } else if (call.isFromNode) {
      call.reject(new NotOwner(call.address));
    } else {
      const forwarded = new ForwardedCall(call, (home) => this.redeliver(home, type));
      forwarded.carriedBy(ownership.forward(forwarded));
    }
  }

  #isHere({ address, caller }: Call): boolean {
    const { ownership } = this.#options;
    return ownership.takes(ownership.slotOf(address), caller !== null && !caller.over);
  }

  /** Takes a call that waited somewhere else. */
  redeliver(call: Call, type: ObjectType): void {
    const closed = this.#closed;
    if (closed !== null && !closed.draining) call.reject(closed.error(call.address));
    else this.#deliver(call, type, this.#options.environment.monotonic());
  }

  /** Runs a call from another node. */
  receive(incoming: IncomingCall, type: ObjectType): TakenCall {
    const { request, timeoutMs } = incoming;
    const { address, args, idempotency, chain } = request;
    const operation = operationNamed(request.operation, type.operations);
    if (operation === undefined) {
      const message = `${formatAddress(address)}: the node that owns the object has no handler "${request.operation}".`;
      incoming.reply({ kind: "error", error: new DurableObjectError("UNKNOWN_HANDLER", message, { address }) });
      return { abort() {} };
    }
    const nowMs = this.#options.environment.monotonic();
    const deadline = Math.ceil(nowMs + timeoutMs);
    const call = new Call(address, operation, args, deadline, remoteChain(chain, deadline), this);
    call.isFromNode = true;
    call.trace = request.trace;
    call.idempotency = idempotency;
    call.promise.then(
      (value) => incoming.reply({ kind: "value", value }),
      (error: unknown) => {
        if (error instanceof NotOwner) incoming.reply({ kind: "moved" });
        else
          incoming.reply({
            kind: "error",
            error: error instanceof DurableObjectError ? error : crashed(address, error),
          });
      },
    );
    this.#pending += 1;
    const isFull = this.#pending > this.#options.maxPendingCalls;
    if (this.#closed !== null && !this.#closed.draining) call.reject(new NotOwner(address));
    else if (isFull) call.reject(this.#overloaded(address));
    else if (operation === wakeOperation) this.#wake(call);
    else this.#deliver(call, type, nowMs);
    if (call.stage !== "settled") this.#deadlines.add(call);
    return { abort: () => call.abort(undefined) };
  }

  /** The handler that calls has seen a state that is not durable: nobody may learn of it before it is. */
  #deliverWhenDurable(call: Call, type: ObjectType, basis: Basis): void {
    const deliver = (): void => {
      if (call.stage !== "settled") this.redeliver(call, type);
    };
    basis.whenDurable(deliver, (error) => call.reject(error));
  }

  settled(call: Call, error: DurableObjectError | null): void {
    this.#pending -= 1;
    this.#deadlines.remove(call);
    call.observed?.end(error);
    if (call.context === null) return;
    const context = call.context as CallContext;
    if (error === null) calls.stop(context, this.#options.environment.now());
    else calls.fail(context, this.#options.environment.now(), error);
  }

  #publishStart(call: Call): void {
    const { tenant, type, id } = call.address;
    const systemTimeMs = this.#options.environment.now();
    const context: CallContext = { tenant, type, id, handler: call.operation.name, systemTimeMs };
    call.context = context;
    calls.start(context);
  }

  #closedFor(call: Call): DurableObjectError | null {
    if (this.#closed === null) return null;
    const fromRunningTurn = call.caller !== null && !call.caller.over;
    return this.#closed.draining && fromRunningTurn ? null : this.#closed.error(call.address);
  }

  #refusal(call: Call): DurableObjectError | null {
    const closed = this.#closedFor(call);
    if (closed !== null) return closed;
    if (this.#pending > this.#options.maxPendingCalls) return this.#overloaded(call.address);
    return call.caller === null ? null : chainProblem(call.address, call.operation, call.caller);
  }

  #overloaded(address: Address): DurableObjectError {
    return new DurableObjectError(
      "OVERLOADED",
      `${formatAddress(address)}: ${this.#options.maxPendingCalls} calls are under way on this node, and it takes no more. Try again later, or raise maxPendingCalls.`,
      { address },
    );
  }

  /** Copies the arguments, so that the caller and the object share nothing, and attaches what the options ask for. */
  #prepare(call: Call, { idempotencyKey, signal }: CallOptions): DurableObjectError | null {
    const problem = copyArguments(call, this.#options.maxArgumentBytes);
    if (problem !== null) return problem;
    if (idempotencyKey !== null) {
      const asked = JSON.stringify([call.operation.name, call.args]);
      call.idempotency = { key: idempotencyKey, fingerprint: hash("sha256", asked, "base64url") };
    }
    if (signal !== null) {
      if (signal.aborted) {
        return new DurableObjectError(
          "CALL_ABORTED",
          `${formatAddress(call.address)}: the call ${call.operation.name} was given up before it started.`,
          {
            address: call.address,
            outcome: "not-applied",
            cause: signal.reason,
          },
        );
      }
      const abort = (): void => call.abort(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      const stopListening = (): void => signal.removeEventListener("abort", abort);
      call.promise.then(stopListening, stopListening);
    }
    return null;
  }
}

/** The object belongs to another node. Its caller is a node too, and looks for the owner. */
class NotOwner extends DurableObjectError {
  constructor(address: Address) {
    super("OWNER_UNREACHABLE", `${formatAddress(address)}: this node does not own the object.`, { address });
  }
}

function crashed(address: Address, error: unknown): DurableObjectError {
  const message = `${formatAddress(address)}: ${messageOf(error)}`;
  return new DurableObjectError("HANDLER_CRASHED", message, { address, outcome: "unknown" });
}
