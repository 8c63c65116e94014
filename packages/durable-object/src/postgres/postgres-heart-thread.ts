/**
 * The heart of a node, from inside: a thread that renews the lease on a connection of its own.
 *
 * It beats at an interval, one beat at a time, and sooner after one that failed, on a new connection. When
 * a beat is answered, the moment it was sent stands where the application's thread can read it at any time. It is
 * silent as long as that thread is: then the node does nothing for anybody, and others should have its slots.
 */

import { parentPort, workerData } from "node:worker_threads";
import type { Client } from "pg";
import { storeFailure } from "./postgres-failure.ts";
import { HeartClocks, msOf } from "./postgres-heart-clocks.ts";
import type { ThreadConnection } from "./postgres-heart-connection.ts";
import { textTypes, type PostgresQuery, type Row } from "./postgres-pool.ts";
import type { StoreFailure } from "../ports/object-store.ts";

/** What the thread is given. */
export interface HeartSettings {
  readonly connection: ThreadConnection;
  /** The beat. */
  readonly text: string;
  readonly intervalMs: number;
  /** After how long without an answer a beat is given up, with its connection. */
  readonly timeoutMs: number;
  readonly stallMs: number;
  /** The store as messages call it. */
  readonly where: string;
  /** Of the {@link HeartClocks}. */
  readonly clocks: SharedArrayBuffer;
}

/** What the thread is told: to beat now, not later; to stop. */
export type HeartCommand = "beat" | "stop";

/** What the thread tells: what a beat was answered (null if the row is gone), or that it failed. */
export type HeartNews =
  | { readonly row: Row | null; readonly sentAtNs: bigint }
  | {
      readonly failure: Pick<StoreFailure, "code" | "message">;
      /** Whether trying again from here is of no use. */
      readonly hopeless: boolean;
    };

class HeartThread {
  readonly #settings: HeartSettings;
  readonly #clocks: HeartClocks;
  readonly #tell: (news: HeartNews) => void;
  #client: Client | null = null;
  #timer: NodeJS.Timeout | null = null;
  #phase: "waiting" | "beating" | "over" = "waiting";

  constructor(settings: HeartSettings, tell: (news: HeartNews) => void) {
    this.#settings = settings;
    this.#clocks = new HeartClocks(settings.clocks);
    this.#tell = tell;
  }

  /** Beats at once, unless it is about to be answered. */
  beat(): void {
    if (this.#phase !== "waiting") return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    void this.#beat();
  }

  async stop(): Promise<void> {
    this.#phase = "over";
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#client?.end().catch(() => undefined);
  }

  async #beat(): Promise<void> {
    const { intervalMs, stallMs } = this.#settings;
    const beganAtNs = process.hrtime.bigint();
    if (this.#clocks.silentMs > stallMs) {
      this.#wait(intervalMs);
      return;
    }
    this.#phase = "beating";
    let nextMs = intervalMs;
    try {
      const client = (this.#client ??= await this.#connect());
      // Not before: the lease is counted from here.
      const sentAtNs = process.hrtime.bigint();
      const row = await this.#send(client);
      if (this.#isOver) return;
      if (row !== null) this.#clocks.answered(sentAtNs);
      this.#tell({ row, sentAtNs });
      if (row === null) {
        await this.stop();
        return;
      }
    } catch (error) {
      this.#drop();
      if (this.#isOver) return;
      const { kind, code, message } = storeFailure(error, "open", this.#settings.where);
      this.#tell({ failure: { code, message }, hopeless: kind === "lost" });
      nextMs = intervalMs / 4;
    }
    this.#phase = "waiting";
    this.#wait(Math.max(0, nextMs - msOf(process.hrtime.bigint() - beganAtNs)));
  }

  /** Asked after every wait. */
  get #isOver(): boolean {
    return this.#phase === "over";
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => void this.#beat(), ms);
  }

  async #connect(): Promise<Client> {
    const { connection, timeoutMs } = this.#settings;
    const { default: pg } = await import("pg");
    const client = new pg.Client({
      keepAlive: true,
      fallback_application_name: "durable-object heart",
      ...connection,
      connectionTimeoutMillis: timeoutMs,
    });
    // One that breaks while it is idle is replaced with the next beat.
    client.on("error", () => {
      if (this.#client === client) this.#client = null;
    });
    try {
      await client.connect();
      return client;
    } catch (error) {
      void client.end().catch(() => undefined);
      throw error;
    }
  }

  async #send(client: Client): Promise<Row | null> {
    const { text, timeoutMs } = this.#settings;
    const query: PostgresQuery = { text, values: [], rowMode: "array", types: textTypes, query_timeout: timeoutMs };
    const results = [await client.query(query)].flat();
    const rows = (results.at(-1)?.rows ?? []) as readonly Row[];
    return rows[0] ?? null;
  }

  #drop(): void {
    void this.#client?.end().catch(() => undefined);
    this.#client = null;
  }
}

const port = parentPort;
if (port !== null) {
  const thread = new HeartThread(workerData as HeartSettings, (news) => port.postMessage(news));
  port.on("message", (command: HeartCommand) => {
    if (command === "beat") thread.beat();
    else void thread.stop().finally(() => port.close());
  });
  thread.beat();
}
