/**
 * The heart of a node, from outside: a thread keeps the lease, and tells.
 *
 * beating: the thread renews the lease; this thread leaves a sign of life, a tick, and hears what was answered. beating
 * here: there is no thread, because it cannot connect as the application does, or is gone; then the lease is renewed
 * from this thread, and is only as safe as this thread is quick. over: nothing more is sent.
 *
 * The times of the thread are those of `process.hrtime`, which all threads of a process share. How they relate to the
 * environment's monotonic clock is found out once; what is uncertain about it makes moments earlier, never later.
 */

import { channel } from "node:diagnostics_channel";
import { Worker } from "node:worker_threads";
import type { Environment, Timer } from "../core/environment.ts";
import { messageOf } from "../core/errors.ts";
import { StoreFailure } from "../ports/object-store.ts";
import type { Beat, Heart, HeartOptions } from "../ports/ownership-store.ts";
import { storeFailure } from "./postgres-failure.ts";
import { HeartClocks, msOf } from "./postgres-heart-clocks.ts";
import { threadConnection } from "./postgres-heart-connection.ts";
import type { HeartCommand, HeartNews, HeartSettings } from "./postgres-heart-thread.ts";
import type { ResolvedPostgresOptions } from "./postgres-options.ts";
import type { Row } from "./postgres-pool.ts";

/** What a heart is given. */
export interface HeartParts extends HeartOptions {
  readonly environment: Environment;
  /** The store as messages call it. */
  readonly where: string;
  readonly database: ResolvedPostgresOptions["database"];
  /** The beat. */
  readonly text: string;
  readonly timeoutMs: number;
  /** Sends a beat from this thread. */
  readonly beat: () => Promise<readonly Row[]>;
  /**
   * What a beat was answered; throws if the row is gone.
   *
   * @param askedAtMs - when it was sent, by `performance.now()`
   */
  readonly beatOf: (row: Row | undefined, askedAtMs: number) => Beat;
}

/** How long the thread may take to say goodbye to the server. */
const farewellMs = 1_000;
/** How often this thread shows that it is there, at least. */
const longestTickMs = 500;

/** Adapters do not know the engine; the channel's name is what they share. */
const warnings = channel("durable-object:warning");

