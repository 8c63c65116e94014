/**
 * A real store behind a slow and unreliable line: every request arrives when a task is picked, its answer
 * when another one is, and on the way a commit can meet what is asked for in `Faults`. What the real store
 * applies goes into the ledger.
 */

import type { Address } from "../../src/index.ts";
import type {
  CommitBatch,
  CommitResult,
  ObjectStore,
  ObjectWrite,
  OpenObjectStore,
  StoreOpening,
} from "../../src/ports/object-store.ts";
import { StoreFailure } from "../../src/ports/object-store.ts";
import { emptyLog, objectName, type Ledger } from "./ledger.ts";
import type { VirtualWorld } from "./virtual-world.ts";

/**
 * What a commit meets.
 *
 * - `refused`, `full`: the store applies nothing.
 * - `request lost`, `answer lost`: nobody knows; only with the second it was applied.
 * - `foreign`: somebody else has changed an object just before.
 * - `taken over`, `taken over after`: the right to write is gone, before or after it was applied.
 */
export type CommitFate =
  | "refused"
  | "full"
  | "request lost"
  | "answer lost"
  | "foreign"
  | "taken over"
  | "taken over after";

/** What is to go wrong, and what has. */
export class Faults {
  /** What the next commits meet, one each. */
  readonly nextCommits: CommitFate[] = [];
  /** Commits with one of these are refused. */
  readonly poisoned = new Set<string>();
  /** How many reads will fail. */
  failingReads = 0;

  /** How many writes of others there were. */
  strangers = 0;

  // What has happened, so that an error without a reason is noticed.
  readonly uncommitted = new Set<string>();
  readonly changedByOthers = new Set<string>();
  hadFailedRead = false;
  hadDoubt = false;
  hadTakeOver = false;

  heal(): void {
    this.nextCommits.length = 0;
    this.poisoned.clear();
    this.failingReads = 0;
  }
}

/** The store as one life sees it. */
export class ControlledStore implements ObjectStore {
  readonly name = "controlled";
  readonly #inner: ObjectStore;
  readonly #world: VirtualWorld;
  readonly #life: number;
  readonly #ledger: Ledger;
  readonly #faults: Faults;
  #opened: OpenObjectStore | null = null;

  constructor(inner: ObjectStore, world: VirtualWorld, life: number, ledger: Ledger, faults: Faults) {
    this.#inner = inner;
    this.#world = world;
    this.#life = life;
    this.#ledger = ledger;
    this.#faults = faults;
  }

  async open(opening: StoreOpening): Promise<OpenObjectStore> {
    const inner = await this.#inner.open(opening);
    this.#opened = inner;
    const commit = new ControlledCommit(inner, this.#ledger, this.#faults);
    return {
      get lastNumber() {
        return commit.lastNumber;
      },
      get leaseUntilMs() {
        return inner.leaseUntilMs;
      },
      load: (addresses) => this.#read(() => inner.load(addresses)),
      commit: (batch) => this.#request(() => commit.run(batch)),
      findReply: (address, key, now) => this.#read(() => inner.findReply(address, key, now)),
      listAlarms: (address) => this.#read(() => inner.listAlarms(address)),
      listObjects: (query) => this.#read(() => inner.listObjects(query)),
      dueAlarms: (query) => this.#read(() => inner.dueAlarms(query)),
      nextDueAfter: (types, after) => this.#read(() => inner.nextDueAfter(types, after)),
      dueTenants: (type, dueBy) => this.#read(() => inner.dueTenants(type, dueBy)),
      alarmTypes: () => this.#read(() => inner.alarmTypes()),
      deadAlarms: (query) => this.#read(() => inner.deadAlarms(query)),
      sweep: (sweep) => this.#request(() => inner.sweep(sweep)),
      close: () => this.#request(() => inner.close()),
      abandon: () => inner.abandon(),
    };
  }

  /** The operating system closes what a dead process had open. */
  async closeFromOutside(): Promise<void> {
    await this.#opened?.abandon();
  }

  #request<Result>(execute: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) =>
      this.#world.add(this.#life, async () => {
        let answer: () => void;
        try {
          const result = await execute();
          answer = () => resolve(result);
        } catch (error) {
          answer = () => reject(error);
        }
        this.#world.add(this.#life, answer);
      }),
    );
  }

  #read<Result>(execute: () => Promise<Result>): Promise<Result> {
    return this.#request(() => {
      if (this.#faults.failingReads === 0) return execute();
      this.#faults.failingReads -= 1;
      this.#faults.hadFailedRead = true;
      throw new StoreFailure("retry", "STORE_UNAVAILABLE", "the line is cut");
    });
  }
}

