/**
 * The runtime: one node. It owns the store, knows the object types, and is the face that an application
 * sees. Everything below it gets what it needs from here.
 *
 * running → stopping (no new calls from outside; turns finish, commits land) → stopped.
 * lost: the right to write is gone; every call is refused with the store's code until it is stopped.
 */

import { missingAlarmHandler } from "./fire.ts";
import { Firing } from "../alarms/firing.ts";
import { formatAddress, type Address } from "../core/address.ts";
import { DurableObjectError } from "../core/errors.ts";
import type { AnyDefinition, ObjectDefinition } from "../object/define-object.ts";
import type { Stub, StubOptions } from "../object/stub.ts";
import { StoreFailure, type OpenObjectStore } from "../ports/object-store.ts";
import type { OwnershipStore } from "../ports/ownership-store.ts";
import type { Delivery } from "../ports/scheduler.ts";
import { TransportFailure } from "../ports/transport.ts";
import { publishWarning } from "../telemetry/channels.ts";
import { observeStore } from "../telemetry/observed-store.ts";
import type { Phase } from "./activation-phase.ts";
import { leaseLapsed } from "./activation-errors.ts";
import { Incarnation } from "./incarnation.ts";
import { reviveState } from "./object-state.ts";
import { listObjects, type ListOptions, type ObjectPage, type TenantOption } from "./object-page.ts";
import { checkAddress, DefinitionTable } from "./definition-table.ts";
import type { ObjectType, Operation } from "./operation.ts";
import { resolveOptions, type ResolvedOptions, type RuntimeOptions } from "./options.ts";
import { Router } from "./router.ts";
import { isGone, thisProcess } from "./system-process.ts";
import { activateOperation, alarmOperations, deactivateOperation, deleteOperation } from "./system-operations.ts";
import { checkedLimit, deadAlarm, type RuntimeAlarms } from "./runtime-alarms.ts";
import type { Turn } from "./turn.ts";
import type { ClusterStatus, Ownership } from "../cluster/ownership.ts";
import { ClusterNode } from "../cluster/cluster-node.ts";
import { SoleOwnership } from "../cluster/sole-ownership.ts";

/** Where an object is live. */
export interface Location {
  /** The node that owns it. */
  readonly node: string;
  /** Raised whenever the object gets another owner. */
  readonly epoch: number;
  /** Where it is in its life, if that is on this node; null if this node does not know. */
  readonly phase: Exclude<Phase, "gone"> | null;
}

/** The nodes that share a store. */
export interface RuntimeCluster {
  /** Nodes, slots and leases, as this node sees them now. */
  status(): ClusterStatus;
}

/** The names of the handlers of a definition. */
type HandlerName<Definition extends AnyDefinition> = keyof Definition["handlers"] & string;
type Method<Definition extends AnyDefinition, Name extends HandlerName<Definition>> = Stub<Definition>[Name] extends (
  ...args: infer Args
) => Promise<infer Result>
  ? { args: Args; result: Result }
  : never;
/** The state of a definition, as its handlers see it. */
export type DefinedState<Definition extends AnyDefinition> =
  Definition extends ObjectDefinition<string, infer State, unknown, unknown> ? State : never;

/**
 * One node: the live objects of this process. Made by `createRuntime`.
 */