/** The thread's file has the ending of this one: `.ts` in the sources, `.js` in the package. */
const threadUrl = new URL(`./postgres-heart-thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** After how long without an answer a beat is given up: the next one is not to wait for it. */
export function heartbeatTimeoutMs(intervalMs: number): number {
  return Math.max(50, intervalMs * 0.75);
}

export class PostgresHeart implements Heart {
  readonly #parts: HeartParts;
  readonly #clocks = new HeartClocks();
  readonly #ticking: NodeJS.Timeout;
  /** What to add to a time of the thread, in ms, for the environment's clock and for `performance.now()`. */
  readonly #toEnvironmentMs: number;
  readonly #toPerformanceMs: number;
  #phase: "beating" | "beating here" | "over" = "beating";
  #thread: Worker | null = null;
  #timer: Timer | null = null;
  /** When the last beat was sent from here that was answered. */
  #sentHereAtMs = -Infinity;
  #stopping: Promise<void> | null = null;

  constructor(parts: HeartParts) {
    this.#parts = parts;
    const [environmentMs, performanceMs] = [parts.environment.monotonic(), performance.now()];
    const nowMs = msOf(process.hrtime.bigint());
    this.#toEnvironmentMs = environmentMs - nowMs;
    this.#toPerformanceMs = performanceMs - nowMs;
    this.#tick();
    this.#ticking = setInterval(() => this.#tick(), Math.min(parts.stallMs / 4, longestTickMs)).unref();
    try {
      this.#start();
    } catch (error) {
      this.#beatHere(messageOf(error));
    }
  }

  get sentAtMs(): number {
    const sentAtMs = this.#clocks.sentAtMs;
    return sentAtMs === null ? this.#sentHereAtMs : Math.max(this.#sentHereAtMs, sentAtMs + this.#toEnvironmentMs);
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  /** @throws if it is clear that a thread cannot connect */
  #start(): void {
    const { database, text, intervalMs, timeoutMs, stallMs, where } = this.#parts;
    const connection = threadConnection(database);
    const clocks = this.#clocks.buffer;
    const settings: HeartSettings = { connection, text, intervalMs, timeoutMs, stallMs, where, clocks };
    const thread = new Worker(threadUrl, { name: "durable-object-heart", workerData: settings });
    thread.unref();
    thread.on("message", (news: HeartNews) => this.#hear(news));
    thread.on("error", (error) => this.#beatHere(messageOf(error)));
    thread.on("exit", (code) => this.#beatHere(`the thread ended with code ${code}`));
    this.#thread = thread;
  }

  #tick(): void {
    // The thread may have kept silent, too.
    if (this.#clocks.tick() > this.#parts.stallMs) this.#thread?.postMessage("beat" satisfies HeartCommand);
  }

  #hear(news: HeartNews): void {
    if (this.#phase !== "beating") return;
    if ("failure" in news) {
      const { code, message } = news.failure;
      if (news.hopeless) this.#beatHere(message);
      else this.#parts.failed(new StoreFailure("retry", code, message));
      return;
    }
    const sentAtMs = msOf(news.sentAtNs);
    this.#answered(news.row ?? undefined, sentAtMs + this.#toEnvironmentMs, sentAtMs + this.#toPerformanceMs);
  }

  /** @returns whether the row is there */
  #answered(row: Row | undefined, sentAtMs: number, askedAtMs: number): boolean {
    let beat: Beat;
    try {
      beat = this.#parts.beatOf(row, askedAtMs);
    } catch (error) {
      void this.stop();
      this.#parts.failed(storeFailure(error, "read", this.#parts.where));
      return false;
    }
    this.#parts.heard(beat, sentAtMs);
    return true;
  }

  // ——— Without a thread ———

  #beatHere(why: string): void {
    if (this.#phase !== "beating") return;
    this.#phase = "beating here";
    void this.#thread?.terminate();
    this.#thread = null;
    if (warnings.hasSubscribers) {
      warnings.publish({
        warning: "lease-on-main-thread",
        message:
          `The lease of this node in ${this.#parts.where} is renewed from the application's thread, because a thread ` +
          `of its own cannot do it: ${why}. Whatever keeps the application's thread busy for as long as the lease ` +
          `costs this node its slots. With a URL in place of a pool, or a pool whose options are values, it can.`,
      });
    }
    void this.#beatOnce();
  }

  async #beatOnce(): Promise<void> {
    const { environment, beat, intervalMs, where } = this.#parts;
    const [sentAtMs, askedAtMs] = [environment.monotonic(), performance.now()];
    let nextMs = intervalMs;
    try {
      const [row] = await beat();
      if (this.#isOver) return;
      if (row !== undefined) this.#sentHereAtMs = sentAtMs;
      if (!this.#answered(row, sentAtMs, askedAtMs)) return;
    } catch (error) {
      if (this.#isOver) return;
      const { code, message } = storeFailure(error, "read", where);
      this.#parts.failed(new StoreFailure("retry", code, message, { cause: error }));
      nextMs = intervalMs / 4;
    }
    const leftMs = Math.max(0, nextMs - (performance.now() - askedAtMs));
    this.#timer = environment.after(leftMs, () => void this.#beatOnce());
  }

  // ——— The end ———

  /** Asked after every wait. */
  get #isOver(): boolean {
    return this.#phase === "over";
  }

  async #stop(): Promise<void> {
    this.#phase = "over";
    clearInterval(this.#ticking);
    this.#timer?.cancel();
    const thread = this.#thread;
    if (thread === null) return;
    thread.ref();
    await new Promise<void>((resolve) => {
      const patience = setTimeout(resolve, farewellMs);
      thread.once("exit", () => {
        clearTimeout(patience);
        resolve();
      });
      thread.postMessage("stop" satisfies HeartCommand);
    });
    await thread.terminate();
  }
}
