/**
 * An incarnation: everything a node has in memory under one right to write: the live objects, what commits
 * them, what loads them, what fires their alarms.
 *
 * It ends with that right, and nothing of it outlives it. A process that is alone with its store has one; a
 * node of a cluster that lost its row begins another one.
 */

import type { LiveObjects, Ownership } from "../cluster/ownership.ts";
import { formatAddress, type Address } from "../core/address.ts";
import { DurableObjectError } from "../core/errors.ts";
import type { AnyDefinition } from "../object/define-object.ts";
import type { Stub, StubOptions } from "../object/stub.ts";
import type { AddressedAlarm, OpenObjectStore, StoreFailure } from "../ports/object-store.ts";
import type { Delivery, RunningScheduler } from "../ports/scheduler.ts";
import { publishWarning } from "../telemetry/channels.ts";
import type { Activation } from "./activation.ts";
import type { ActivationHost, LeftActivation } from "./activation-host.ts";
import { ActivationTable } from "./activation-table.ts";
import type { Call } from "./call.ts";
import { Committer } from "./committer.ts";
import { LeaseWatch } from "./lease-watch.ts";
import { Loader } from "./loader.ts";
import type { ObjectType } from "./operation.ts";
import type { ResolvedOptions } from "./options.ts";
import { Sweeper } from "./sweeper.ts";
import type { Turn } from "./turn.ts";
import { watchStore } from "./watched-store.ts";

/** What an incarnation is given. */
export interface IncarnationOptions {
  readonly options: ResolvedOptions;
  readonly node: string;
  readonly store: OpenObjectStore;
  readonly types: Iterable<ObjectType>;
  readonly ownership: Ownership;
  /** Whether the node is stopping: objects leave as soon as nothing is going on. */
  readonly isStopping: () => boolean;
  /** The right to write is gone. */
  readonly lost: (failure: StoreFailure, maybeApplied: boolean) => void;
  /** This is over: nothing is here any more. */
  readonly over: () => void;
  /** Has an alarm handled that is due. */
  readonly deliver: (alarm: AddressedAlarm) => Delivery;
  /** Has the owner of an object look for due alarms. */
  readonly wake: (address: Address, dueAtMs: number) => Promise<void>;
  /** Takes a call that an activation did not get to. */
  readonly redeliver: (call: Call, type: ObjectType) => void;
  readonly stub: <Definition extends AnyDefinition>(
    turn: Turn,
    definition: Definition,
    id: string,
    options: StubOptions | undefined,
  ) => Stub<Definition>;
}

/** Everything a node has in memory under one right to write. */
export class Incarnation implements LiveObjects {
  readonly node: string;
  readonly store: OpenObjectStore;
  readonly #options: IncarnationOptions;
  readonly #table: ActivationTable;
  readonly #committer: Committer;
  readonly #sweeper: Sweeper;
  readonly #scheduler: RunningScheduler;
  readonly #host: ActivationHost;
  readonly #leaseWatch: LeaseWatch;
  /** Slots that are being given away, and who waits for them to be empty. */
  readonly #vacating = new Map<number, () => void>();
  #toVacate: Set<number> | null = null;
  #isOver = false;

