/**
 * The model: what callers were told, held against the ledger of what is durable. A part is checked at the
 * moment an answer arrives, the rest when a run is over.
 */

import { DurableObjectError } from "../../src/index.ts";
import type { Faults } from "./controlled-store.ts";
import { emptyLog, type Ledger, type Sighting } from "./ledger.ts";
import type { Entry } from "./objects.ts";
import type { VirtualWorld } from "./virtual-world.ts";

/**
 * What a call does, as far as the model cares. `see` and `total` look, `never` is one that cannot succeed,
 * and nothing is to be known of `idle` ones.
 */
export type CallEffect = "append" | "add" | "see" | "total" | "delete" | "never" | "idle";

/** What a caller knows of a call. */
type Answer = "acknowledged" | "not-applied" | "unknown";

/** One attempt of a caller. */
export interface Attempt {
  /** The object: `log/a`. */
  readonly name: string;
  readonly method: string;
  readonly effect: CallEffect;
  /** What is appended; the same for all attempts of one operation. */
  readonly entry: string;
  readonly life: number;
  /** Whether a handler made it. */
  readonly inside: boolean;
  /** When it was made and answered, as places in the order of all events. */
  readonly invoked: number;
  answered: number;
  /** Null while nothing is known: nothing will ever be if its life ends first. */
  answer: Answer | null;
  /** The revision that was durable for sure when it was made. */
  readonly floor: number;
}

type AttemptStart = Pick<Attempt, "name" | "method" | "effect" | "entry" | "life" | "inside">;

/** The codes that need no reason. */
const harmless = new Set(["CALL_TIMEOUT", "CALL_ABORTED", "RUNTIME_STOPPED", "MAILBOX_FULL"]);

/** What callers were told. */
export class Model {
  readonly attempts: Attempt[] = [];
  readonly #world: VirtualWorld;
  readonly #ledger: Ledger;
  readonly #faults: Faults;
  /** The newest revision of each object that somebody was told of. */
  readonly #floors = new Map<string, number>();
  readonly #bloated = new Set<string>();
  readonly #told = new Set<string>();
  #events = 0;

  constructor(world: VirtualWorld, ledger: Ledger, faults: Faults) {
    this.#world = world;
    this.#ledger = ledger;
    this.#faults = faults;
  }

  /** Follows a call from here to its answer. */
  follow(start: AttemptStart, call: Promise<unknown>): Attempt {
    const invoked = ++this.#events;
    const floor = this.#floors.get(start.name) ?? 0;
    const attempt: Attempt = { ...start, invoked, answered: Infinity, answer: null, floor };
    this.attempts.push(attempt);
    if (start.method === "bloat") this.#bloated.add(start.name);
    call.then(
      (value) => this.#acknowledged(attempt, value),
      (error: unknown) => this.#failed(attempt, error),
    );
    return attempt;
  }

  /** Attempts that have no answer yet, of one life. */
  open(life: number): readonly Attempt[] {
    return this.attempts.filter((attempt) => attempt.life === life && attempt.answer === null);
  }

