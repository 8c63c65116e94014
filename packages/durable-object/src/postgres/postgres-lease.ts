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

/** How far the wall clock may run ahead of the monotonic one between two renewals, in ms. */
const longestLeapMs = 1_000;

/**
 * Renews the lease of an owner, again and again. A renewal that fails is tried again: nobody can take the
 * right to write without the row of the owner going, and that is what ends it.
 *
 * The monotonic clock stands still while a machine is suspended, and the lease does not. Only the wall clock tells,
 * so where that has leapt ahead nothing is known of the lease until it is renewed.
 */
export class PostgresLease {
  readonly #options: LeaseOptions;
  #untilMs: number;
  #timer: Timer | null = null;
  #beat = 0;
  /** By how much the wall clock was ahead of the monotonic one when the lease was renewed. */
  #aheadMs: number;
  #phase: "kept" | "renewing" | "over" = "kept";

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#untilMs = options.untilMs;
    this.#aheadMs = aheadMs(options.environment);
    this.#schedule();
  }

  /** Until when it lasts at least, in ms of the environment's monotonic clock. */
  get untilMs(): number {
    if (this.#phase === "over") return -Infinity;
    if (aheadMs(this.#options.environment) - this.#aheadMs <= longestLeapMs) return this.#untilMs;
    if (this.#phase === "kept") {
      this.#timer?.cancel();
      void this.#renew();
    }
    return -Infinity;
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
    this.#phase = "renewing";
    const known = lastNumber();
    const renewedAheadMs = aheadMs(environment);
    const untilMs = environment.monotonic() + reliedPart * leaseMs;
    try {
      const [row] = await connections.write(
        statements.renewLease,
        [node, leaseMs],
        Math.min(leaseMs / 2, connections.statementTimeoutMs),
      );
      if (this.#isOver) return;
      const beat = Number(row?.[0]);
      if (row === undefined || beat <= this.#beat || Number(row[1]) < known) {
        this.end();
        onLost(row === undefined ? "taken" : "rewound");
        return;
      }
      this.#beat = beat;
      this.#untilMs = untilMs;
      this.#aheadMs = renewedAheadMs;
    } catch {
      // Whether the database is there is for those to say who need it.
    }
    if (this.#isOver) return;
    this.#phase = "kept";
    this.#schedule();
  }

  /** Asked after every wait. */
  get #isOver(): boolean {
    return this.#phase === "over";
  }
}

function aheadMs(environment: Environment): number {
  return environment.now() - environment.monotonic();
}
