/**
 * Sightings: what one node has seen of the others' leases.
 *
 * A node is taken for dead only if two clocks agree: the store's says that its lease is over, and by the
 * observer's own it has shown no sign of life for a whole lease, looked at often enough in that time. So neither
 * a store whose clock jumps nor an observer that was paused evicts anybody who lives. Where the store's clock
 * stands still or was set back, three leases of silence are enough.
 */

import type { NodeRow } from "../ports/ownership-store.ts";

interface Sighting {
  readonly beat: number;
  readonly sinceMs: number;
  lastMs: number;
}

const silentLeases = 3;

/** What a node is to its observer. */
export type Verdict = "alive" | "silent" | "dead" | "dead for long";

/** What one node has seen of the others. */
export class Sightings {
  readonly #leaseMs: number;
  readonly #seen = new Map<string, Sighting>();

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /**
   * Looks at the rows of all nodes.
   *
   * @param askedAtMs - when the store was asked, by the observer's monotonic clock
   */
  look(rows: readonly NodeRow[], askedAtMs: number): ReadonlyMap<string, Verdict> {
    const verdicts = new Map<string, Verdict>();
    for (const { node, beat, expired } of rows) {
      const seen = this.#seen.get(node);
      // After a gap the observer has not been watching: it begins again.
      const isNew = seen?.beat !== beat || askedAtMs - seen.lastMs > this.#leaseMs / 2;
      const sinceMs = isNew ? askedAtMs : seen.sinceMs;
      this.#seen.set(node, { beat, sinceMs, lastMs: askedAtMs });
      const silentMs = askedAtMs - sinceMs;
      verdicts.set(
        node,
        silentMs >= silentLeases * this.#leaseMs
          ? "dead for long"
          : silentMs >= this.#leaseMs && expired
            ? "dead"
            : expired
              ? "silent"
              : "alive",
      );
    }
    for (const node of this.#seen.keys()) if (!verdicts.has(node)) this.#seen.delete(node);
    return verdicts;
  }
}
