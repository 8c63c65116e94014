/**
 * A database in a simulated world: it keeps what it was given, has a clock of its own, and is reached over
 * lines that are not to be trusted.
 *
 * It has one owner at a time, as a database server has for an application without a cluster: the owner
 * holds a lease that it renews; another process takes over when it has given the store up, or when its
 * lease is over and it has shown no sign of life for as long.
 */

import type { Timer } from "../core/environment.ts";
import { MemoryObjectStore } from "../memory/memory-object-store.ts";
import {
  StoreFailure,
  type CommitBatch,
  type ObjectStore,
  type OpenObjectStore,
  type StoreOpening,
} from "../ports/object-store.ts";
import { Unanswered, type SimulatedLine } from "./simulated-line.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

const leaseMs = 5_000;
const beatMs = 1_000;
const requestTimeoutMs = 1_500;

interface Owner {
  readonly node: string;
  readonly opened: OpenObjectStore;
  beat: number;
  expiresAtMs: number;
}

/** What a process sees of the owner that is in its way. */
interface Sighting {
  readonly node: string;
  readonly beat: number;
  readonly expired: boolean;
}

/** Everything that is stored, and who may write it. */
export class SimulatedDatabase {
  readonly #world: SimulatedWorld;
  readonly #store = new MemoryObjectStore();
  #owner: Owner | null = null;
  #clockOffsetMs = 0;
  readonly #fullness: () => number;
  /** How often the right to write went to another process. */
  takeOvers = 0;
  /** Hears of every batch that was applied, once. */
  onApplied: ((node: string, batch: CommitBatch) => void) | null = null;

  /** @param fullness - how probable it is that there is no room for a commit */
  constructor(world: SimulatedWorld, fullness: () => number) {
    this.#world = world;
    this.#fullness = fullness;
  }

  /** Somebody sets the clock of the database server. */
  moveClock(ms: number): void {
    this.#clockOffsetMs += ms;
  }

  /**
   * The store as a process uses it, over its line.
   *
   * @param onLost - hears when the process has lost the right to write
   */
  storeFor(process: SimulatedProcess, line: SimulatedLine, onLost: () => void): ObjectStore {
    return { name: "simulated", open: (opening) => openOver(this, opening, process, line, onLost) };
  }

