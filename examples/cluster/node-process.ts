/**
 * A node as its supervisor sees it: a process that can be killed, stopped, paused and resumed.
 *
 * starting → running ⇄ paused; from everywhere → stopping → gone.
 */

import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { Tally } from "./clients.ts";
import type { NodeCommand, NodeMessage, NodeOrder } from "./node.ts";

const program = join(import.meta.dirname, "node.ts");

export type NodePhase = "starting" | "running" | "paused" | "stopping" | "gone";

/** What a node hears of its process. */
export interface NodeListener {
  tally(node: NodeProcess, tally: Tally): void;
  warning(node: NodeProcess, text: string): void;
  /** @param how - the exit code, or the signal that ended it */
  gone(node: NodeProcess, how: number | NodeJS.Signals | null): void;
}

/** A node in a process of its own. */
export class NodeProcess {
  readonly name: string;
  readonly ledger: string;
  /** Resolves when the node is a member of the cluster; rejects if its process ends before. */
  readonly ready: Promise<void>;
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;
  #phase: NodePhase = "starting";
  #hasLedger = false;
  #isReady = (): void => {};
  #rested = (): void => {};

  constructor(order: NodeOrder, listener: NodeListener) {
    this.name = order.name;
    this.ledger = order.ledger;
    // Not the terminal: a process that has one sets it back when it ends.
    const child = fork(program, [JSON.stringify(order)], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.#child = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => listener.warning(this, text.trimEnd()));
    this.gone = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#phase = "gone";
        this.#rested();
        resolve();
        listener.gone(this, code ?? signal);
      });
    });
    this.ready = new Promise((resolve, reject) => {
      this.#isReady = resolve;
      child.once("exit", () => reject(new Error(`${this.name} did not start.`)));
    });
    // That nobody waits for it is no failure of its own.
    this.ready.catch(() => undefined);
    child.on("message", (message: NodeMessage) => {
      switch (message.kind) {
        case "ready":
          this.#hasLedger = true;
          if (this.#phase === "starting") this.#phase = "running";
          this.#isReady();
          break;
        case "rested":
          this.#rested();
          break;
        case "tally":
          listener.tally(this, message.tally);
          break;
        case "warning":
          listener.warning(this, message.text);
          break;
      }
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Whether it has begun to write its ledger. */
  get hasLedger(): boolean {
    return this.#hasLedger;
  }

  get phase(): NodePhase {
    return this.#phase;
  }

  /** Has its clients work. */
  work(): void {
    this.#tell("work");
  }

  /** Has its clients rest; resolves when the last call has ended. */
  async rest(): Promise<void> {
    if (this.#phase === "gone") return;
    const rested = new Promise<void>((resolve) => (this.#rested = resolve));
    this.#tell("rest");
    await rested;
  }

  /** `kill -9`: no warning, no last words. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Asks it to stop: it hands over what it owns, and ends. */
  stop(): void {
    if (this.#phase === "gone") return;
    this.resume();
    this.#phase = "stopping";
    this.#child.kill("SIGTERM");
  }

  /** Nothing in it runs any more, as if its machine hung. */
  pause(): void {
    if (this.#phase !== "running") return;
    this.#phase = "paused";
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    if (this.#phase !== "paused") return;
    this.#phase = "running";
    this.#child.kill("SIGCONT");
  }

  #tell(command: NodeCommand): void {
    if (this.#child.connected) this.#child.send(command);
  }
}
