/**
 * Simulation: an application under everything that goes wrong in production, in virtual time, replayable.
 *
 * One or several simulated nodes run the application on a simulated database. Clients make calls. Processes
 * die and are paused, clocks are wrong, messages are late or lost or arrive twice, the database does not
 * answer. A seed decides all of it, so a failure can be replayed by its seed. At the end everything is
 * healed, comes to rest, and is checked.
 *
 * The idea is FoundationDB's, and TigerBeetle's.
 */

import { DurableObjectError, messageOf } from "../core/errors.ts";
import type { RuntimeOptions } from "../runtime/options.ts";
import { polling } from "../alarms/polling-scheduler.ts";
import { simulatedClient, type SimulatedClient } from "./simulated-client.ts";
import { SimulatedDatabase } from "./simulated-database.ts";
import type { LineFaults } from "./simulated-line.ts";
import { SimulatedNode } from "./simulated-node.ts";
import { SimulatedWorld } from "./simulated-world.ts";

export type { SimulatedClient };

/** What goes wrong. Each is on unless it is said to be `false`. */
export interface SimulatedFaults {
  /** Processes die in the middle of what they do, and are started again. */
  readonly crashes?: boolean;
  /** Processes stand still for up to 9 s. */
  readonly pauses?: boolean;
  /** The database cannot be reached from a node for up to 12 s. */
  readonly cuts?: boolean;
  /** Requests and answers are late, lost, or arrive twice. */
  readonly messages?: boolean;
  /** The database has no room for a commit now and then. */
  readonly fullDisks?: boolean;
  /** Clocks go up to 0.5 % too fast or too slow, and are set to another time now and then. */
  readonly clocks?: boolean;
}

/** A simulation. */
export interface Simulation extends Pick<RuntimeOptions, "objects"> {
  /** Decides everything. The same seed gives the same run. */
  readonly seed: number;
  /** How many actions the clients take together. Default 200. */
  readonly steps?: number;
  /** How many clients act at the same time. Default 4. */
  readonly clients?: number;
  /** How many processes run the application. One of them owns the store, the others wait their turn. Default 1. */
  readonly nodes?: number;
  /** What goes wrong; `false` for nothing. Default: everything. */
  readonly faults?: SimulatedFaults | false;
  /** Further options of the runtimes. */
  readonly options?: Partial<Omit<RuntimeOptions, "objects" | "store" | "environment">>;
  /**
   * One action of a client. A call that fails with a {@link DurableObjectError} may be left to fail: that is what
   * faults do. Anything else that is thrown is a failure of the simulation.
   */
  act(client: SimulatedClient, step: number): Promise<void>;
  /** Looks at the end result: everything is healed, and calls succeed again. Whatever it throws is a failure. */
  check?(client: SimulatedClient): Promise<void>;
}

/** What happened in a simulation. */
export interface SimulationReport {
  readonly seed: number;
  /** Time that passed in the world, in ms. */
  readonly virtualMs: number;
  readonly events: number;
  readonly actions: number;
  /** Actions that ended in an error. */
  readonly failures: number;
  readonly crashes: number;
  readonly pauses: number;
  readonly cuts: number;
  /** How often a process became the owner of the store. */
  readonly takeOvers: number;
}

/** A simulation has failed. Its message tells the seed, and what happened last. */
export class SimulationFailure extends Error {
  readonly seed: number;

  constructor(seed: number, cause: unknown, notes: readonly string[]) {
    super(
      `The simulation with seed ${seed} failed: ${messageOf(cause)}\n` +
        `simulate({ seed: ${seed}, … }) with the same options replays it. What happened last:\n` +
        notes.map((note) => `  ${note}`).join("\n"),
      { cause },
    );
    this.name = "SimulationFailure";
    this.seed = seed;
  }
}

const healthy: LineFaults = { late: 0, lostRequest: 0, lostAnswer: 0, twice: 0 };
const unreliable: LineFaults = { late: 0.01, lostRequest: 0.004, lostAnswer: 0.008, twice: 0.005 };
const fullness = 0.02;
/** Several times what a healed world needs. */
const mostEvents = 1_000_000;
const restMs = 30_000;

/**
 * Runs a simulation.
 *
 * @returns what happened
 * @throws {@link SimulationFailure} with the seed, if an action, the check or a promise of the library fails
 * @example
 * ```ts
 * for (let seed = 1; seed <= 100; seed++) {
 *   await simulate({
 *     seed,
 *     objects: [Account],
 *     act: async ({ get, pick }) => void (await get(Account, pick(["a", "b"])).deposit(1)),
 *     check: async ({ get }) => assert((await get(Account, "a").balance()) >= 0),
 *   });
 * }
 * ```
 */
export async function simulate(simulation: Simulation): Promise<SimulationReport> {
  const world = new SimulatedWorld(simulation.seed);
  const run = new Run(simulation, world);
  const unhandled = (reason: unknown): void => run.fail(new Error(`unhandled rejection: ${messageOf(reason)}`));
  process.on("unhandledRejection", unhandled);
  try {
    return await run.toEnd();
  } catch (error) {
    throw new SimulationFailure(simulation.seed, error, world.notes);
  } finally {
    process.off("unhandledRejection", unhandled);
  }
}