  constructor(given: IncarnationOptions) {
    const { options, ownership, types, isStopping, redeliver, stub, deliver } = given;
    const { environment, maxStateBytes } = options;
    this.#options = given;
    this.node = given.node;
    // Whatever is being committed then may have landed: only the committer knows better.
    const store = watchStore(given.store, (failure) => given.lost(failure, true));
    this.store = store;
    const loader = new Loader(store);
    this.#leaseWatch = new LeaseWatch(environment, store);
    this.#table = new ActivationTable(options.maxActive);
    this.#committer = new Committer({
      store,
      environment,
      maxStateBytes,
      onLost: (failure) => given.lost(failure, failure.maybeApplied),
    });
    this.#host = {
      environment,
      store,
      mailboxLimit: options.mailboxLimit,
      freezeState: options.freezeState,
      instrumentation: options.instrumentation,
      alarmRetry: options.alarmRetry,
      slotOf: (address) => ownership.slotOf(address),
      isLeaving: (slot) => isStopping() || ownership.isLeaving(slot),
      load: (address) => loader.load(address),
      commit: (write) => {
        this.#sweeper.wrote();
        this.#committer.add(write);
      },
      stub,
      whenLeased: (tell) => this.#leaseWatch.wait(tell),
      awake: () => this.#sweeper.awake(),
      alarmsChanged: (alarms) => this.#scheduler.changed(alarms),
      left: (activation, waiting) => this.#left(activation, waiting, redeliver),
    };
    this.#sweeper = new Sweeper(this.#table, store, environment, types);
    this.#scheduler = options.scheduler.start({
      environment,
      store,
      types: [...types].map(({ name }) => name),
      deliver,
      wake: given.wake,
      warn: (warning, message, cause) => publishWarning({ warning, message, cause }),
    });
  }

  /** How many objects are in memory. */
  get size(): number {
    return this.#table.size;
  }

  find(type: ObjectType, { tenant, id }: Address): Activation | null {
    return this.#table.find(type, tenant, id);
  }

  /** Takes a call to the activation of its object; there is one from now on. */
  accept(call: Call, type: ObjectType, nowMs: number): void {
    this.#table.obtain(call.address, type, this.#host).accept(call, nowMs);
  }

  #left(activation: LeftActivation, waiting: readonly Call[], redeliver: (call: Call, type: ObjectType) => void): void {
    this.#table.remove(activation);
    for (const call of waiting) {
      if (call.stage !== "settled" || call.followers !== null) redeliver(call, activation.type);
    }
    this.#table.checkEmpty();
    this.#checkVacated(activation.slot);
  }

  // ——— Giving slots away ———

  /** @param atMs - alarms may be due then, in ms since 1970; at once if not given */
  look(atMs?: number): void {
    this.#scheduler.look(atMs);
  }

  vacate(slot: number, done: () => void): void {
    this.#vacating.set(slot, done);
    if (this.#toVacate !== null) {
      this.#toVacate.add(slot);
      return;
    }
    const slots = (this.#toVacate = new Set([slot]));
    // One walk over all objects for those slots that go together.
    queueMicrotask(() => {
      this.#toVacate = null;
      for (const activation of [...this.#table]) if (slots.has(activation.slot)) activation.vacate();
      for (const each of slots) this.#checkVacated(each);
    });
  }

  #checkVacated(slot: number): void {
    const done = this.#vacating.get(slot);
    if (done === undefined || this.#toVacate?.has(slot) === true || this.#table.countIn(slot) > 0) return;
    this.#vacating.delete(slot);
    done();
  }

  // ——— Ending ———

  /** Fires no more alarms; resolves when those that were fired are over. */
  stopAlarms(): Promise<void> {
    return this.#scheduler.stop();
  }

  /** Has every object leave as soon as nothing goes on in it. Resolves when all have. */
  drain(): Promise<void> {
    for (const activation of [...this.#table]) activation.leaveIfIdle();
    return this.#table.emptied();
  }

  /** Ends now, whatever goes on. Calls that run get the error; those that wait go on elsewhere, or get it too. */
  abandonAll(
    error: (address: Address) => DurableObjectError,
    inFlightError: (address: Address) => DurableObjectError,
    waitingGoOn: boolean,
  ): void {
    // What is abandoned is not vacated: its commit may still be on its way.
    this.#vacating.clear();
    for (const activation of [...this.#table]) {
      activation.abandon(error(activation.address), inFlightError(activation.address), waitingGoOn);
    }
  }

  lose(failure: StoreFailure, maybeApplied: boolean, waitingGoOn: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // First: calls that wait go on elsewhere.
    this.#options.over();
    const lost =
      (outcome: "unknown" | "not-applied") =>
      (address: Address): DurableObjectError => {
        const message = `${formatAddress(address)}: ${failure.message}`;
        const retryable = waitingGoOn && outcome === "not-applied" ? { retryable: true } : {};
        return new DurableObjectError(failure.code, message, { address, cause: failure, outcome, ...retryable });
      };
    void this.#scheduler.stop();
    this.abandonAll(lost("not-applied"), lost(maybeApplied ? "unknown" : "not-applied"), waitingGoOn);
    void this.close();
  }

  /** Commits nothing any more, and forgets nothing in the store. */
  async close(): Promise<void> {
    this.#isOver = true;
    this.#leaseWatch.end();
    this.#committer.close();
    await this.#sweeper.stop();
  }
}
