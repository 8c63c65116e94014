/**
 * A store on which things go wrong when a test says so. It delegates to a real one; what goes wrong is
 * what can go wrong between an engine and any store: a failure instead of an answer, an answer that is
 * lost after the batch was applied, an answer that takes its time, an object that cannot be stored.
 */

import type { Address, ErrorCode } from "../../src/index.ts";
import type {
  CommitBatch,
  CommitResult,
  ObjectStore,
  ObjectWrite,
  OpenObjectStore,
  StoreFailureKind,
  StoreOpening,
} from "../../src/ports/object-store.ts";
import { StoreFailure } from "../../src/ports/object-store.ts";
import { gate } from "./gate.ts";

/** The code that goes with a kind of failure. */
const codes: Readonly<Record<StoreFailureKind, ErrorCode>> = {
  refused: "COMMIT_FAILED",
  full: "STORE_FULL",
  retry: "STORE_UNAVAILABLE",
  lost: "STORE_TAKEN_OVER",
};

/** A commit that waits for the test. */
export interface HeldCommit {
  /** Resolves when the batch has reached the store. */
  readonly reached: Promise<CommitBatch>;
  /** Lets it go on. */
  release(): void;
}

/** What a commit meets. */
type Fate = (batch: CommitBatch, apply: () => Promise<CommitResult>) => Promise<CommitResult>;

/** A store on which things go wrong when a test says so. */
export class FaultyStore implements ObjectStore {
  readonly name: string;
  /** Every batch that was sent, in order, those that failed included. */
  readonly sent: CommitBatch[] = [];
  /** Every batch that the real store has answered. */
  readonly applied: CommitBatch[] = [];
  /** How many records sweeps have forgotten. */
  forgotten = 0;
  /** How many requests to load there were. */
  loads = 0;
  /** Until when answers from memory are allowed. */
  leaseUntilMs = Infinity;
  readonly #inner: ObjectStore;
  readonly #fates: Fate[] = [];
  readonly #poisoned = new Map<string, StoreFailureKind>();
  #failingLoads: { readonly thrown: unknown } | null = null;
  #failingReplies: StoreFailure | null = null;
  #heldLoads: Promise<void> | null = null;
  #open: OpenObjectStore | null = null;
  /** How many batches of somebody else the real store has had in between. */
  #strangers = 0;

  constructor(inner: ObjectStore) {
    this.#inner = inner;
    this.name = inner.name;
  }

