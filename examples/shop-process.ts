/**
 * The shop's server as a child process that can be killed and started again.
 *
 * down → starting → up → down. `start` leads to up, `kill` and `stop` lead to down, and so does its own death.
 */

import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";

const program = join(import.meta.dirname, "shop/server.ts");

/** How the server ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The server that could not start; it has said itself why. */
export class StartFailed extends Error {}

export class ShopProcess {
  readonly #place: string;
  #port: number;
  #child: ChildProcess | null = null;
  #exited: Promise<Exit> = Promise.resolve({ code: 0, signal: null });

  /**
   * @param place - where it keeps its objects: see store.ts
   * @param port - the server takes the next free one if it is taken
   */
  constructor(place: string, port: number) {
    this.#place = place;
    this.#port = port;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when the server that runs now has ended. */
  get exited(): Promise<Exit> {
    return this.#exited;
  }

  /** Starts the server. Resolves, to the ms it took, when it listens. */
  async start(): Promise<number> {
    const started = performance.now();
    const child = fork(program, {
      env: { ...process.env, PORT: String(this.#port), SHOP_STORE: this.#place },
    });
    this.#child = child;
    this.#exited = new Promise((ended) => child.once("exit", (code, signal) => ended({ code, signal })));
    const isUp = new Promise<number>((listens) =>
      child.once("message", (message) => listens((message as { port: number }).port)),
    );
    const port = await Promise.race([isUp, this.#exited.then(() => null)]);
    if (port === null) throw new StartFailed("The shop did not start.");
    this.#port = port;
    return performance.now() - started;
  }

  /** Kills the server: no warning, no last words. Resolves when it is dead. */
  async kill(): Promise<Exit> {
    this.#child?.kill("SIGKILL");
    return await this.#exited;
  }

  /** Asks the server to stop: it finishes what it has begun. Resolves when it is gone. */
  async stop(): Promise<Exit> {
    this.#child?.kill("SIGTERM");
    return await this.#exited;
  }
}
