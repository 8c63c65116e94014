/**
 * What one who wants the right to write sees of those who have it, again and again: whether they show signs of life.
 *
 * A sign of life is a beat that was not there before. That is judged by the clock of this process alone, from the
 * moment a beat was read for the first time to the moment before it was asked for again.
 */

import { isGone, type PostgresOwner } from "./postgres-owner.ts";
import type { Row } from "./postgres-pool.ts";

/** An owner as its row says. */
export interface StoredOwner extends PostgresOwner {
  /** In ms since 1970. */
  readonly since: number;
  /** Whether its lease is over by the clock of the database. */
  readonly lapsed: boolean;
  /** Whether it owns everything, and is no node of a cluster. */
  readonly sole: boolean;
  readonly beat: number;
  readonly leaseMs: number;
}

/** A row of the statement `owners`. */
export function storedOwner(row: Row): StoredOwner {
  const [node, name, host, machine, pid, thread, started, command, since, lapsed, sole, beat, leaseMs] = row;
  return {
    node: node ?? "",
    name: name ?? "",
    host: host ?? "",
    machine: machine ?? null,
    pid: Number(pid),
    thread: Number(thread),
    started: started ?? null,
    command: command ?? "",
    since: Number(since),
    lapsed: lapsed === "t",
    sole: sole === "t",
    beat: Number(beat),
    leaseMs: Number(leaseMs),
  };
}

interface Sighting {
  beat: number;
  sinceMs: number;
  /** Whether it has shown a sign of life since it was first seen. */
  stirred: boolean;
}

export class Sightings {
  readonly #me: PostgresOwner;
  readonly #sightings = new Map<string, Sighting>();
  #gone: readonly string[] = [];

  constructor(me: PostgresOwner) {
    this.#me = me;
  }

  /** Those who were gone at the last look. */
  get gone(): readonly string[] {
    return this.#gone;
  }

  /** @param askedAtMs - before the owners were asked for, by `performance.now()` */
  look(owners: readonly StoredOwner[], askedAtMs: number): void {
    const nowMs = performance.now();
    this.#gone = owners
      .filter((owner) => {
        const { node, beat, lapsed, leaseMs } = owner;
        const sighting = this.#sightings.get(node);
        if (sighting?.beat !== beat) {
          this.#sightings.set(node, { beat, sinceMs: nowMs, stirred: sighting !== undefined });
          return isGone(owner, this.#me);
        }
        return isGone(owner, this.#me) || (lapsed && askedAtMs - sighting.sinceMs >= leaseMs);
      })
      .map(({ node }) => node);
  }

  /** Whether an owner may be gone, and it only takes time to be sure. */
  isFading({ node, lapsed }: StoredOwner): boolean {
    return lapsed && this.#sightings.get(node)?.stirred === false;
  }
}
