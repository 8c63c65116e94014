/**
 * A member of a simulated cluster: a process that runs the application as one node among others. It can die
 * and is started again, it can be stopped as an operator stops it, and started again, perhaps in another version.
 */

import { cluster } from "../cluster/cluster-options.ts";
import { ClusterNode } from "../cluster/cluster-node.ts";
import { StoreFailure } from "../ports/object-store.ts";
import type { ProcessIdentity } from "../ports/ownership-store.ts";
import { TransportFailure } from "../ports/transport.ts";
import { resolveOptions, type RuntimeOptions } from "../runtime/options.ts";
import { Runtime } from "../runtime/runtime.ts";
import type { SimulatedClusterDatabase } from "./simulated-cluster-database.ts";
import { clusterStoreOver } from "./simulated-cluster-store.ts";
import { SimulatedLine, type LineFaults } from "./simulated-line.ts";
import type { SimulatedNetwork } from "./simulated-network.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

const restartMs = 500;
const lastAnswersMs = 2_000;

/** What a member is made of. */
export interface MemberPlan {
  readonly world: SimulatedWorld;
  readonly database: SimulatedClusterDatabase;
  readonly network: SimulatedNetwork;
  readonly name: string;
  readonly skew: boolean;
  readonly leaseMs: number;
  readonly lineFaults: () => LineFaults;
  /** The options of its runtimes, by version. */
  readonly options: (version: number) => Omit<RuntimeOptions, "store" | "cluster" | "environment">;
}

/** A member of a cluster, through all its lives. */
export class SimulatedMember {
  readonly #plan: MemberPlan;
  #process: SimulatedProcess;
  #lines: readonly SimulatedLine[] = [];
  #runtime: Runtime | null = null;
  /** Whether it runs, or will again by itself. */
  #phase: "up" | "stopping" | "down" = "down";
  #lives = 0;
  /** Lives that have ended for certain. */
  readonly #ended = new Set<number>();
  /** Of the application. */
  #version = 1;

  constructor(plan: MemberPlan) {
    this.#plan = plan;
    this.#process = new SimulatedProcess(plan.world, plan.name, plan.skew);
  }

  get name(): string {
    return this.#plan.name;
  }

  get process(): SimulatedProcess {
    return this.#process;
  }

  /** The runtime that takes calls here, or null. */
  get runtime(): Runtime | null {
    return this.#runtime;
  }

  get version(): number {
    return this.#version;
  }

  get isUp(): boolean {
    return this.#phase === "up";
  }

  /** Nothing gets through to the database for a while. */
  cutFromDatabase(ms: number): void {
    for (const line of this.#lines) line.cutUntilMs = this.#plan.world.nowMs + ms;
  }

  /**
   * A new process, with a new runtime.
   *
   * @param version - of the application; never an older one than before
   */
  start(version = this.#version): void {
    const { world, name, skew, lineFaults } = this.#plan;
    this.#version = Math.max(version, this.#version);
    this.#phase = "up";
    this.#lives += 1;
    const process = new SimulatedProcess(world, name, skew);
    this.#process = process;
    const once = (): LineFaults => ({ ...lineFaults(), twice: 0 });
    this.#lines = [
      new SimulatedLine(process, "the database", lineFaults),
      new SimulatedLine(process, "the database", once),
    ];
    void this.#live(process);
  }

  /** The process dies, in the middle of whatever it does, and is started again after a time. */
  crash(downMs: number): void {
    const { world, name } = this.#plan;
    world.note(`${name} dies`);
    const process = this.#process;
    process.kill();
    this.#ended.add(this.#lives);
    this.#runtime = null;
    if (this.#phase === "stopping") return;
    world.after(downMs, () => {
      if (this.#process === process && this.#phase === "up") this.start();
    });
  }

  /** Stops as an operator stops it; resolves when its process has ended. */
  async stop(): Promise<void> {
    if (this.#phase !== "up") return;
    const { world, name } = this.#plan;
    this.#phase = "stopping";
    world.note(`${name} stops`);
    const runtime = this.#runtime;
    const process = this.#process;
    this.#runtime = null;
    if (!process.isDead && runtime !== null) {
      const stopped = new Promise<void>((resolve, reject) =>
        process.run(() => void runtime.stop().then(resolve, reject)),
      );
      const died = new Promise<void>((resolve) => this.#whenDead(process, resolve));
      await Promise.race([stopped, died]);
      // Whoever asked it something else than its objects still gets an answer.
      await world.sleep(lastAnswersMs);
    }
    process.kill();
    this.#ended.add(this.#lives);
    this.#phase = "down";
    world.note(`${name} has stopped`);
  }

  #whenDead(process: SimulatedProcess, callback: () => void): void {
    if (process.isDead) callback();
    else this.#plan.world.after(500, () => this.#whenDead(process, callback));
  }

  async #live(process: SimulatedProcess): Promise<void> {
    const { world, name } = this.#plan;
    while (this.#phase === "up" && !process.isDead) {
      try {
        const runtime = this.#makeRuntime(process);
        await runtime.start();
        if (this.#process !== process || this.#phase !== "up") {
          await runtime.stop();
          return;
        }
        this.#runtime = runtime;
        world.note(`${name} is up as ${runtime.node}`);
        return;
      } catch (error) {
        if (!(error instanceof StoreFailure) && !(error instanceof TransportFailure)) throw error;
      }
      await new Promise<void>((resolve) => process.environment.after(restartMs, resolve));
    }
  }

  #makeRuntime(process: SimulatedProcess): Runtime {
    const { world, database, network, name, leaseMs, options } = this.#plan;
    const life = this.#lives;
    const environment = { ...process.environment, uniqueId: () => `${life}.${world.uniqueId().slice(-4)}` };
    const [line, single] = this.#lines as [SimulatedLine, SimulatedLine];
    const store = clusterStoreOver(database, line, single);
    const resolved = resolveOptions({
      ...options(this.#version),
      store,
      environment,
      cluster: cluster({ transport: network.transportOf(process), name: name.replaceAll(" ", "-"), lease: leaseMs }),
    });
    // Every member has a machine of its own, on which a successor sees that its predecessor has ended.
    const identity: ProcessIdentity = { host: name, boot: name, pid: life };
    const isGone = (other: ProcessIdentity): boolean => other.host === name && this.#ended.has(other.pid);
    if (resolved.cluster === null) throw new Error("a member has a cluster");
    const node = new ClusterNode({ store, cluster: resolved.cluster, environment, process: identity, isGone });
    return new Runtime(resolved, node);
  }
}
