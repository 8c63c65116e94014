/**
 * What can only be said when a run is over: every attempt of every caller against everything that was ever
 * durable.
 */

import type { Address } from "../../src/index.ts";
import type { OpenObjectStore } from "../../src/ports/object-store.ts";
import { objectName, type History, type Ledger, type LogState } from "./ledger.ts";
import type { Attempt } from "./model.ts";

/** Judges a run that is over. */
export class FinalCheck {
  readonly #attempts: readonly Attempt[];
  readonly #ledger: Ledger;
  readonly #violate: (message: string) => void;

  constructor(attempts: readonly Attempt[], ledger: Ledger, violate: (message: string) => void) {
    this.#attempts = attempts;
    this.#ledger = ledger;
    this.#violate = violate;
  }

  run(): void {
    for (const [name, history] of this.#ledger.logs) this.#checkLog(name, history);
    for (const [name, history] of this.#ledger.tallies) this.#checkTally(name, history);
  }

  #checkLog(name: string, history: History<LogState>): void {
    const attempts = this.#attempts.filter((attempt) => attempt.name === name);
    this.#checkGrowth(name, history);
    const deleting = attempts.filter(({ effect, answer }) => effect === "delete" && answer !== "not-applied");
    if (history.deletions.size > deleting.length) {
      this.#violate(`${name} was deleted ${history.deletions.size} times, and at most ${deleting.length} times asked`);
    }
    const places = placesOf(history);
    const appends = attempts.filter(({ effect }) => effect === "append" || effect === "never");
    for (const [entry, found] of places) {
      if (entry.startsWith("stranger")) continue;
      const mine = appends.filter((attempt) => attempt.entry === entry);
      if (mine.every(({ answer, effect }) => answer === "not-applied" || effect === "never")) {
        this.#violate(`${entry} of ${name} was reported as not applied, and is there`);
      }
      if (found.length > mine.length) this.#violate(`${entry} of ${name} is there ${found.length} times`);
    }
    this.#checkOrder(name, appends, places, history.deletions.size > 0);
  }

  /** Every version continues the one before, and no entry is there twice in one life of the object. */
  #checkGrowth(name: string, { versions, deletions }: History<LogState>): void {
    versions.forEach((version, revision) => {
      const before = versions[revision - 1];
      if (before === undefined || deletions.has(revision)) return;
      const continues = before.log.every((entry, index) => version.log[index] === entry);
      const isSame = before.born === null || version.born === before.born;
      if (!continues || !isSame) this.#violate(`revision ${revision} of ${name} does not continue the one before`);
      if (new Set(version.log).size < version.log.length) {
        this.#violate(`revision ${revision} of ${name} has an entry twice: ${version.log.join(" ")}`);
      }
    });
  }

  /** Entries stand in the order of real time, and those of one runtime in the order of calls. */
  #checkOrder(name: string, appends: readonly Attempt[], places: Places, wasDeleted: boolean): void {
    const operations = operationsOf(appends, places, wasDeleted);
    for (const first of operations) {
      for (const second of operations) {
        if (first.place <= second.place) continue;
        if (first.acknowledged < second.invoked) {
          this.#violate(
            `${second.entry} of ${name} was called after ${first.entry} was acknowledged, and stands before it`,
          );
        }
        if (first.onlyLife !== null && first.onlyLife === second.onlyLife && first.invoked < second.invoked) {
          this.#violate(`${second.entry} of ${name} overtook ${first.entry}`);
        }
      }
    }
  }

  #checkTally(name: string, history: History<number>): void {
    const adds = this.#attempts.filter((attempt) => attempt.name === name && attempt.effect === "add");
    const acknowledged = adds.filter(({ answer }) => answer === "acknowledged").length;
    const possible = adds.filter(({ answer }) => answer !== "not-applied").length;
    if (history.last < acknowledged || history.last > possible) {
      this.#violate(`${name} is ${history.last}: ${acknowledged} adds were acknowledged, at most ${possible} applied`);
    }
  }
}

/** Where entries stand: more than one place only for what was called again after a deletion. */
type Places = ReadonlyMap<string, readonly number[]>;

/** An entry that stands in one place, with all attempts to get it there. */
interface Operation {
  readonly entry: string;
  readonly place: number;
  /** When it was called first, and when it was acknowledged first. */
  readonly invoked: number;
  readonly acknowledged: number;
  /** The life of its attempt, if there was only one. */
  readonly onlyLife: number | null;
}

function operationsOf(appends: readonly Attempt[], places: Places, wasDeleted: boolean): readonly Operation[] {
  const operations: Operation[] = [];
  for (const [entry, [place, ...others]] of places) {
    const attempts = appends.filter((attempt) => attempt.entry === entry);
    const [first, ...repeats] = attempts;
    if (first === undefined || place === undefined || others.length > 0) continue;
    // A deletion takes the idempotency records with it: a repetition is a new operation then.
    if (repeats.length > 0 && wasDeleted) continue;
    const answers = attempts.map(({ answer, answered }) => (answer === "acknowledged" ? answered : Infinity));
    operations.push({
      entry,
      place,
      invoked: first.invoked,
      acknowledged: Math.min(...answers),
      onlyLife: repeats.length === 0 ? first.life : null,
    });
  }
  return operations;
}

/** Where an entry stands: its place among all entries that ever were, once for each life of the object. */
function placesOf({ versions, deletions }: History<LogState>): Places {
  const places = new Map<string, number[]>();
  let before = 0;
  let seen = 0;
  versions.forEach(({ log }, revision) => {
    if (deletions.has(revision)) {
      before += seen;
      seen = 0;
    }
    for (; seen < log.length; seen++) {
      const entry = log[seen] as string;
      places.set(entry, [...(places.get(entry) ?? []), before + seen]);
    }
  });
  return places;
}

/** The real store holds what the ledger says, and nothing else. */
export async function compareWithStore(
  store: OpenObjectStore,
  ledger: Ledger,
  addresses: readonly Address[],
  violate: (message: string) => void,
): Promise<void> {
  const stored = await store.load(addresses);
  addresses.forEach((address, index) => {
    const row = stored[index] ?? null;
    const state: unknown = row === null || row.state === null ? null : JSON.parse(row.state);
    const found = JSON.stringify({ revision: row?.revision ?? 0, state });
    const expected = JSON.stringify(ledger.expected(address));
    if (found !== expected) violate(`${objectName(address)}: stored is ${found}, not ${expected}`);
  });
}
