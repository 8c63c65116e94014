/**
 * The lease of one who owns a schema alone: renewed again and again, from the thread of the application. (A node of a
 * cluster has a heart instead.)
 */

import type { Environment, Timer } from "../core/environment.ts";
import type { PostgresConnections } from "./postgres-connections.ts";
import type { Loss } from "./postgres-standing.ts";
import type { Statements } from "./postgres-statements.ts";

/** What part of a lease an owner relies on: clocks may run differently fast, by a fifth at most. */
export const reliedPart = 0.8;

/** The longest time between two signs of life. */
const longestIntervalMs = 86_400_000;

/** What the lease is kept with. */
interface LeaseOptions {
  readonly connections: PostgresConnections;
  readonly statements: Statements;
  readonly environment: Environment;
  readonly node: string;
  readonly leaseMs: number;
  /** Until when it lasts, in ms of the environment's monotonic clock. */
  readonly untilMs: number;
  /** The number of the last commit that was answered. */
  readonly lastNumber: () => number;
  /** The right to write is gone. */
  readonly onLost: (how: Loss) => void;
}

/**
 * Renews the lease of an owner, again and again. A renewal that fails is tried again: nobody can take the
 * right to write without the row of the owner going, and that is what ends it.
 */
export class PostgresLease {
  readonly #options: LeaseOptions;
  #untilMs: number;
  #timer: Timer | null = null;
  #beat = 0;
  #phase: "kept" | "over" = "kept";

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#untilMs = options.untilMs;
    this.#schedule();
  }

  /** Until when it lasts at least, in ms of the environment's monotonic clock. */
  get untilMs(): number {
    return this.#phase === "over" ? -Infinity : this.#untilMs;
  }

  end(): void {
    this.#phase = "over";
    this.#timer?.cancel();
  }

  #schedule(): void {
    const { environment, leaseMs } = this.#options;
    // The next one only when this one is answered: whoever sleeps long does not wake up to a crowd of them.
    this.#timer = environment.after(Math.min(leaseMs / 5, longestIntervalMs), () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { connections, statements, environment, node, leaseMs, lastNumber, onLost } = this.#options;
    const known = lastNumber();
    const untilMs = environment.monotonic() + reliedPart * leaseMs;
    try {
      const [row] = await connections.write(
        statements.renewLease,
        [node, leaseMs],
        Math.min(leaseMs / 2, connections.statementTimeoutMs),
      );
      if (this.#phase === "over") return;
      const beat = Number(row?.[0]);
      if (row === undefined || beat <= this.#beat || Number(row[1]) < known) {
        this.end();
        onLost(row === undefined ? "taken" : "rewound");
        return;
      }
      this.#beat = beat;
      this.#untilMs = untilMs;
    } catch {
      // Whether the database is there is for those to say who need it.
    }
    if (this.#phase === "kept") this.#schedule();
  }
}