class ControlledCommit {
  readonly #inner: OpenObjectStore;
  readonly #ledger: Ledger;
  readonly #faults: Faults;
  /** How many batches of others the real store has had in between. */
  #shift = 0;

  constructor(inner: OpenObjectStore, ledger: Ledger, faults: Faults) {
    this.#inner = inner;
    this.#ledger = ledger;
    this.#faults = faults;
  }

  get lastNumber(): number {
    return this.#inner.lastNumber - this.#shift;
  }

  async run(batch: CommitBatch): Promise<CommitResult> {
    const faults = this.#faults;
    const names = batch.writes.map(({ address }) => objectName(address));
    // A batch that was applied is not refused when it comes again.
    const isNew = batch.number > this.lastNumber;
    if (isNew && names.some((name) => faults.poisoned.has(name))) throw this.#refused(names);
    const fate = this.#nextFate(isNew);
    switch (fate) {
      case "refused":
        throw this.#refused(names);
      case "full":
        for (const name of names) faults.uncommitted.add(name);
        throw new StoreFailure("full", "STORE_FULL", "the disk is full");
      case "request lost":
        faults.hadDoubt = true;
        throw new StoreFailure("retry", "STORE_UNAVAILABLE", "the line was cut");
      case "answer lost":
        faults.hadDoubt = true;
        await this.#apply(batch);
        // Not a failure of the port: what is not known is in doubt as well.
        throw new Error("the line was cut");
      case "foreign":
        await this.#writeAsStranger(batch);
        return await this.#apply(batch);
      case "taken over":
        faults.hadTakeOver = true;
        throw new StoreFailure("lost", "STORE_TAKEN_OVER", "somebody else owns this store");
      case "taken over after":
        faults.hadTakeOver = true;
        await this.#apply(batch);
        throw new StoreFailure("lost", "STORE_TAKEN_OVER", "somebody else owns this store", { maybeApplied: true });
      case null:
        return await this.#apply(batch);
    }
  }

  #nextFate(isNew: boolean): CommitFate | null {
    const fate = this.#faults.nextCommits.shift() ?? null;
    return isNew || (fate !== "refused" && fate !== "full") ? fate : null;
  }

  #refused(names: readonly string[]): StoreFailure {
    const [only] = names;
    if (names.length === 1 && only !== undefined) this.#faults.uncommitted.add(only);
    return new StoreFailure("refused", "COMMIT_FAILED", "the store refuses this");
  }

  async #apply(batch: CommitBatch): Promise<CommitResult> {
    const number = batch.number + this.#shift;
    const isNew = number > this.#inner.lastNumber;
    const result = await this.#inner.commit({ ...batch, number });
    if (isNew) {
      batch.writes.forEach((write, index) => {
        if (!result.stale.includes(index)) this.#ledger.apply(write);
      });
    }
    return result;
  }

  /** Somebody else adds an entry to the first log of a batch, unless that batch may have been applied. */
  async #writeAsStranger(batch: CommitBatch): Promise<void> {
    const target = batch.writes.find(({ address }) => address.type === "log")?.address;
    if (target === undefined || batch.number !== this.lastNumber + 1) return;
    this.#faults.changedByOthers.add(objectName(target));
    const write = await this.#strangersWrite(target);
    await this.#inner.commit({ number: this.#inner.lastNumber + 1, at: batch.at, writes: [write] });
    this.#shift += 1;
    this.#ledger.apply(write);
  }

  async #strangersWrite(address: Address): Promise<ObjectWrite> {
    const [stored] = await this.#inner.load([address]);
    const entry = `stranger-${++this.#faults.strangers}`;
    const state = typeof stored?.state === "string" ? (JSON.parse(stored.state) as typeof emptyLog) : emptyLog;
    return {
      address,
      baseRevision: stored?.revision ?? 0,
      state: JSON.stringify({ born: state.born ?? entry, log: [...state.log, entry] }),
      stateVersion: 1,
      deleted: false,
      cancelAllAlarms: false,
      alarms: [],
      replies: [],
      statements: [],
    };
  }
}
