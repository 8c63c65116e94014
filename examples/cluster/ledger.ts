/**
 * The ledger of one node: what its clients know of every counter. For each there are two numbers, how many
 * increments were acknowledged and how many may have been applied. The second is the greater one by the calls
 * that are under way, or whose outcome nobody knows.
 *
 *   acknowledged ≤ what the database must have, from this node's clients ≤ possible
 *
 * It is a file that is written before a call begins and when it has ended, so that a `kill -9` of the node does
 * not take with it what its clients were told.
 */

import { openSync, readFileSync, writeSync } from "node:fs";

const bytesPerCounter = 8;

/** A ledger that is being written. */
export class Ledger {
  readonly #file: number;
  readonly #numbers: Uint32Array;
  readonly #bytes: Uint8Array;

  /** @param path - a file that is not there yet */
  constructor(path: string, counters: number) {
    this.#file = openSync(path, "wx");
    this.#numbers = new Uint32Array(2 * counters);
    this.#bytes = new Uint8Array(this.#numbers.buffer);
    writeSync(this.#file, this.#bytes);
  }

  /** An increment begins: from now on it may be applied. */
  begins(counter: number): void {
    this.#add(counter, 0, 1);
  }

  acknowledged(counter: number): void {
    this.#add(counter, 1, 0);
  }

  /** It is certain that it was not applied, and will not be. */
  notApplied(counter: number): void {
    this.#add(counter, 0, -1);
  }

  #add(counter: number, acknowledged: number, possible: number): void {
    const at = 2 * counter;
    this.#numbers[at] = (this.#numbers[at] ?? 0) + acknowledged;
    this.#numbers[at + 1] = (this.#numbers[at + 1] ?? 0) + possible;
    const offset = bytesPerCounter * counter;
    writeSync(this.#file, this.#bytes, offset, bytesPerCounter, offset);
  }
}

/** What the clients of some nodes know, by counter. */
export interface Knowledge {
  readonly acknowledged: readonly number[];
  readonly possible: readonly number[];
}

/** Reads the ledgers of all nodes, also of those that are dead. */
export function readLedgers(paths: readonly string[], counters: number): Knowledge {
  const acknowledged = Array.from({ length: counters }, () => 0);
  const possible = Array.from({ length: counters }, () => 0);
  for (const path of paths) {
    const file = readFileSync(path);
    for (let counter = 0; counter < counters; counter++) {
      const at = counter * bytesPerCounter;
      acknowledged[counter] = (acknowledged[counter] ?? 0) + file.readUInt32LE(at);
      possible[counter] = (possible[counter] ?? 0) + file.readUInt32LE(at + 4);
    }
  }
  return { acknowledged, possible };
}