export class Runtime implements AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #ownership: Ownership;
  readonly #types: DefinitionTable;
  readonly #router: Router;
  #incarnation: Incarnation | null = null;
  /** That of the incarnation, or of the last one. */
  #store: OpenObjectStore | null = null;
  #node = "";
  /** Whether objects leave as soon as nothing is going on. */
  #isLeaving = false;
  /** Dead alarms, and trying them again. */
  readonly alarms: RuntimeAlarms;
  /** The nodes that share the store, as this one sees them. */
  readonly cluster: RuntimeCluster;
  #phase: "running" | "lost" | "stopping" | "stopped" = "running";
  #stopped: Promise<void> | null = null;
  /** Whoever follows calls is told that there will be none. */
  #detach = (): void => {};

  /** Use `createRuntime`. */
  constructor(options: ResolvedOptions, ownership: Ownership) {
    this.#options = options;
    this.#ownership = ownership;
    const { environment, callTimeoutMs, maxPendingCalls, maxArgumentBytes, instrumentation } = options;
    this.#types = new DefinitionTable(options.objects);
    this.#router = new Router({
      environment,
      ownership,
      callTimeoutMs,
      maxPendingCalls,
      maxArgumentBytes,
      instrumentation,
    });
    this.cluster = { status: () => ownership.status() };
    this.alarms = {
      dead: async (definition, { tenant = "", limit = 100, after } = {}) => {
        const { type } = this.#types.known(definition);
        const query = { tenant, type: type.name, limit: checkedLimit(limit), after: after ?? null };
        return (await this.#reading("alarms.dead", (store) => store.deadAlarms(query))).map(deadAlarm);
      },
      redrive: async (definition, id, name, tenantOption) =>
        (await this.#system(alarmOperations.redrive, definition, id, tenantOption, [name])) as boolean,
    };
  }

  /** Takes the right to write. */
  async start(): Promise<void> {
    const { environment, instrumentation, scheduler } = this.#options;
    await scheduler.prepare?.();
    if (instrumentation !== null) this.#detach = instrumentation.attach();
    const started = this.#ownership.start({
      environment,
      types: [...this.#types].map(({ name }) => name),
      begin: (store, node, lost) => this.#begin(store, node, lost),
      receive: (call) => this.#router.receive(call, this.#types.known(call.request.address.type).type),
      ended: (failure) => this.#ended(failure),
      warn: (warning, message, cause) => publishWarning({ warning, message, cause }),
    });
    await started.catch((error: unknown) => {
      this.#detach();
      throw error;
    });
  }

  /** There is a right to write: objects may come to life. */
  #begin(
    opened: OpenObjectStore,
    node: string,
    lost: (failure: StoreFailure, maybeApplied: boolean) => void,
  ): Incarnation {
    const options = this.#options;
    this.#node = node;
    const incarnation: Incarnation = new Incarnation({
      options,
      node,
      store: observeStore(opened, options.store.name, options.environment),
      types: this.#types,
      ownership: this.#ownership,
      isStopping: () => this.#isLeaving,
      lost: (failure, maybeApplied) => {
        // A store that was closed says so in the same way.
        if (this.#phase !== "stopped") lost(failure, maybeApplied);
      },
      over: () => {
        if (this.#incarnation !== incarnation) return;
        this.#incarnation = null;
        this.#router.setHere(null);
      },
      deliver: (alarm) => this.#deliver(new Firing(alarm)),
      wake: (address, dueAtMs) => this.#router.wake(address, dueAtMs),
      redeliver: (call, type) => this.#router.redeliver(call, type),
      stub: (turn, definition, id, stubOptions) =>
        this.#stub(definition, id, { ...stubOptions, tenant: stubOptions?.tenant ?? turn.tenant }, turn),
    });
    this.#incarnation = incarnation;
    this.#store = incarnation.store;
    this.#router.setHere(incarnation);
    return incarnation;
  }

  /** The unique name of this node; another one after it has lost everything and joined its cluster again. */
  get node(): string {
    return this.#node;
  }

  /**
   * A stub on one object. Nothing is loaded and nothing is written until it is called.
   *
   * @param id - any text of 1 to 256 bytes that is not blank
   * @throws {@link DurableObjectError} `INVALID_ADDRESS`, `UNKNOWN_TYPE`, `INVALID_OPTION`
   */
  get<Definition extends AnyDefinition>(definition: Definition, id: string, options?: StubOptions): Stub<Definition> {
    return this.#stub(definition, id, options, null);
  }

  #stub<Definition extends AnyDefinition>(
    definition: Definition,
    id: string,
    options: StubOptions | undefined,
    caller: Turn | null,
  ): Stub<Definition> {
    const known = this.#types.known(definition);
    const address = checkAddress(known.type.name, id, options?.tenant);
    return known.stubs.make(this.#router, address, options, caller) as Stub<Definition>;
  }

  /**
   * Calls a handler by name: the generic form of `runtime.get(definition, id)[handler](...args)`.
   *
   * @param definition - a definition, or the type it has (then arguments and result are unknown to the compiler)
   * @returns rejects with {@link DurableObjectError} for everything that can go wrong
   */
  call(type: string, id: string, handler: string, args: readonly unknown[], options?: StubOptions): Promise<unknown>;
  call<Definition extends AnyDefinition, Name extends HandlerName<Definition>>(
    definition: Definition,
    id: string,
    handler: Name,
    args: Method<Definition, Name>["args"],
    options?: StubOptions,
  ): Promise<Method<Definition, Name>["result"]>;
  async call(
    definition: AnyDefinition | string,
    id: string,
    handler: string,
    args: readonly unknown[],
    options?: StubOptions,
  ): Promise<unknown> {
    const { type } = this.#types.known(definition);
    const address = checkAddress(type.name, id, options?.tenant);
    const operation = type.operations.get(handler);
    if (operation === undefined) {
      throw new DurableObjectError(
        "UNKNOWN_HANDLER",
        `${formatAddress(address)} has no handler "${handler}". It has ${[...type.operations.keys()].join(", ") || "none"}.`,
        { address },
      );
    }
    if (!Array.isArray(args)) {
      throw new DurableObjectError(
        "INVALID_ARGUMENTS",
        `${formatAddress(address)}: the arguments of ${handler} must be a list.`,
        { address },
      );
    }
    return this.#router.call(address, type, operation, args, this.#router.callOptions(options, null));
  }

  /** Brings an object to life, if it is not: its state is loaded and `afterLoad` has run. */
  async activate(definition: AnyDefinition | string, id: string, options?: TenantOption): Promise<void> {
    await this.#system(activateOperation, definition, id, options);
  }

  /** Has an object leave memory, after the calls that wait for it. Nothing happens if it is not there. */
  async deactivate(definition: AnyDefinition | string, id: string, options?: TenantOption): Promise<void> {
    if (this.locate(definition, id, options) !== null) await this.#system(deactivateOperation, definition, id, options);
  }

  /**
   * Deletes an object: its state, its alarms and its idempotency records, after the calls that wait for it.
   * Nothing happens if it does not exist.
   */
  async delete(definition: AnyDefinition | string, id: string, options?: TenantOption): Promise<void> {
    await this.#system(deleteOperation, definition, id, options);
  }

  async #system(
    operation: Operation,
    definition: AnyDefinition | string,
    id: string,
    options?: TenantOption,
    args: readonly unknown[] = [],
  ): Promise<unknown> {
    const { type } = this.#types.known(definition);
    const address = checkAddress(type.name, id, options?.tenant);
    return await this.#router.call(address, type, operation, args, this.#router.callOptions(undefined, null));
  }

  /** Takes a due alarm to its object. */
  #deliver(firing: Firing): Delivery {
    const { address, name } = firing.alarm;
    const { type } = this.#types.known(address.type);
    let operation = type.alarms.get(name);
    if (operation === undefined) {
      const message = `${formatAddress(address)}: the alarm "${name}" fires, and the definition has no handler for it. It is acknowledged.`;
      publishWarning({ warning: "alarm-without-handler", message });
      operation = missingAlarmHandler;
    }
    return { over: this.#fire(type, operation, firing), revoke: () => (firing.void = true) };
  }

  async #fire(type: ObjectType, operation: Operation, firing: Firing): Promise<Error | null> {
    try {
      await this.#router.fire(type, operation, firing);
    } catch (error) {
      if (!isOwnFault(error)) throw error;
      // What the handler returned can never be stored: that is a failure like a throw, and counts.
      firing.failure = error.message;
      firing.error = error;
      await this.#router.fire(type, operation, firing);
      return error;
    }
    return firing.error;
  }

  /** Where an object is live; null if it is nobody's, or this node owns it and does not have it in memory. */
  locate(definition: AnyDefinition | string, id: string, options?: TenantOption): Location | null {
    const { type } = this.#types.known(definition);
    const address = checkAddress(type.name, id, options?.tenant);
    const owner = this.#ownership.ownerOf(this.#ownership.slotOf(address));
    if (owner === null || this.#phase === "stopped") return null;
    if (owner.node !== this.#node) return { ...owner, phase: null };
    const phase = this.#incarnation?.find(type, address)?.phase;
    return phase === undefined || phase === "gone" ? null : { ...owner, phase };
  }

  /**
   * The last committed state of an object, without bringing it to life; null if it does not exist. A copy:
   * changing it changes nothing.
   */
  async peek<Definition extends AnyDefinition>(
    definition: Definition,
    id: string,
    options?: TenantOption,
  ): Promise<DefinedState<Definition> | null>;
  async peek(type: string, id: string, options?: TenantOption): Promise<unknown>;
  async peek(definition: AnyDefinition | string, id: string, options?: TenantOption): Promise<unknown> {
    const { type } = this.#types.known(definition);
    const address = checkAddress(type.name, id, options?.tenant);
    const known = this.#peekLive(type, address);
    if (known !== undefined) return known;
    const [stored] = await this.#reading("peek", (store) => store.load([address]));
    // It came to life meanwhile: the store may know of a commit that memory does not know of yet, and whoever saw that
    // must not see less afterwards.
    const live = this.#peekLive(type, address);
    if (live !== undefined) return live;
    if (stored === null || stored === undefined || stored.state === null) return null;
    return reviveState(address, type.codec, stored.state, stored.stateVersion, false).state;
  }

  /** The last committed state as memory knows it; undefined if the object is not live. */
  #peekLive(type: ObjectType, address: Address): unknown {
    const live = this.#incarnation?.find(type, address) ?? null;
    if (live === null || (live.phase !== "active" && live.phase !== "hibernated")) return undefined;
    if (this.#options.environment.monotonic() > live.host.store.leaseUntilMs) throw leaseLapsed(address);
    const text = live.state.committedText;
    return text === null ? null : reviveState(address, type.codec, text, type.codec.version, false).state;
  }

  /**
   * The stored objects of a type, in order of their ids, a page at a time.
   *
   * @throws {@link DurableObjectError} `INVALID_OPTION` for a limit that is not 1 to 1,000
   */
  async list(definition: AnyDefinition | string, options: ListOptions = {}): Promise<ObjectPage> {
    const { type } = this.#types.known(definition);
    return await this.#reading("list", (store) => listObjects(store, type.name, options));
  }

  /** How many objects are in memory, hibernated ones included. */
  get activeCount(): number {
    return this.#incarnation?.size ?? 0;
  }

  /**
   * Takes no new calls, lets turns finish and commits land, within `stopTimeout`, and closes the store. Calls
   * that could not finish are rejected with `RUNTIME_STOPPED`. Calling it again waits for the same end.
   */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    const { environment, stopTimeoutMs } = this.#options;
    this.#phase = "stopping";
    this.#router.close(stopped, true);
    let timer = { cancel(): void {} };
    const timeUp = new Promise<void>((resolve) => (timer = environment.after(stopTimeoutMs, resolve)));
    await Promise.race([this.#drain(), timeUp]);
    timer.cancel();
    this.#incarnation?.abandonAll(
      stopped,
      (address) =>
        new DurableObjectError(
          "COMMIT_UNKNOWN",
          `${formatAddress(address)}: the runtime stopped before the store said whether the commit landed.`,
          { address },
        ),
      false,
    );
    this.#router.close(stopped, false);
    await this.#incarnation?.close();
    this.#phase = "stopped";
    this.#detach();
    await this.#ownership.close();
  }

  /** Gives away what others can take; then what is left has nowhere to go, and leaves memory. */
  async #drain(): Promise<void> {
    const alarmsOver = this.#incarnation?.stopAlarms();
    await this.#ownership.drain();
    this.#isLeaving = true;
    await Promise.all([alarmsOver, this.#incarnation?.drain()]);
  }

  /** The right to write is gone for good: nobody may be answered any more. */
  #ended(failure: StoreFailure): void {
    if (this.#phase === "stopped" || this.#phase === "lost") return;
    this.#phase = "lost";
    publishWarning({ warning: "store-lost", message: failure.message, cause: failure });
    const lost = (address: Address): DurableObjectError =>
      new DurableObjectError(failure.code, `${formatAddress(address)}: ${failure.message}`, {
        address,
        cause: failure,
        outcome: "not-applied",
      });
    this.#router.close(lost, false);
  }

  async #reading<Result>(what: string, read: (store: OpenObjectStore) => Promise<Result>): Promise<Result> {
    try {
      if (this.#store === null || (this.#incarnation === null && this.#phase === "running")) {
        throw new StoreFailure("retry", "STORE_UNAVAILABLE", "this node has no right to the store at the moment.");
      }
      return await read(this.#store);
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      const { code, message } =
        this.#phase === "running" || this.#phase === "lost"
          ? error
          : ({ code: "RUNTIME_STOPPED", message: "the runtime has stopped." } as const);
      throw new DurableObjectError(code, `${what}: ${message}`, { cause: error, outcome: "not-applied" });
    }
  }
}

/** Whether a commit failed for what was in it, and would fail again. */
function isOwnFault(error: unknown): error is DurableObjectError {
  if (!(error instanceof DurableObjectError) || error.retryable) return false;
  return ["STATE_TOO_LARGE", "INVALID_STATE", "COMMIT_FAILED", "SQL_FAILED"].includes(error.code);
}

function stopped(address: Address): DurableObjectError {
  return new DurableObjectError(
    "RUNTIME_STOPPED",
    `${formatAddress(address)}: the runtime has stopped, or is stopping, and takes no more calls.`,
    { address },
  );
}

/**
 * Starts a runtime: takes ownership of the store and is ready for calls.
 *
 * @throws {@link DurableObjectError} `INVALID_OPTION`, or a code that starts with `STORE_`
 * @example
 * ```ts
 * const runtime = await createRuntime({ objects: [Counter], store: sqlite("app.db") });
 * await runtime.get(Counter, "user-123").increment(5);
 * await runtime.stop();
 * ```
 */
export async function createRuntime(options: RuntimeOptions): Promise<Runtime> {
  const resolved = resolveOptions(options);
  const { store, environment, cluster } = resolved;
  const process = thisProcess();
  const ownership =
    cluster === null
      ? new SoleOwnership(store, environment)
      : new ClusterNode({
          store: store as unknown as OwnershipStore,
          cluster,
          environment,
          process,
          isGone: (other) => isGone(other, process),
        });
  const runtime = new Runtime(resolved, ownership);
  try {
    await runtime.start();
  } catch (error) {
    if (error instanceof TransportFailure) {
      throw new DurableObjectError("TRANSPORT_UNAVAILABLE", error.message, { cause: error });
    }
    if (!(error instanceof StoreFailure)) throw error;
    throw new DurableObjectError(error.code, error.message, { cause: error });
  }
  return runtime;
}
