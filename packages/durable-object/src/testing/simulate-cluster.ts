/**
 * Simulation of a cluster: an application on several nodes that share a database, under everything that goes
 * wrong with nodes, networks and databases, in virtual time, replayable by a seed.
 *
 * It is the sibling of `simulate`, in which one of several processes owns the store and the others wait.
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { polling } from "../alarms/polling-scheduler.ts";
import { slotCount } from "../core/slot.ts";
import type { Address } from "../core/address.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import type { AnyDefinition } from "../object/define-object.ts";
import type { StoredObject } from "../ports/object-store.ts";
import type { RuntimeOptions } from "../runtime/options.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { OwnershipMessage, WarningMessage } from "../telemetry/channels.ts";
import { SimulationFailure } from "./simulate.ts";
import { simulatedClient, type SimulatedClient } from "./simulated-client.ts";
import { SimulatedClusterDatabase } from "./simulated-cluster-database.ts";
import { noFaults, strike, type ClusterFaults, type StrikeCounts } from "./simulated-cluster-faults.ts";
import type { LineFaults } from "./simulated-line.ts";
import { SimulatedMember } from "./simulated-member.ts";
import { SimulatedNetwork } from "./simulated-network.ts";
import { SimulatedWorld } from "./simulated-world.ts";

/** A simulation of a cluster. */
export interface ClusterSimulation {
  /** Decides everything. The same seed gives the same run. */
  readonly seed: number;
  /** The object types; with version 2, those that a later version of the application has. */
  readonly objects: (version: number) => readonly AnyDefinition[];
  /** How many actions the clients take together. Default 200. */
  readonly steps?: number;
  /** How many clients act at the same time. Default 4. */
  readonly clients?: number;
  /** How many processes run the application. Default 3. */
  readonly nodes?: number;
  /** How long a node may be silent, in ms. Default 5,000. */
  readonly leaseMs?: number;
  /** What goes wrong; `false` for nothing. */
  readonly faults?: Partial<ClusterFaults> | false;
  /** Further options of the runtimes. */
  readonly options?: Partial<Omit<RuntimeOptions, "objects" | "store" | "cluster" | "environment">>;
  /** One action of a client. A call that fails with a {@link DurableObjectError} may be left to fail. */
  act(client: SimulatedClient, step: number): Promise<void>;
  /** Looks at the end result: everything is healed, and calls succeed again. Whatever it throws is a failure. */
  check?(client: SimulatedClient, cluster: SimulatedCluster): Promise<void>;
}

/** A cluster at rest. */
export interface SimulatedCluster {
  /** Those that take calls. */
  readonly runtimes: readonly Runtime[];
  /** Whether the database has forgotten something that it had confirmed. */
  readonly hasLostTail: boolean;
  /** What is stored of an object, whatever nodes may think. */
  stored(address: Address): Promise<StoredObject | null>;
}

/** What happened in a simulation of a cluster. */
export interface ClusterReport extends StrikeCounts {
  readonly seed: number;
  /** Time that passed in the world, in ms. */
  readonly virtualMs: number;
  readonly events: number;
  readonly actions: number;
  /** Actions that ended in an error. */
  readonly failures: number;
  readonly evictions: number;
  /** Slots that were handed over. */
  readonly handOvers: number;
}

const healthy: LineFaults = { late: 0, lostRequest: 0, lostAnswer: 0, twice: 0 };
const unreliable: LineFaults = { late: 0.01, lostRequest: 0.004, lostAnswer: 0.008, twice: 0.005 };
const fullness = 0.01;
const mostEvents = 2_000_000;
/** How long it takes until a healed cluster is at rest, in leases. */
const leases = 3;
const longestStopMs = 60_000;

/**
 * Runs a simulation of a cluster.
 *
 * @returns what happened
 * @throws {@link SimulationFailure} with the seed, if an action, the check or a promise of the library fails
 */