class Run {
  readonly #simulation: Simulation;
  readonly #world: SimulatedWorld;
  readonly #database: SimulatedDatabase;
  readonly #nodes: readonly SimulatedNode[];
  readonly #faults: Required<SimulatedFaults>;
  #isHealed = false;
  #actions = 0;
  #failures = 0;
  readonly #counts = { crashes: 0, pauses: 0, cuts: 0 };
  #failed: (error: unknown) => void = () => {};
  readonly #failure: Promise<never>;

  constructor(simulation: Simulation, world: SimulatedWorld) {
    this.#simulation = simulation;
    this.#world = world;
    this.#failure = new Promise((_resolve, reject) => (this.#failed = reject));
    this.#failure.catch(() => undefined);
    const { faults } = simulation;
    const all = { crashes: true, pauses: true, cuts: true, messages: true, fullDisks: true, clocks: true };
    const none = { crashes: false, pauses: false, cuts: false, messages: false, fullDisks: false, clocks: false };
    this.#faults = faults === false ? none : { ...all, ...faults };
    this.#database = new SimulatedDatabase(world, () => (this.#faults.fullDisks && !this.#isHealed ? fullness : 0));
    const names = Array.from({ length: simulation.nodes ?? 1 }, (_, index) => `node ${index + 1}`);
    this.#nodes = names.map(
      (name) =>
        new SimulatedNode({
          world,
          database: this.#database,
          name,
          skew: this.#faults.clocks,
          lineFaults: () => this.#lineFaults,
          options: () => ({
            objects: simulation.objects,
            scheduler: polling(),
            freezeState: true,
            ...simulation.options,
          }),
        }),
    );
  }

  get #lineFaults(): LineFaults {
    return this.#faults.messages && !this.#isHealed ? unreliable : healthy;
  }

  /** A promise was broken. */
  fail(error: unknown): void {
    this.#failed(error);
  }

  async toEnd(): Promise<SimulationReport> {
    const { clients = 4 } = this.#simulation;
    this.#plague();
    const acting = Array.from({ length: clients }, (_, number) => this.#act(this.#client(number)));
    await this.#until(Promise.all(acting));
    this.#heal();
    await this.#until(this.#world.sleep(restMs));
    if (this.#simulation.check !== undefined) await this.#until(this.#simulation.check(this.#client(clients)));
    const stopping = Promise.all(this.#nodes.map((node) => node.stop()));
    await this.#until(stopping);
    const { seed, nowMs, happened } = this.#world;
    const { takeOvers } = this.#database;
    const counted = { actions: this.#actions, failures: this.#failures, ...this.#counts, takeOvers };
    return { seed, virtualMs: nowMs, events: happened, ...counted };
  }

  #client(number: number): SimulatedClient {
    // A connection to an application delivers nothing twice.
    return simulatedClient(this.#world, number, this.#nodes, () => ({ ...this.#lineFaults, twice: 0 }));
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
      await this.#world.sleep(this.#world.between(0, 100));
    }
  }

  // ——— What goes wrong ———

  /** Something goes wrong, and after a while the next thing. */
  #plague(): void {
    const world = this.#world;
    world.after(world.between(200, 4_000), () => {
      if (this.#isHealed) return;
      this.#strike();
      this.#plague();
    });
  }

  #strike(): void {
    const world = this.#world;
    const { crashes, pauses, cuts, clocks } = this.#faults;
    const node = world.pick(this.#nodes);
    const draw = world.random();
    if (draw < 0.4) {
      if (!pauses || node.process.isPaused || node.process.isDead) return;
      this.#counts.pauses += 1;
      this.#pause(node, world.chance(0.5) ? world.between(50, 2_000) : world.between(4_000, 9_000));
    } else if (draw < 0.7) {
      if (!crashes || node.process.isDead) return;
      this.#counts.crashes += 1;
      node.crash(world.between(100, 8_000));
    } else if (draw < 0.85) {
      if (!cuts) return;
      this.#counts.cuts += 1;
      world.note(`${node.name} cannot reach the database`);
      node.line.cutUntilMs = world.nowMs + world.between(1_000, 12_000);
    } else if (clocks) {
      const ms = world.chance(0.5) ? world.between(1_000, 60_000) : -world.between(500, 4_000);
      world.note(`a clock moves by ${Math.round(ms)} ms`);
      if (world.chance(0.5)) this.#database.moveClock(ms);
      else node.process.moveClock(ms);
    }
  }

  #pause(node: SimulatedNode, ms: number): void {
    const { process } = node;
    this.#world.note(`${node.name} stands still for ${Math.round(ms)} ms`);
    process.pause();
    this.#world.after(ms, () => process.resume());
  }

  #heal(): void {
    this.#isHealed = true;
    this.#world.note("everything is healed");
    for (const { process, line } of this.#nodes) {
      line.cutUntilMs = -Infinity;
      if (process.isPaused) process.resume();
    }
  }
}
