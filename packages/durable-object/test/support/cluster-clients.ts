/**
 * Clients at every node: each makes one call after another, at the node it has chosen, and goes elsewhere when
 * that one is gone, or takes too long. A call that takes too long stays open: its answer counts whenever it comes.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Chance } from "./cluster-chance.ts";
import type { ClusterHistory } from "./cluster-history.ts";
import type { CallEnding, ClusterNode } from "./cluster-node-process.ts";
import type { ClusterProcesses } from "./cluster-processes.ts";
import type { ClusterWorkload, PlannedCall } from "./cluster-workload.ts";

/** How clients behave. */
export interface ClientsOptions {
  readonly clients: number;
  /** Between an answer and the next call, on average. */
  readonly thinkMs: number;
  /** After that a client makes its next call elsewhere. */
  readonly patienceMs: number;
}

interface Parts {
  readonly processes: ClusterProcesses;
  readonly workload: ClusterWorkload;
  readonly history: ClusterHistory;
  readonly chance: Chance;
}

const noNode: CallEnding = { outcome: "not-applied", code: "NO_NODE", message: "there is no node" };

/** The clients of a run. They begin at once. */
export class ClusterClients {
  readonly #parts: Parts;
  readonly #options: ClientsOptions;
  readonly #over: Promise<unknown>;
  #isOver = false;

  constructor(parts: Parts, options: ClientsOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#over = Promise.all(Array.from({ length: options.clients }, (_, number) => this.#client(number)));
  }

  /** No further calls; resolves when no client waits any more. What is repeated is given up. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#over;
  }

  async #client(number: number): Promise<void> {
    const { processes, workload, history } = this.#parts;
    const chance = this.#parts.chance.fork();
    let home: ClusterNode | null = null;
    for (let call = 0; !this.#isOver; call++) {
      const { open } = processes;
      if (home === null || !open.includes(home)) home = open[(number + call) % Math.max(1, open.length)] ?? null;
      if (home === null) {
        await sleep(20);
        continue;
      }
      const planned = workload.plan();
      const ended = history.follow(planned.object, planned.input, () =>
        this.#call(planned, home as ClusterNode, chance),
      );
      const heard = await within(ended, this.#options.patienceMs);
      if (heard === null) home = null;
      else if (heard.outcome !== "ok") await sleep(chance.between(10, 60));
      else if (planned.object.type === "register" && typeof heard.value === "string")
        workload.found(planned.object, heard.value);
      if (this.#options.thinkMs > 0) await sleep(chance.between(0, 2 * this.#options.thinkMs));
    }
  }

  async #call(planned: PlannedCall, home: ClusterNode, chance: Chance): Promise<CallEnding> {
    const { processes, history } = this.#parts;
    const first = await history.attempt(planned.object, home.label, () => home.call(planned.call));
    if (!planned.isRepeated) return first;
    let ended = first;
    let maybeApplied = ended.outcome === "unknown";
    while (ended.outcome !== "ok" && !this.#isOver) {
      await sleep(chance.between(10, 100));
      const node = processes.open[Math.floor(chance.number() * processes.open.length)];
      if (node === undefined) continue;
      ended = await history.attempt(planned.object, node.label, () => node.call(planned.call));
      maybeApplied ||= ended.outcome === "unknown";
    }
    if (ended.outcome === "ok" || !maybeApplied) return ended;
    return { ...noNode, ...ended, outcome: "unknown" };
  }
}

/** What a promise comes to, or null if it takes longer. */
export async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value | null> {
  const over = new AbortController();
  try {
    return await Promise.race([promise, sleep(ms, null, { signal: over.signal })]);
  } finally {
    over.abort();
  }
}