  /** The next commit fails, and nothing of it is applied. */
  failNextCommit(kind: StoreFailureKind, details: { readonly code?: ErrorCode; readonly message?: string } = {}): void {
    const { code = codes[kind], message = `the commit was made to fail (${kind})` } = details;
    this.#fates.push(async () => {
      throw new StoreFailure(kind, code, message);
    });
  }

  /** The next commit fails with this, and nothing of it is applied. */
  failNextCommitWith(failure: StoreFailure): void {
    this.#fates.push(async () => {
      throw failure;
    });
  }

  /** The next commit is applied, and its answer is lost. */
  loseNextAnswer(): void {
    this.#fates.push(async (_batch, apply) => {
      await apply();
      throw new Error("the connection was lost after the commit");
    });
  }

  /** The next commit is lost on its way: nothing is applied, and nobody knows. */
  loseNextRequest(): void {
    this.#fates.push(async () => {
      throw new Error("the connection was lost before the commit");
    });
  }

  /** The right to write is lost with the next commit, which was applied all the same. */
  loseOwnershipAfterNextCommit(): void {
    this.#fates.push(async (_batch, apply) => {
      await apply();
      throw new StoreFailure("lost", "STORE_TAKEN_OVER", "the store was taken over", { maybeApplied: true });
    });
  }

  /**
   * The next commit waits until it is released: before it is applied, or after.
   *
   * @param end - what it meets once it is released; applied if nothing is given
   */
  holdNextCommit(where: "before" | "after" = "before", end?: StoreFailureKind): HeldCommit {
    const reached = gate<CommitBatch>();
    const released = gate();
    this.#fates.push(async (batch, apply) => {
      if (where === "before") {
        reached.open(batch);
        await released.passed;
        if (end !== undefined) throw new StoreFailure(end, codes[end], `the held commit was made to fail (${end})`);
        return await apply();
      }
      const result = await apply();
      reached.open(batch);
      await released.passed;
      return result;
    });
    return { reached: reached.passed, release: () => released.open() };
  }

  /** Every batch with this object fails, until it is healed. */
  poison(id: string, kind: StoreFailureKind = "refused"): void {
    this.#poisoned.set(id, kind);
  }

  heal(id: string): void {
    this.#poisoned.delete(id);
  }

  /** Loading fails until it is called with null. */
  failLoads(kind: StoreFailureKind | null, code: ErrorCode = "STORE_UNAVAILABLE"): void {
    this.#failingLoads = kind === null ? null : { thrown: new StoreFailure(kind, code, "the load was made to fail") };
  }

  /** Loading throws this, which a store should not. */
  throwOnLoad(thrown: unknown): void {
    this.#failingLoads = { thrown };
  }

  /** Looking up recorded replies fails until it is called with null. */
  failReplies(kind: StoreFailureKind | null): void {
    this.#failingReplies =
      kind === null ? null : new StoreFailure(kind, "STORE_UNAVAILABLE", "the look-up was made to fail");
  }

  /** Loads wait until the returned function is called. */
  holdLoads(): () => void {
    const released = gate();
    this.#heldLoads = released.passed;
    return () => {
      this.#heldLoads = null;
      released.open();
    };
  }

  /** Somebody else commits a state of an object, behind the back of whoever has it in memory. */
  async changeByStranger(address: Address, state: unknown): Promise<void> {
    const inner = this.#open;
    if (inner === null) throw new Error("the store is not open");
    const [stored] = await inner.load([address]);
    const number = inner.lastNumber + 1;
    const write: ObjectWrite = {
      address,
      baseRevision: stored?.revision ?? 0,
      state: JSON.stringify(state),
      stateVersion: stored?.stateVersion ?? 1,
      deleted: false,
      cancelAllAlarms: false,
      alarms: [],
      replies: [],
      statements: [],
    };
    this.#strangers += 1;
    await inner.commit({ number, at: 1, writes: [write] });
  }

  async open(opening: StoreOpening): Promise<OpenObjectStore> {
    const inner = await this.#inner.open(opening);
    this.#open = inner;
    const strangers = (): number => this.#strangers;
    const lease = (): number => this.leaseUntilMs;
    this.#strangers = 0;
    return {
      get lastNumber() {
        return inner.lastNumber - strangers();
      },
      get leaseUntilMs() {
        return lease();
      },
      load: async (addresses) => {
        this.loads += 1;
        if (this.#heldLoads !== null) await this.#heldLoads;
        if (this.#failingLoads !== null) throw this.#failingLoads.thrown;
        return await inner.load(addresses);
      },
      commit: (batch) => this.#commit(inner, batch),
      findReply: async (address, key, now) => {
        if (this.#failingReplies !== null) throw this.#failingReplies;
        return await inner.findReply(address, key, now);
      },
      listAlarms: (address) => inner.listAlarms(address),
      listObjects: (query) => inner.listObjects(query),
      dueAlarms: (query) => inner.dueAlarms(query),
      nextDueAfter: (types, after) => inner.nextDueAfter(types, after),
      dueTenants: (type, dueBy) => inner.dueTenants(type, dueBy),
      alarmTypes: () => inner.alarmTypes(),
      deadAlarms: (query) => inner.deadAlarms(query),
      sweep: async (sweep) => {
        const forgotten = await inner.sweep(sweep);
        this.forgotten += forgotten;
        return forgotten;
      },
      close: () => inner.close(),
      abandon: () => inner.abandon(),
    };
  }

  async #commit(inner: OpenObjectStore, batch: CommitBatch): Promise<CommitResult> {
    this.sent.push(batch);
    for (const { address } of batch.writes) {
      const kind = this.#poisoned.get(address.id);
      if (kind !== undefined) throw new StoreFailure(kind, codes[kind], `the object ${address.id} is poisonous`);
    }
    const apply = async (): Promise<CommitResult> => {
      const result = await inner.commit({ ...batch, number: batch.number + this.#strangers });
      this.applied.push(batch);
      return result;
    };
    const fate = this.#fates.shift();
    return fate === undefined ? await apply() : await fate(batch, apply);
  }
}