  get #clockMs(): number {
    return this.#world.nowMs + this.#clockOffsetMs;
  }

  // ——— What the server does with a request ———

  /** Who owns the store, or null if it is free. */
  async sight(): Promise<Sighting | null> {
    const owner = this.#owner;
    return owner === null ? null : { node: owner.node, beat: owner.beat, expired: owner.expiresAtMs < this.#clockMs };
  }

  /** Gives the store to a process, if it is free or still has the owner that was seen, without a sign of life. */
  async take(opening: StoreOpening, seen: Sighting | null): Promise<OpenObjectStore> {
    const owner = this.#owner;
    if (owner !== null) {
      const isLapsed = owner.node === seen?.node && owner.beat === seen.beat && owner.expiresAtMs < this.#clockMs;
      if (!isLapsed) throw new StoreFailure("retry", "STORE_LOCKED", `The store is used by ${owner.node}.`);
      await owner.opened.abandon();
    }
    const opened = await this.#store.open(opening);
    this.#owner = { node: opening.node, opened, beat: 0, expiresAtMs: this.#clockMs + leaseMs };
    this.takeOvers += 1;
    this.#world.note(`${opening.node} owns the store${owner === null ? "" : ` instead of ${owner.node}`}`);
    return opened;
  }

  async beat(node: string): Promise<void> {
    const owner = this.#owner;
    if (owner?.node !== node) throw new StoreFailure("lost", "STORE_TAKEN_OVER", `The store has another owner.`);
    owner.beat += 1;
    owner.expiresAtMs = this.#clockMs + leaseMs;
  }

  async commit(node: string, opened: OpenObjectStore, batch: CommitBatch): ReturnType<OpenObjectStore["commit"]> {
    const isNew = batch.number > opened.lastNumber;
    if (isNew && this.#world.chance(this.#fullness())) {
      throw new StoreFailure("full", "STORE_FULL", "There is no room for this commit.");
    }
    const result = await opened.commit(batch);
    if (isNew) this.onApplied?.(node, batch);
    return result;
  }

  async giveUp(node: string, opened: OpenObjectStore): Promise<void> {
    if (this.#owner?.node !== node) return;
    await opened.close();
    this.#owner = null;
  }
}

async function openOver(
  database: SimulatedDatabase,
  opening: StoreOpening,
  process: SimulatedProcess,
  line: SimulatedLine,
  onLost: () => void,
): Promise<OpenObjectStore> {
  const { environment } = process;
  const ask = async <Answer>(execute: () => Promise<Answer>): Promise<Answer> => {
    try {
      return await line.request(execute, requestTimeoutMs);
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      throw new StoreFailure("retry", "STORE_UNAVAILABLE", error.message, { cause: error });
    }
  };
  const seen = await ask(() => database.sight());
  if (seen !== null) await ownerIsSilent(ask, database, process, seen);
  const sentAtMs = environment.monotonic();
  const opened = await ask(() => database.take(opening, seen));
  const lease = new SimulatedLease(database, opening.node, process, line, sentAtMs, onLost);
  const held = async <Answer>(execute: () => Promise<Answer>): Promise<Answer> => {
    if (lease.lost !== null) throw lease.lost;
    return await ask(execute);
  };
  let lastNumber = 0;
  return {
    get lastNumber() {
      return lastNumber;
    },
    get leaseUntilMs() {
      return lease.untilMs;
    },
    async commit(batch) {
      const result = await held(() => database.commit(opening.node, opened, batch));
      lastNumber = batch.number;
      return result;
    },
    load: (addresses) => held(() => opened.load(addresses)),
    findReply: (address, key, now) => held(() => opened.findReply(address, key, now)),
    listAlarms: (address) => held(() => opened.listAlarms(address)),
    listObjects: (query) => held(() => opened.listObjects(query)),
    dueAlarms: (query) => held(() => opened.dueAlarms(query)),
    nextDueAfter: (types, after) => held(() => opened.nextDueAfter(types, after)),
    dueTenants: (type, dueBy) => held(() => opened.dueTenants(type, dueBy)),
    alarmTypes: () => held(() => opened.alarmTypes()),
    deadAlarms: (query) => held(() => opened.deadAlarms(query)),
    sweep: (sweep) => held(() => opened.sweep(sweep)),
    async close() {
      lease.end();
      // Whoever hears nothing of it waits for the end of the lease.
      await ask(() => database.giveUp(opening.node, opened)).catch(() => undefined);
    },
    async abandon() {
      lease.end();
    },
  };
}

/** Resolves once an owner has shown no sign of life for the length of its lease, by the clock of who waits. */
async function ownerIsSilent(
  ask: <Answer>(execute: () => Promise<Answer>) => Promise<Answer>,
  database: SimulatedDatabase,
  { environment }: SimulatedProcess,
  seen: Sighting,
): Promise<void> {
  const sinceMs = environment.monotonic();
  for (;;) {
    await new Promise<void>((resolve) => environment.after(beatMs, resolve));
    const now = await ask(() => database.sight());
    if (now === null) return;
    if (now.node !== seen.node || now.beat !== seen.beat) {
      throw new StoreFailure("retry", "STORE_LOCKED", `The store is used by ${now.node}.`);
    }
    if (now.expired && environment.monotonic() - sinceMs > leaseMs) return;
  }
}

/** The lease of an owner, from its side: counted from before a renewal was sent, by its own clock. */
class SimulatedLease {
  untilMs: number;
  lost: StoreFailure | null = null;
  #timer: Timer | null = null;
  readonly #beat: () => Promise<void>;
  readonly #process: SimulatedProcess;
  readonly #onLost: () => void;

  constructor(
    database: SimulatedDatabase,
    node: string,
    process: SimulatedProcess,
    line: SimulatedLine,
    sentAtMs: number,
    onLost: () => void,
  ) {
    this.#process = process;
    this.#onLost = onLost;
    this.#beat = () => line.request(() => database.beat(node), requestTimeoutMs);
    this.untilMs = sentAtMs + leaseMs * 0.8;
    this.#next();
  }

  end(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #next(): void {
    this.#timer = this.#process.environment.after(beatMs, () => {
      void this.#renew();
      this.#next();
    });
  }

  async #renew(): Promise<void> {
    const sentAtMs = this.#process.environment.monotonic();
    try {
      await this.#beat();
      this.untilMs = Math.max(this.untilMs, sentAtMs + leaseMs * 0.8);
    } catch (error) {
      if (!(error instanceof StoreFailure) || error.kind !== "lost") return;
      this.lost = error;
      this.untilMs = -Infinity;
      this.end();
      this.#onLost();
    }
  }
}