export async function simulateCluster(simulation: ClusterSimulation): Promise<ClusterReport> {
  const world = new SimulatedWorld(simulation.seed);
  const run = new Run(simulation, world);
  const unhandled = (reason: unknown): void => run.fail(new Error(`unhandled rejection: ${messageOf(reason)}`));
  const tell = (message: unknown): void => {
    const { warning, message: text } = message as WarningMessage;
    if (warning.startsWith("node-")) world.note(`${warning}: ${text}`);
  };
  const tellChange = (message: unknown): void => {
    const { change, node, slots, to } = message as OwnershipMessage;
    const where = to === undefined ? "" : ` to ${to}`;
    if (change === "acquired" || change === "lost") world.note(`${change} ${node} ${slots.length} slots${where}`);
  };
  process.on("unhandledRejection", unhandled);
  subscribe("durable-object:warning", tell);
  subscribe("durable-object:ownership", tellChange);
  try {
    return await run.toEnd();
  } catch (error) {
    throw new SimulationFailure(simulation.seed, error, world.notes);
  } finally {
    process.off("unhandledRejection", unhandled);
    unsubscribe("durable-object:warning", tell);
    unsubscribe("durable-object:ownership", tellChange);
  }
}

class Run {
  readonly #simulation: ClusterSimulation;
  readonly #world: SimulatedWorld;
  readonly #database: SimulatedClusterDatabase;
  readonly #network: SimulatedNetwork;
  readonly #members: readonly SimulatedMember[];
  readonly #faults: ClusterFaults;
  readonly #leaseMs: number;
  readonly #counts: Record<keyof StrikeCounts, number>;
  #isHealed = false;
  #actions = 0;
  #failures = 0;
  #failed: (error: unknown) => void = () => {};
  readonly #failure: Promise<never>;

  constructor(simulation: ClusterSimulation, world: SimulatedWorld) {
    this.#simulation = simulation;
    this.#world = world;
    this.#failure = new Promise((_resolve, reject) => (this.#failed = reject));
    this.#failure.catch(() => undefined);
    const { faults = {}, leaseMs = 5_000 } = simulation;
    this.#leaseMs = leaseMs;
    this.#faults = { ...noFaults, ...(faults === false ? {} : faults) };
    this.#counts = { crashes: 0, pauses: 0, cuts: 0, partitions: 0, standstills: 0, jumps: 0, tails: 0, stops: 0 };
    const lineFaults = (): LineFaults => (this.#faults.messages && !this.#isHealed ? unreliable : healthy);
    const full = (): number => (this.#faults.fullDisks && !this.#isHealed ? fullness : 0);
    this.#database = new SimulatedClusterDatabase(world, full, (problem) => this.fail(new Error(problem)));
    this.#network = new SimulatedNetwork(world, lineFaults);
    this.#members = Array.from({ length: simulation.nodes ?? 3 }, (_, index) => {
      const member = new SimulatedMember({
        world,
        database: this.#database,
        network: this.#network,
        name: `node ${index + 1}`,
        skew: this.#faults.clocks,
        leaseMs,
        lineFaults,
        options: (version) => ({
          objects: simulation.objects(version),
          scheduler: polling(),
          freezeState: true,
          ...simulation.options,
        }),
      });
      member.start();
      return member;
    });
  }

  /** A promise was broken. */
  fail(error: unknown): void {
    this.#failed(error);
  }

