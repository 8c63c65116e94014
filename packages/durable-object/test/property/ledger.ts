/**
 * The ledger: every state that was ever applied to the real store, object by object, in order. It is what
 * durable means here; the answers that callers get are held against it.
 */

import type { Address } from "../../src/index.ts";
import type { ObjectWrite, StoredObject } from "../../src/ports/object-store.ts";

/** The state of a log. A log is born with its first entry, and born anew after it was deleted. */
export interface LogState {
  readonly born: string | null;
  readonly log: readonly string[];
}

/** What somebody saw of a log: enough to tell its versions apart. */
export interface Sighting {
  readonly born: string | null;
  readonly length: number;
}

export const emptyLog: LogState = { born: null, log: [] };

export function sightingOf(state: LogState): Sighting {
  return { born: state.born, length: state.log.length };
}

/** The name of an object in the ledger. */
export function objectName(address: Address): string {
  return `${address.type}/${address.id}`;
}

/** Every state that was ever applied to one object. The index is the revision; 0 is before the first write. */
export class History<State> {
  readonly versions: State[];
  readonly deletions = new Set<number>();

  constructor(initial: State) {
    this.versions = [initial];
  }

  /** The revision that is applied now. */
  get revision(): number {
    return this.versions.length - 1;
  }

  get last(): State {
    return this.versions.at(-1) as State;
  }

  wasDeletedAfter(revision: number): boolean {
    return [...this.deletions].some((deleted) => deleted > revision);
  }

  /** The first revision from `from` on for which `test` holds, or null. */
  find(from: number, test: (state: State) => boolean): number | null {
    for (let revision = from; revision < this.versions.length; revision++) {
      if (test(this.versions[revision] as State)) return revision;
    }
    return null;
  }
}

/** What was applied to the real store. */
export class Ledger {
  readonly logs = new Map<string, History<LogState>>();
  readonly tallies = new Map<string, History<number>>();

  log(name: string): History<LogState> {
    return obtain(this.logs, name, emptyLog);
  }

  tally(name: string): History<number> {
    return obtain(this.tallies, name, 0);
  }

  /** A write was applied. */
  apply(write: ObjectWrite): void {
    const name = objectName(write.address);
    const state = write.state === null ? null : (JSON.parse(write.state) as unknown);
    if (write.address.type === "tally") {
      append(this.tally(name), write, state === null ? null : (state as { readonly count: number }).count, 0);
    } else {
      append(this.log(name), write, state as LogState | null, emptyLog);
    }
  }

  /** What must be stored now. */
  expected(address: Address): Pick<StoredObject, "revision"> & { readonly state: unknown } {
    const name = objectName(address);
    if (address.type === "tally") {
      const history = this.tally(name);
      return { revision: history.revision, state: stateOrNull(history, { count: history.last }) };
    }
    const history = this.log(name);
    return { revision: history.revision, state: stateOrNull(history, history.last) };
  }
}

function obtain<State>(histories: Map<string, History<State>>, name: string, initial: State): History<State> {
  let history = histories.get(name);
  if (history === undefined) histories.set(name, (history = new History(initial)));
  return history;
}

function append<State>(history: History<State>, write: ObjectWrite, state: State | null, initial: State): void {
  if (write.deleted) history.deletions.add(history.versions.length);
  history.versions.push(write.deleted ? initial : (state ?? history.last));
}

function stateOrNull<State>(history: History<State>, state: unknown): unknown {
  return history.revision === 0 || history.deletions.has(history.revision) ? null : state;
}
