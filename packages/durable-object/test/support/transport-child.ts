/** The parent's side of `transport-process.ts`: a node that can be killed and suspended. */

import { fork, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Peer } from "../../src/ports/transport.ts";
import type { Told } from "./transport-process.ts";

/** A process with a node; it is gone when the test is over. */
export class TransportChild {
  readonly #child: ChildProcess;
  /** What it has told of. */
  readonly heard: string[] = [];
  readonly peer: Peer;

  private constructor(child: ChildProcess, peer: Peer) {
    this.#child = child;
    this.peer = peer;
    child.on("message", (told: Told) => {
      if ("heard" in told) this.heard.push(told.heard);
    });
  }

  /** Starts it; resolves when it can be reached. */
  static async start(transport: "nats" | "peers", options: object): Promise<TransportChild> {
    const node = randomUUID();
    const script = join(import.meta.dirname, "transport-process.ts");
    const child = fork(script, [transport, JSON.stringify(options), node], { execArgv: [] });
    onTestFinished(() => void child.kill("SIGKILL"));
    const [told] = (await once(child, "message")) as [Told];
    return new TransportChild(child, { node, endpoint: "endpoint" in told ? told.endpoint : null });
  }

  /** Resolves once it has heard a message. */
  async hearsOf(message: string): Promise<void> {
    while (!this.heard.includes(message)) await once(this.#child, "message");
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  /** Kills it. Resolves when it is gone. */
  async crash(): Promise<void> {
    const gone = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await gone;
  }
}
