/**
 * The router: takes a call to the activation of its object. Here a call gets its deadline and its place in
 * the chain of calls; here it is refused if it can never work, or if the node has too much to do.
 */

import { hash } from "node:crypto";
import { formatAddress, type Address } from "../core/address.ts";
import { parseDuration } from "../core/duration.ts";
import type { Environment } from "../core/environment.ts";
import { DurableObjectError } from "../core/errors.ts";
import { isStorable } from "../core/storable-text.ts";
import type { StubOptions } from "../object/stub.ts";
import { calls, type CallContext } from "../telemetry/channels.ts";
import type { Firing } from "../alarms/firing.ts";
import type { ActivationHost } from "./activation.ts";
import type { ActivationTable } from "./activation-table.ts";
import { Call, type CallObserver } from "./call.ts";
import { copyArguments } from "./call-arguments.ts";
import { chainProblem, type Basis, type ChainLink } from "./call-chain.ts";
import { Deadlines } from "./deadlines.ts";
import type { ObjectType, Operation } from "./operation.ts";
import { currentTurn } from "./turn.ts";

const longestKey = 255;

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
  readonly table: ActivationTable;
  readonly host: ActivationHost;
  readonly callTimeoutMs: number;
  readonly maxPendingCalls: number;
  readonly maxArgumentBytes: number;
}

/** Takes calls to the activations of their objects. */
export class Router implements CallObserver {
  readonly #options: RouterOptions;
  readonly #deadlines: Deadlines;
  readonly #defaults: CallOptions;
  #pending = 0;
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

  #deliver(call: Call, type: ObjectType, nowMs: number): void {
    const { table, host } = this.#options;
    const { address } = call;
    (table.find(type, address.tenant, address.id) ?? table.obtain(address, type, host)).accept(call, nowMs);
  }

  /** The handler that calls has seen a state that is not durable: nobody may learn of it before it is. */
  #deliverWhenDurable(call: Call, type: ObjectType, basis: Basis): void {
    const deliver = (): void => {
      if (call.stage === "settled") return;
      const closed = this.#closed;
      if (closed === null || closed.draining) this.#deliver(call, type, this.#options.environment.monotonic());
      else call.reject(closed.error(call.address));
    };
    basis.whenDurable(deliver, (error) => call.reject(error));
  }

  settled(call: Call, error: DurableObjectError | null): void {
    this.#pending -= 1;
    this.#deadlines.remove(call);
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
    if (this.#pending > this.#options.maxPendingCalls) {
      return new DurableObjectError(
        "OVERLOADED",
        `${formatAddress(call.address)}: ${this.#options.maxPendingCalls} calls are under way on this node, and it takes no more. Try again later, or raise maxPendingCalls.`,
        { address: call.address },
      );
    }
    return call.caller === null ? null : chainProblem(call.address, call.operation, call.caller);
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
