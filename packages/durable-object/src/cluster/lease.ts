/**
 * The lease of a node, from its own side: it lasts from before a renewal was sent, by the node's own clock, and
 * is relied on for four fifths of its length. So a node stops answering from memory before anybody can have
 * followed it, also if clocks run differently fast.
 *
 * A renewal is answered with the numbers the store knows. Lower ones than those that were known before it was
 * sent mean that the store went back in time: then nothing this node has in memory can be trusted.
 */

import type { Environment, Timer } from "../core/environment.ts";
import { messageOf } from "../core/errors.ts";
import { StoreFailure } from "../ports/object-store.ts";
import type { Beat, Heart, HeartOptions, JoinedStore } from "../ports/ownership-store.ts";

/** What part of the lease a node relies on. */
const reliedPart = 0.8;
/** How many renewals fit into a lease. */
const beatsPerLease = 5;
/** After how many leases without a sign of the application's thread no renewal is sent. */
const stallLeases = 2;
/** By how much a wall clock may go ahead between two renewals without anybody having slept, in ms. */
const longestJumpMs = 1_000;
/** How many samples of known numbers are kept. */
const samplesKept = 64;

interface LeaseOptions {
  readonly environment: Environment;
  readonly joined: JoinedStore;
  readonly leaseMs: number;
  /** When the node asked to join. */
  readonly joinedAtMs: number;
  /** The row is gone, or the store went back in time. */
  readonly lost: (failure: StoreFailure) => void;
  readonly warn: (warning: string, message: string, cause?: unknown) => void;
}

/** The numbers that were known at a time. */
interface Sample {
  readonly atMs: number;
  readonly beat: number;
  readonly batch: number;
  readonly change: number;
}

/** Keeps the lease of a node, and says how long it lasts. */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #heart: Heart;
  /** Renews while a heart in a thread of its own is still being started: that takes long on a busy machine. */
  readonly #starter: Heart | null;
  readonly #samples: Sample[] = [];
  #beat = 0;
  /** By how much the wall clock was ahead of the monotonic one at the last renewal. */
  #wallAheadMs: number;
  #failing = false;
  #phase: "kept" | "over" = "kept";

  constructor(options: LeaseOptions) {
    this.#options = options;
    const { joined, leaseMs, environment } = options;
    this.#wallAheadMs = environment.now() - environment.monotonic();
    this.#sample();
    const heartOptions = {
      intervalMs: Math.ceil(leaseMs / beatsPerLease),
      stallMs: leaseMs * stallLeases,
      heard: (beat: Beat, sentAtMs: number) => {
        void this.#starter?.stop();
        this.#heard(beat, sentAtMs);
      },
      failed: (failure: StoreFailure) => this.#failed(failure),
    };
    const timed = (): Heart => new TimedHeart(options, { ...heartOptions, heard: this.#heard.bind(this) });
    const heart = joined.ownership.heart?.(heartOptions);
    this.#heart = heart ?? timed();
    this.#starter = heart === undefined ? null : timed();
  }

  /** Until when this node may answer from memory, in ms of the environment's monotonic clock. */
  get untilMs(): number {
    const { joinedAtMs, leaseMs, environment } = this.#options;
    // The monotonic clock stands still while a machine sleeps, and the others' leases do not.
    const sleptMs = environment.now() - environment.monotonic() - this.#wallAheadMs;
    if (this.#phase === "over" || sleptMs > longestJumpMs) return -Infinity;
    const sentAtMs = Math.max(joinedAtMs, this.#heart.sentAtMs, this.#starter?.sentAtMs ?? -Infinity);
    return sentAtMs + reliedPart * leaseMs;
  }

  /** Renews no more. */
  async end(): Promise<void> {
    this.#phase = "over";
    await Promise.all([this.#heart.stop(), this.#starter?.stop()]);
  }

  #sample(): void {
    const { environment, joined } = this.#options;
    this.#samples.push({
      atMs: environment.monotonic(),
      beat: this.#beat,
      batch: joined.objects.lastNumber,
      change: joined.ownership.lastNumber,
    });
    if (this.#samples.length > samplesKept) this.#samples.shift();
  }

  #heard({ beat, batchNumber, changeNumber }: Beat, sentAtMs: number): void {
    if (this.#phase === "over") return;
    const { environment } = this.#options;
    this.#failing = false;
    this.#wallAheadMs = environment.now() - environment.monotonic();
    const known = this.#samples.findLast(({ atMs }) => atMs < sentAtMs);
    if (known !== undefined && (beat <= known.beat || batchNumber < known.batch || changeNumber < known.change)) {
      this.#options.lost(
        new StoreFailure(
          "lost",
          "STORE_CORRUPT",
          "The store went back in time: it does not know what it has confirmed. Was it restored, or did a standby " +
            "take over that had not received everything?",
          { maybeApplied: true },
        ),
      );
      return;
    }
    this.#beat = Math.max(this.#beat, beat);
    this.#sample();
  }

  #failed(failure: StoreFailure): void {
    if (this.#phase === "over") return;
    if (failure.kind === "lost") {
      this.#options.lost(failure);
    } else if (!this.#failing) {
      this.#failing = true;
      const message = `The lease could not be renewed, which is tried again: ${messageOf(failure)}`;
      this.#options.warn("lease-not-renewed", message, failure);
    }
  }
}

/** A heart that beats with the timers of the node itself. */
class TimedHeart implements Heart {
  sentAtMs = -Infinity;
  readonly #options: LeaseOptions;
  readonly #intervalMs: number;
  readonly #heart: HeartOptions;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: LeaseOptions, heart: HeartOptions) {
    this.#options = options;
    this.#intervalMs = heart.intervalMs;
    this.#heart = heart;
    void this.#renew();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #renew(): Promise<void> {
    const { environment, joined } = this.#options;
    const sentAtMs = environment.monotonic();
    try {
      const beat = await joined.ownership.beat();
      if (this.#stopped) return;
      this.sentAtMs = sentAtMs;
      this.#heart.heard(beat, sentAtMs);
    } catch (error) {
      if (this.#stopped) return;
      const failure =
        error instanceof StoreFailure
          ? error
          : new StoreFailure("retry", "STORE_UNAVAILABLE", messageOf(error), { cause: error });
      this.#heart.failed(failure);
      if (failure.kind === "lost") return;
    }
    // The next one only when this one is over: whoever was paused does not wake up to a crowd of them.
    if (!this.#stopped) this.#timer = environment.after(this.#intervalMs, () => void this.#renew());
  }
}
