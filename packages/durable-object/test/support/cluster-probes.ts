/**
 * Probes: counters in as many slots, each called by one caller all the time, with a short deadline. How long one of
 * them went without an answer is how long its slot was without service. Their histories are judged like all others.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Chance } from "./cluster-chance.ts";
import { within } from "./cluster-clients.ts";
import { ObjectHistory, type ClusterHistory } from "./cluster-history.ts";
import type { ClusterProcesses } from "./cluster-processes.ts";

interface Parts {
  readonly processes: ClusterProcesses;
  readonly history: ClusterHistory;
  readonly chance: Chance;
}

const deadlineMs = 1_000;
const patienceMs = 1_200;
/** Between an answer and the next call. */
const pauseMs = 50;

/** One caller with its counter. */
class Probe {
  readonly index: number;
  object: ObjectHistory;
  #generations = 0;
  /** When it was answered, in order. */
  readonly answeredMs: number[] = [];

  constructor(index: number) {
    this.index = index;
    this.object = this.#next();
  }

  #next(): ObjectHistory {
    return new ObjectHistory("counter", `probe-${this.index}.${(this.#generations += 1)}`);
  }

  /** Takes another counter; returns the one it had. */
  renew(): ObjectHistory {
    const had = this.object;
    this.object = this.#next();
    return had;
  }

  longestGapMs(fromMs: number, toMs: number): number {
    let longest = 0;
    let last = fromMs;
    for (const atMs of this.answeredMs) {
      if (atMs > fromMs) longest = Math.max(longest, Math.min(atMs, toMs) - last);
      if (atMs > toMs) return longest;
      last = Math.max(atMs, fromMs);
    }
    return Math.max(longest, toMs - last);
  }
}

/** The probes of a run. They begin at once. */
export class ClusterProbes {
  readonly #parts: Parts;
  readonly #probes: readonly Probe[];
  readonly #over: Promise<unknown>;
  readonly #retired: ObjectHistory[] = [];
  #isOver = false;

  constructor(parts: Parts, count: number) {
    this.#parts = parts;
    this.#probes = Array.from({ length: count }, (_, index) => new Probe(index));
    this.#over = Promise.all(this.#probes.map((probe) => this.#run(probe)));
  }

  /** The counters in use. */
  get current(): readonly ObjectHistory[] {
    return this.#probes.map(({ object }) => object);
  }

  /** Counters that are not used any more and of which nothing is open; each is given once. */
  takeRetired(): ObjectHistory[] {
    const over = this.#retired.filter(({ open }) => open === 0);
    for (const object of over) this.#retired.splice(this.#retired.indexOf(object), 1);
    return over;
  }

  /** All that are left. */
  takeRest(): ObjectHistory[] {
    return [...this.#retired.splice(0), ...this.current];
  }

  /** The longest time that a probe was without an answer, of a stretch of time. What was before it is forgotten. */
  longestGapMs(fromMs: number, toMs: number): number {
    const longest = Math.max(...this.#probes.map((probe) => probe.longestGapMs(fromMs, toMs)));
    for (const { answeredMs } of this.#probes) {
      answeredMs.splice(
        0,
        answeredMs.findIndex((atMs) => atMs > fromMs),
      );
    }
    return longest;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#over;
  }

  async #run(probe: Probe): Promise<void> {
    const { processes, history } = this.#parts;
    const chance = this.#parts.chance.fork();
    while (!this.#isOver) {
      const { open } = processes;
      const node = open[Math.floor(chance.number() * open.length)];
      if (node !== undefined) {
        const { object } = probe;
        const isRead = chance.number() < 0.3;
        const asked = isRead ? { handler: "glance", args: [] } : { handler: "increment", args: [1] };
        const call = { type: "counter", id: object.id, ...asked, timeoutMs: deadlineMs } as const;
        const ended = history.follow(object, isRead ? { ask: "read" } : { ask: "increment", by: 1 }, () =>
          history.attempt(object, node.label, () => node.call(call)),
        );
        const heard = await within(ended, patienceMs);
        if (heard?.outcome === "ok") probe.answeredMs.push(history.nowMs);
        if (object.operations.length >= 400) this.#retired.push(probe.renew());
      }
      await sleep(pauseMs);
    }
  }
}
