/** The parent's side of `cluster-process.ts`: a process with nodes, that can be asked, killed and stopped. */

import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { findNats, NatsServer } from "../../test/support/nats-server.ts";
import type { ProcessOrder, Question, Told } from "./cluster-process.ts";
import type { Slice } from "./measure.ts";

const program = join(import.meta.dirname, "cluster-process.ts");

/** A process with nodes. */
export class ClusterChild {
  readonly #child: ChildProcess;
  /** Where its WebSocket echo listens; -1 if it has none. */
  readonly webSocketPort: number;

  private constructor(child: ChildProcess, webSocketPort: number) {
    this.#child = child;
    this.webSocketPort = webSocketPort;
  }

  /** Starts it; resolves when its nodes are members. */
  static async start(order: ProcessOrder): Promise<ClusterChild> {
    const child = fork(program, [JSON.stringify(order)], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    process.once("exit", () => child.kill("SIGKILL"));
    const ready = once(child, "message") as Promise<[Told]>;
    const ended = once(child, "exit").then(() => null);
    const told = await Promise.race([ready, ended]);
    if (told?.[0].told !== "ready") throw new Error("A process of the cluster did not start.");
    return new ClusterChild(child, told[0].webSocketPort);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Asks it; one question at a time. */
  async ask(question: Question): Promise<Slice> {
    const answered = once(this.#child, "message") as Promise<[Told]>;
    this.#child.send(question);
    const [told] = await answered;
    if (told.told !== "answer") throw new Error("A process of the cluster gave no answer.");
    return told.slice;
  }

  /** Sends a signal to it: `SIGTERM` has it stop in order. */
  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGTERM"): void {
    this.#child.kill(signal);
  }

  /** Resolves when it is gone. */
  async gone(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
  }
}

/** Starts a NATS server that is gone when this process is; ends the process if there is none to be had. */
export async function startNats(): Promise<NatsServer> {
  const found = findNats();
  if (found === null) {
    console.error("This benchmark starts a NATS server of its own, and this machine has no nats-server.");
    process.exit(1);
  }
  return await NatsServer.create(found);
}
