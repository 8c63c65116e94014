/** Chance that follows from a seed, so that a run can be told how it was. */

/** A source of chance. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    // Seeds are small and near each other; their runs should not be.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
  }

  /** A number in [0, 1). */
  number(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A number between two others. */
  between(least: number, most: number): number {
    return least + this.number() * (most - least);
  }

  /** One of a list. */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.number() * items.length)];
    if (item === undefined) throw new RangeError("there is nothing to pick from");
    return item;
  }

  /** Another source, of which this one is independent. */
  fork(): Chance {
    return new Chance(Math.floor(this.number() * 2 ** 31));
  }
}