  async toEnd(): Promise<ClusterReport> {
    const { clients = 4, check, seed } = this.#simulation;
    const world = this.#world;
    await this.#until(world.sleep(2 * this.#leaseMs));
    this.#plague();
    const acting = Array.from({ length: clients }, (_, number) => this.#act(this.#client(number)));
    await this.#until(Promise.all(acting));
    this.#heal();
    await this.#until(this.#allUp());
    await this.#until(world.sleep(leases * this.#leaseMs));
    await this.#until(this.#atRest());
    if (check !== undefined) await this.#until(check(this.#client(clients), this.#cluster()));
    for (const member of this.#members) await this.#until(member.stop());
    const { nowMs, happened } = world;
    const { evictions, handOvers } = this.#database;
    const counted = { actions: this.#actions, failures: this.#failures, evictions, handOvers, ...this.#counts };
    return { seed, virtualMs: nowMs, events: happened, ...counted };
  }

  #cluster(): SimulatedCluster {
    return {
      runtimes: this.#members.flatMap(({ runtime }) => (runtime === null ? [] : [runtime])),
      hasLostTail: this.#database.lostTails > 0,
      stored: (address) => this.#database.stored(address),
    };
  }

  #client(number: number): SimulatedClient {
    const late = this.#faults.messages ? { ...unreliable, twice: 0 } : healthy;
    return simulatedClient(this.#world, number, this.#members, () => (this.#isHealed ? healthy : late));
  }

  async #until<Result>(promise: Promise<Result>): Promise<Result> {
    return await this.#world.until(Promise.race([promise, this.#failure]), mostEvents);
  }

  async #act(client: SimulatedClient): Promise<void> {
    const { steps = 200, act } = this.#simulation;
    while (this.#actions < steps) {
      const step = this.#actions++;
      try {
        await act(client, step);
      } catch (error) {
        if (!(error instanceof DurableObjectError)) throw error;
        this.#failures += 1;
      }
      await this.#world.sleep(this.#world.between(0, 150));
    }
  }

  /** Something goes wrong, and after a while the next thing. */
  #plague(): void {
    const world = this.#world;
    world.after(world.between(200, 4_000), () => {
      if (this.#isHealed) return;
      strike({
        world,
        faults: this.#faults,
        counts: this.#counts,
        members: this.#members,
        database: this.#database,
        network: this.#network,
        isHealed: () => this.#isHealed,
        failed: (error) => this.fail(error),
      });
      this.#plague();
    });
  }

  #heal(): void {
    this.#isHealed = true;
    this.#world.note("everything is healed");
    this.#network.heal();
    this.#database.goOn();
    for (const member of this.#members) {
      member.cutFromDatabase(0);
      if (member.process.isPaused) member.process.resume();
    }
  }

  /** Those that are being started or stopped are given their time. */
  async #allUp(): Promise<void> {
    const untilMs = this.#world.nowMs + longestStopMs;
    while (this.#members.some(({ runtime }) => runtime === null)) {
      if (this.#world.nowMs > untilMs) throw new Error("not all nodes have come up again");
      await this.#world.sleep(100);
    }
  }

  /** Every node is up, every slot has an owner on which all agree, and each has its share. */
  async #atRest(): Promise<void> {
    const { nodes, slots } = await this.#database.rows();
    const story = `nodes: ${nodes.map(({ node }) => node).join(", ")}`;
    const up = this.#members.filter(({ runtime }) => runtime !== null);
    if (up.length !== this.#members.length) throw new Error(`${this.#members.length - up.length} nodes are not up`);
    if (slots.length !== slotCount) throw new Error(`${slotCount - slots.length} slots have no owner; ${story}`);
    const shares = new Map<string, number>();
    for (const { owner } of slots) shares.set(owner, (shares.get(owner) ?? 0) + 1);
    // Slots do not go back to nodes that know fewer types.
    const isMixed = new Set(up.map(({ version }) => version)).size > 1;
    for (const { name, runtime } of up) {
      const { phase, freeSlots, leaseMs, node, nodes: seen } = runtime?.cluster.status() ?? { phase: "none" };
      if (phase !== "member" || freeSlots !== 0 || leaseMs === undefined || leaseMs <= 0) {
        throw new Error(`${name} is ${phase}, sees ${freeSlots} free slots, and its lease lasts ${leaseMs} ms`);
      }
      for (const { node: owner, slots: count } of seen) {
        if (count === (shares.get(owner) ?? 0)) continue;
        throw new Error(`${name} believes that ${owner} owns ${count} slots, which owns ${shares.get(owner) ?? 0}`);
      }
      const share = shares.get(node) ?? 0;
      if (!isMixed && Math.abs(share - slotCount / up.length) >= 1) {
        const all = [...shares].map(([owner, count]) => `${owner} ${count}`).join(", ");
        throw new Error(`${name} owns ${share} slots; ${all}; ${story}`);
      }
    }
  }
}
