/**
 * The fleet: all nodes that were started here, with what they have told. Nodes come with `add`; they go when they
 * are killed or stopped, and stay in the list, dead, because their ledgers still count.
 */

import { join } from "node:path";
import { counterCount, type Tally } from "./clients.ts";
import { readLedgers, type Knowledge } from "./ledger.ts";
import { NodeProcess, type NodeListener } from "./node-process.ts";

/** What a fleet is made of. */
export interface FleetOptions {
  readonly database: string;
  readonly servers: string | null;
  readonly leaseMs: number;
  /** How many clients each node has. */
  readonly clients: number;
  /** Where the ledgers lie. */
  readonly directory: string;
  /** Hears what happens, in words. */
  readonly say: (text: string) => void;
}

/** What clients did in some time. */
export interface Activity {
  readonly calls: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly longestMs: number;
}

/** Tallies come four times a second: a rate is that of a second, a longest wait that of five. */
const talliesForRate = 4;
const talliesForLongest = 20;

/** All nodes that were started here. */
export class Fleet implements NodeListener {
  readonly #options: FleetOptions;
  readonly #nodes: NodeProcess[] = [];
  readonly #tallies = new Map<NodeProcess, Tally[]>();
  #marked: Activity = nothing;
  #isWorking = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Those whose process is there. */
  get nodes(): readonly NodeProcess[] {
    return this.#nodes.filter(({ phase }) => phase !== "gone");
  }

  node(name: string): NodeProcess | undefined {
    return this.nodes.find((node) => node.name === name);
  }

  /** Starts another node; resolves when it is a member. */
  async add(): Promise<NodeProcess> {
    const { database, servers, leaseMs, clients, directory } = this.#options;
    const name = `n${this.#nodes.length + 1}`;
    const ledger = join(directory, `${name}.ledger`);
    const node = new NodeProcess({ name, database, servers, leaseMs, clients, ledger }, this);
    this.#nodes.push(node);
    this.#tallies.set(node, []);
    await node.ready;
    if (this.#isWorking) node.work();
    return node;
  }

  /** Has all clients work, also those of nodes that are added later. */
  work(): void {
    this.#isWorking = true;
    for (const node of this.nodes) node.work();
  }

  /** Has all clients rest; resolves when the last call has ended. */
  async rest(): Promise<void> {
    this.#isWorking = false;
    for (const node of this.nodes) node.resume();
    await Promise.all(this.nodes.map((node) => node.rest()));
  }

  /** Stops all nodes; resolves when their processes are gone. */
  async stop(): Promise<void> {
    for (const node of this.nodes) node.stop();
    await Promise.all(this.#nodes.map(({ gone }) => gone));
  }

  /** What the clients of all nodes know, also of those that are dead. */
  knowledge(): Knowledge {
    const ledgers = this.#nodes.filter(({ hasLedger }) => hasLedger).map(({ ledger }) => ledger);
    return readLedgers(ledgers, counterCount);
  }

  /** What the clients of a node did lately: calls in the last second, failures ever, the longest wait of five seconds. */
  lately(node: NodeProcess): Activity {
    const tallies = this.#tallies.get(node) ?? [];
    const isSilent = node.phase === "gone" || node.phase === "paused";
    const { calls } = sum(isSilent ? [] : tallies.slice(-talliesForRate));
    const { failures } = sum(tallies);
    return { calls, failures, longestMs: sum(tallies.slice(-talliesForLongest)).longestMs };
  }

  /** What all clients did since this was asked last. */
  since(): Activity {
    const since = this.#marked;
    this.#marked = nothing;
    return since;
  }

  // ——— What nodes tell ———

  tally(node: NodeProcess, tally: Tally): void {
    const tallies = this.#tallies.get(node) ?? [];
    tallies.push(tally);
    // Of those before, only what failed is asked for.
    if (tallies.length > 2 * talliesForLongest) tallies.splice(0, 2, sum(tallies.slice(0, 2)));
    this.#marked = sum([this.#marked, tally]);
  }

  warning(node: NodeProcess, text: string): void {
    this.#options.say(`${node.name}: ${text}`);
  }

  gone(node: NodeProcess, how: number | string | null): void {
    this.#options.say(how === 0 ? `${node.name} has stopped` : `${node.name} is gone (${how ?? "?"})`);
  }
}

const nothing: Activity = { calls: 0, failures: {}, longestMs: 0 };

function sum(parts: readonly Activity[]): Activity {
  const failures: Record<string, number> = {};
  for (const part of parts) {
    for (const [code, count] of Object.entries(part.failures)) failures[code] = (failures[code] ?? 0) + count;
  }
  return {
    calls: parts.reduce((total, { calls }) => total + calls, 0),
    failures,
    longestMs: Math.max(0, ...parts.map(({ longestMs }) => longestMs)),
  };
}
