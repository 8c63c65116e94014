/**
 * The store of a test runtime: the real one, with virtual time waiting for its answers, with what the test
 * wants to go wrong, and with nothing to say to a process that is dead.
 */

import {
  StoreFailure,
  type CommitBatch,
  type CommitResult,
  type ObjectStore,
  type ObjectWrite,
  type OpenObjectStore,
  type StoreOpening,
} from "../ports/object-store.ts";
import type { Faults, StoreFault } from "./store-faults.ts";
import type { VirtualClock, VirtualLife } from "./virtual-clock.ts";

/** The store as one life of a test runtime sees it. */
export class FaultyStore implements ObjectStore {
  readonly name: string;
  readonly #inner: ObjectStore;
  readonly #clock: VirtualClock;
  readonly #life: VirtualLife;
  readonly #faults: Faults;
  readonly #crash: () => void;
  #opened: OpenObjectStore | null = null;
  /** Writes that fail until they are alone in their batch: a batch that is refused is split. */
  readonly #doomed = new Set<string>();

  /** @param crash - ends the process, now */
  constructor(inner: ObjectStore, clock: VirtualClock, life: VirtualLife, faults: Faults, crash: () => void) {
    this.name = inner.name;
    this.#inner = inner;
    this.#clock = clock;
    this.#life = life;
    this.#faults = faults;
    this.#crash = crash;
  }

  /** The real store, for looking at what is stored. */
  get opened(): OpenObjectStore {
    if (this.#opened === null) throw new Error("The store is not open.");
    return this.#opened;
  }

  async open(opening: StoreOpening): Promise<OpenObjectStore> {
    const inner = await this.#inner.open(opening);
    this.#opened = inner;
    const ask = <Answer>(work: () => Promise<Answer>): Promise<Answer> => this.#ask(work);
    return {
      get lastNumber() {
        return inner.lastNumber;
      },
      get companions() {
        return inner.companions;
      },
      get leaseUntilMs() {
        return inner.leaseUntilMs;
      },
      commit: (batch) => this.#commit(inner, batch),
      load: (addresses) => this.#load(() => inner.load(addresses)),
      findReply: (address, key, now) => ask(() => inner.findReply(address, key, now)),
      listAlarms: (address) => ask(() => inner.listAlarms(address)),
      listObjects: (query) => ask(() => inner.listObjects(query)),
      dueAlarms: (query) => ask(() => inner.dueAlarms(query)),
      nextDueAfter: (types, after) => ask(() => inner.nextDueAfter(types, after)),
      dueTenants: (type, dueBy) => ask(() => inner.dueTenants(type, dueBy)),
      alarmTypes: () => ask(() => inner.alarmTypes()),
      deadAlarms: (query) => ask(() => inner.deadAlarms(query)),
      sweep: (sweep) => ask(() => inner.sweep(sweep)),
      close: () => inner.close(),
      abandon: () => inner.abandon(),
    };
  }

  /** Asks the real store, while virtual time waits. The dead neither ask nor hear. */
  async #ask<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    if (this.#life.isDead) return await silence();
    try {
      return await this.#clock.work(work);
    } finally {
      if (this.#life.isDead) await silence();
    }
  }

  async #load<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    const fault = this.#life.isDead ? null : this.#faults.take("load");
    if (fault?.fault === "fail") throw new StoreFailure("retry", "STORE_UNAVAILABLE", "the test made this load fail");
    return await this.#meet(fault, () => this.#ask(work));
  }

  async #commit(inner: OpenObjectStore, batch: CommitBatch): Promise<CommitResult> {
    if (this.#life.isDead) return await silence();
    // What has landed already cannot fail any more.
    const isNew = batch.number > inner.lastNumber;
    if (isNew) this.#refuseDoomed(batch);
    const fault = this.#faults.take(
      "commit",
      (next) => next.fault !== "fail" || (isNew && failing(next, batch)[0] !== undefined),
    );
    if (fault?.fault === "fail") {
      if (fault.full) throw new StoreFailure("full", "STORE_FULL", "the test made this commit fail: there is no room");
      for (const write of failing(fault, batch)) this.#doomed.add(nameOf(write));
      this.#refuseDoomed(batch);
    }
    return await this.#meet(fault, () => this.#ask(() => inner.commit(batch)));
  }

  #refuseDoomed({ writes }: CommitBatch): void {
    const doomed = writes.find((write) => this.#doomed.has(nameOf(write)));
    if (doomed === undefined) return;
    if (writes.length === 1) this.#doomed.delete(nameOf(doomed));
    throw new StoreFailure("refused", "COMMIT_FAILED", "the test made this commit fail");
  }

  /** Does what was asked for, and what goes wrong around it. */
  async #meet<Answer>(fault: StoreFault | null, work: () => Promise<Answer>): Promise<Answer> {
    switch (fault?.fault) {
      case "delay":
        await this.#clock.sleep(this.#life, fault.ms);
        return await work();
      case "crash":
        if (fault.when === "after") await work();
        this.#crash();
        return await silence();
      case "unknown":
        if (fault.applied) await work();
        throw new StoreFailure("retry", "STORE_UNAVAILABLE", "the test broke the connection during this commit");
      default:
        return await work();
    }
  }
}

/** The writes of a batch that a fault is about. */
function failing(fault: StoreFault & { readonly fault: "fail" }, { writes }: CommitBatch): readonly ObjectWrite[] {
  const { of } = fault;
  if (of === null) return writes;
  const type = typeof of.type === "string" ? of.type : of.type.type;
  const { tenant = "", id } = of;
  return writes.filter(({ address }) => address.type === type && address.id === id && address.tenant === tenant);
}

function nameOf({ address: { tenant, type, id }, baseRevision }: ObjectWrite): string {
  return [tenant, type, id, baseRevision].join("\u0000");
}

/** What the dead hear. */
function silence(): Promise<never> {
  return new Promise<never>(() => {});
}