  /**
   * Whoever learns of a state from outside the object must find it durable, and not older than `floor`.
   * Several turns become one version: what a turn saw is the beginning of a version, what a read saw a
   * whole one.
   */
  checkSighting(name: string, who: string, { born, length }: Sighting, floor: number, exact: boolean): number | null {
    const history = this.#ledger.log(name);
    const known = history.versions[floor] ?? emptyLog;
    const isOld = known.born === born && known.log.length > length;
    const revision = isOld
      ? null
      : history.find(
          floor,
          ({ born: itsBorn, log }) => itsBorn === born && (exact ? log.length === length : log.length >= length),
        );
    if (revision === null && (exact || !history.wasDeletedAfter(floor))) {
      this.#world.violate(
        `${who} saw ${length} entries of ${name} born ${born}: not durable, or older than revision ${floor}`,
      );
    }
    return revision;
  }

  #acknowledged(attempt: Attempt, value: unknown): void {
    this.#answer(attempt, "acknowledged");
    switch (attempt.effect) {
      case "append":
        this.#checkEntry(attempt, value as Entry);
        break;
      case "add":
        this.#checkCount(attempt, value as number);
        break;
      case "see":
        this.#checkSeen(attempt, value as Sighting);
        break;
      case "delete":
        this.#checkDeleted(attempt);
        break;
      case "total":
        this.#checkTotal(attempt, value as number);
        break;
      case "never":
        // A state that is too large may have been deleted before it had to be written.
        if (attempt.method !== "bloat" || !this.#ledger.log(attempt.name).wasDeletedAfter(attempt.floor)) {
          this.#world.violate(`${whatOf(attempt)} was acknowledged`);
        }
        break;
      case "idle":
        break;
    }
  }

  /** An acknowledged entry is durable, and exactly where the reply says. */
  #checkEntry(attempt: Attempt, { born, index }: Entry): void {
    const history = this.#ledger.log(attempt.name);
    const revision = history.find(0, (state) => state.born === born && state.log[index] === attempt.entry);
    // It may have become durable together with a deletion that came after it; a repetition hears of the first call.
    const first = this.attempts.find(({ name, entry }) => name === attempt.name && entry === attempt.entry);
    if (revision === null && !history.wasDeletedAfter((first ?? attempt).floor)) {
      this.#world.violate(`${whatOf(attempt)} was acknowledged at ${index}, and is not there`);
    }
    this.#raise(attempt, revision);
  }

  /** What an add is told is durable, newer than all that was known when it was called, and told to nobody else. */
  #checkCount(attempt: Attempt, count: number): void {
    const { versions, revision } = this.#ledger.tally(attempt.name);
    const told = `${attempt.name}=${count}`;
    const isNew = count > (versions[attempt.floor] ?? 0) && !this.#told.has(told);
    this.#told.add(told);
    const durable = versions.findIndex((state) => state >= count);
    if (!isNew || durable === -1) {
      this.#world.violate(
        `${whatOf(attempt)} was told ${count}, which is ${isNew ? "not durable" : "not new"} at ${revision}`,
      );
    }
    this.#raise(attempt, durable);
  }

  #checkTotal(attempt: Attempt, total: number): void {
    const revision = this.#ledger.tally(attempt.name).find(attempt.floor, (state) => state === total);
    if (revision === null)
      this.#world.violate(`${whatOf(attempt)} saw ${total}: not durable, or older than what was known`);
    this.#raise(attempt, revision);
  }

  #checkDeleted(attempt: Attempt): void {
    const history = this.#ledger.log(attempt.name);
    const revision = history.find(attempt.floor, (state) => state.born === null);
    if (revision === null) this.#world.violate(`${whatOf(attempt)} was acknowledged, and the object is still there`);
    this.#raise(attempt, revision);
  }

  #failed(attempt: Attempt, error: unknown): void {
    if (!(error instanceof DurableObjectError)) {
      this.#answer(attempt, "unknown");
      this.#world.violate(`${whatOf(attempt)} was rejected with ${String(error)}`);
      return;
    }
    this.#answer(attempt, error.outcome);
    if (!this.#isExplained(attempt, error)) {
      this.#world.violate(`${whatOf(attempt)} failed without a reason: ${error.code} ${error.message}`);
    }
    const seen = error.code === "HANDLER_FAILED" ? error.reason : seenByCrash(attempt, error);
    if (seen !== null) this.#checkSeen(attempt, seen as Sighting);
  }

  #checkSeen(attempt: Attempt, sighting: Sighting): void {
    const exact = attempt.method !== "size" && attempt.method !== "crash" && attempt.method !== "refuse";
    this.#raise(attempt, this.checkSighting(attempt.name, whatOf(attempt), sighting, attempt.floor, exact));
  }

  #isExplained({ name, method }: Attempt, { code }: DurableObjectError): boolean {
    const faults = this.#faults;
    if (harmless.has(code)) return true;
    switch (code) {
      case "HANDLER_FAILED":
        return method.startsWith("refuse");
      case "HANDLER_CRASHED":
        return method === "crash" || method === "appendWithTally";
      case "INVALID_STATE":
        return method === "spoil";
      case "STATE_TOO_LARGE":
        return this.#bloated.has(name);
      case "COMMIT_FAILED":
        return faults.uncommitted.has(name) || this.#bloated.has(name);
      case "STORE_FULL":
        return faults.uncommitted.has(name);
      case "STALE_REVISION":
        return faults.changedByOthers.has(name);
      case "LOAD_FAILED":
        return faults.hadFailedRead;
      case "STORE_UNAVAILABLE":
        return faults.hadFailedRead && (method === "peek" || method === "list");
      case "COMMIT_UNKNOWN":
        return faults.hadDoubt;
      case "STORE_TAKEN_OVER":
        return faults.hadTakeOver;
      default:
        return false;
    }
  }

  #answer(attempt: Attempt, answer: Answer): void {
    attempt.answered = ++this.#events;
    attempt.answer = answer;
  }

  #raise({ name }: Attempt, revision: number | null): void {
    if (revision !== null) this.#floors.set(name, Math.max(revision, this.#floors.get(name) ?? 0));
  }
}

function seenByCrash({ method }: Attempt, { code, cause }: DurableObjectError): unknown {
  if (code !== "HANDLER_CRASHED" || method !== "crash") return null;
  return JSON.parse((cause as Error).message) as unknown;
}

function whatOf({ name, method, entry }: Attempt): string {
  return `${method}(${entry}) of ${name}`;
}
