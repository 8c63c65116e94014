/**
 * One node of a cluster under test: a process (`fixtures/cluster-node.ts`) with lines of its own to PostgreSQL and
 * to the message broker. It is given calls, and is killed, paused, cut off and sent away.
 *
 * starting → up ⇄ paused → leaving → gone; from everywhere to gone. Who dies without having been killed, or
 * ends with anything but 0, is told in `crashed`.
 */

import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { CallOrder, NodeEvent, NodeObject, NodeOrder, NodeSaid } from "../fixtures/cluster-node.ts";
import type { NodeConfig } from "../fixtures/cluster-runtime.ts";
import type { ClusterLine } from "./cluster-line.ts";

const script = join(import.meta.dirname, "../fixtures/cluster-node.ts");

/** What became of a call. */
export type CallEnding =
  | { readonly outcome: "ok"; readonly value: unknown }
  | { readonly outcome: "not-applied" | "unknown"; readonly code: string; readonly message: string };

/** A call, without saying that it is one. */
export type NodeCall = Omit<CallOrder, "order">;

/** What a node is made of. */
export interface ClusterNodeParts {
  /** Tells it from all nodes that there were. */
  readonly label: string;
  readonly postgres: ClusterLine;
  /** Without a broker: on which the other nodes reach it. Null where there are none. */
  readonly broker: ClusterLine | null;
  /** Where compiled modules are kept: most of its start would go into compiling them again. */
  readonly cache: string;
  hear(event: NodeEvent): void;
}

/** A node. */
export class ClusterNode {
  readonly label: string;
  readonly postgres: ClusterLine;
  readonly broker: ClusterLine | null;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (said: Exclude<NodeSaid, { said: "event" }> | null) => void>();
  readonly #gone: Promise<void>;
  #orders = 0;
  #state: "starting" | "up" | "paused" | "leaving" | "gone" = "starting";
  #isKilled = false;
  #errors = "";
  /** How it ended, if it should not have. */
  crashed: string | null = null;
  /** What the runtime calls itself; empty before it is up. */
  node = "";

  constructor(parts: ClusterNodeParts) {
    this.label = parts.label;
    this.postgres = parts.postgres;
    this.broker = parts.broker;
    this.#child = fork(script, {
      execArgv: [],
      env: { ...process.env, NODE_COMPILE_CACHE: parts.cache },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#errors = `${this.#errors}${text}`.slice(-4_000);
    });
    this.#child.on("message", (said: NodeSaid) => {
      if (said.said === "event") {
        parts.hear(said);
        return;
      }
      this.#waiting.get(said.number)?.(said);
      this.#waiting.delete(said.number);
    });
    // Everything it has said before it died arrives before this.
    this.#gone = once(this.#child, "close").then(([code, signal]) => {
      if (!this.#isKilled && (code !== 0 || this.#state !== "leaving")) {
        this.crashed = `${this.label} ended by itself (${String(signal ?? code)}): ${this.#errors}`;
      }
      this.#state = "gone";
      for (const hear of this.#waiting.values()) hear(null);
      this.#waiting.clear();
    });
  }

  get state(): "starting" | "up" | "paused" | "leaving" | "gone" {
    return this.#state;
  }

  /** Resolves when the process is no more. */
  get gone(): Promise<void> {
    return this.#gone;
  }

  /** Starts the runtime. Rejects if that fails, or the process dies. */
  async start(config: NodeConfig): Promise<void> {
    this.node = (await this.#succeed({ order: "start", config })) as string;
    if (this.#state === "starting") this.#state = "up";
  }

  /** Makes a call. Never rejects: a node that dies leaves the outcome unknown, one that is gone was never asked. */
  async call(call: NodeCall): Promise<CallEnding> {
    if (!this.#child.connected) return { outcome: "not-applied", code: "NODE_GONE", message: `${this.label} is gone` };
    const said = await this.#ask({ order: "call", ...call });
    if (said === null) return { outcome: "unknown", code: "NODE_DIED", message: `${this.label} died` };
    return said.said === "answer" ? { outcome: "ok", value: said.value } : said.failure;
  }

  /** Where it thinks that an object is. */
  locate(type: NodeObject, id: string): Promise<unknown> {
    return this.#succeed({ order: "locate", type, id });
  }

  /** What it knows of the cluster; null if it is in none. */
  status(): Promise<unknown> {
    return this.#succeed({ order: "status" });
  }

  /** Has it stand still, until `proceed`. */
  pause(): void {
    this.#child.kill("SIGSTOP");
    if (this.#state === "up") this.#state = "paused";
  }

  proceed(): void {
    this.#child.kill("SIGCONT");
    if (this.#state === "paused") this.#state = "up";
  }

  /** Kills it in the middle of whatever it is doing. Resolves when all it has said was heard. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    this.#child.kill("SIGKILL");
    await this.#over();
  }

  /** Sends it away in good order; resolves when the process is no more. */
  async leave(): Promise<void> {
    if (this.#state === "up") this.#state = "leaving";
    this.#child.kill("SIGTERM");
    await this.#over();
  }

  async #over(): Promise<void> {
    await this.#gone;
    await Promise.all([this.postgres.close(), this.broker?.close()]);
  }

  async #succeed(order: NodeOrder): Promise<unknown> {
    const said = await this.#ask(order);
    if (said === null) throw new Error(`${this.label} died: ${this.#errors}`);
    if (said.said === "failure") throw new Error(`${this.label}: ${said.failure.message}`);
    return said.value;
  }

  #ask(order: NodeOrder): Promise<Exclude<NodeSaid, { said: "event" }> | null> {
    if (!this.#child.connected) return Promise.resolve(null);
    const number = this.#orders++;
    return new Promise((resolve) => {
      this.#waiting.set(number, resolve);
      // It may die while it is written: then there is no answer.
      this.#child.send(order, () => undefined);
    });
  }
}
