/**
 * Whether this process still has what it took: the right to write, with all that hangs on the row of its owner. It is
 * lost once and for good, by whoever finds out first; then everything that hangs on it fails with the same words.
 */

import { StoreFailure } from "../ports/object-store.ts";

/** How the right is lost: somebody removed the row, or the database does not remember what it said. */
export type Loss = "taken" | "rewound";

export class PostgresStanding {
  readonly #where: string;
  readonly #listeners: (() => void)[] = [];
  #failure: StoreFailure | null = null;

  /** @param where - the store as messages call it */
  constructor(where: string) {
    this.#where = where;
  }

  /** Why the right is gone; null while it is not known to be. */
  get failure(): StoreFailure | null {
    return this.#failure;
  }

  /** Has something done when the right is lost. */
  onLost(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * The right is gone. Returns what to fail with.
   *
   * @param missing - what the database does not remember, for instance `commit 7`
   */
  lose(how: Loss, missing = "everything"): StoreFailure {
    if (this.#failure !== null) return this.#failure;
    this.#failure = how === "taken" ? taken(this.#where) : rewound(this.#where, missing);
    for (const listener of this.#listeners.splice(0)) listener();
    return this.#failure;
  }
}

function taken(where: string): StoreFailure {
  return new StoreFailure(
    "lost",
    "STORE_TAKEN_OVER",
    `${where} was taken over by another owner: this process did not renew its lease in time, or its row in ` +
      `durable_object_nodes was removed. Nothing more is written from here.`,
  );
}

function rewound(where: string, missing: string): StoreFailure {
  return new StoreFailure(
    "lost",
    "STORE_CORRUPT",
    `${where} went back in time: it does not have ${missing}, which it had answered. A standby was promoted that ` +
      `lacked it, or a backup was restored. Nothing more is written from here, because what is in memory is ahead of ` +
      `what is stored.`,
  );
}
