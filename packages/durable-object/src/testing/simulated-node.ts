/**
 * A node in a simulated world: a process that runs the application, and is started again whenever it ended.
 * It waits its turn while another process owns the store, takes calls while it runs, and stops when it has
 * lost the right to write, as an application should.
 */

import type { Environment } from "../core/environment.ts";
import { DurableObjectError } from "../core/errors.ts";
import { createRuntime, type Runtime } from "../runtime/runtime.ts";
import type { RuntimeOptions } from "../runtime/options.ts";
import type { SimulatedDatabase } from "./simulated-database.ts";
import { SimulatedLine, type LineFaults } from "./simulated-line.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

const restartMs = 500;

/** What a node is made of. */
export interface NodePlan {
  readonly world: SimulatedWorld;
  readonly database: SimulatedDatabase;
  readonly name: string;
  readonly skew: boolean;
  readonly lineFaults: () => LineFaults;
  readonly options: (environment: Environment) => Omit<RuntimeOptions, "store" | "environment">;
}

/** A node, through all its lives. */
export class SimulatedNode {
  readonly #plan: NodePlan;
  #process: SimulatedProcess;
  #line: SimulatedLine;
  #runtime: Runtime | null = null;
  /** Whether it is started again when it ends. */
  #isOver = false;
  #lives = 0;

  constructor(plan: NodePlan) {
    this.#plan = plan;
    this.#process = new SimulatedProcess(plan.world, plan.name, plan.skew);
    this.#line = new SimulatedLine(this.#process, "the database", plan.lineFaults);
    this.#live();
  }

  get name(): string {
    return this.#plan.name;
  }

  get process(): SimulatedProcess {
    return this.#process;
  }

  get line(): SimulatedLine {
    return this.#line;
  }

  /** The runtime that takes calls here, or null. */
  get runtime(): Runtime | null {
    return this.#runtime;
  }

  /** The process dies, in the middle of whatever it does, and is started again after a time. */
  crash(downMs: number): void {
    const { world, name } = this.#plan;
    world.note(`${name} dies`);
    this.#process.kill();
    this.#runtime = null;
    world.after(downMs, () => {
      if (this.#process.isDead) this.#live();
    });
  }

  /** Stops for good; resolves when its runtime has stopped. */
  async stop(): Promise<void> {
    this.#isOver = true;
    if (this.#process.isPaused) this.#process.resume();
    const runtime = this.#runtime;
    this.#runtime = null;
    await runtime?.stop();
  }

  /** A new life: a new process, with a new runtime. */
  #live(): void {
    const { world, name, skew, lineFaults } = this.#plan;
    this.#lives += 1;
    this.#process = new SimulatedProcess(world, name, skew);
    this.#line = new SimulatedLine(this.#process, "the database", lineFaults);
    void this.#start(this.#process, this.#line);
  }

  async #start(process: SimulatedProcess, line: SimulatedLine): Promise<void> {
    const { world, database, name, options } = this.#plan;
    const { environment } = process;
    while (!this.#isOver && !process.isDead) {
      let hearOfLoss = (): void => {};
      const lost = new Promise<void>((resolve) => (hearOfLoss = resolve));
      const named = { ...environment, uniqueId: () => `${name}.${this.#lives}.${world.uniqueId()}` };
      const store = database.storeFor(process, line, hearOfLoss);
      try {
        const runtime = await createRuntime({ ...options(named), store, environment: named });
        this.#runtime = runtime;
        await lost;
        world.note(`${name} has lost the store`);
        if (this.#runtime === runtime) this.#runtime = null;
        await runtime.stop();
      } catch (error) {
        if (!(error instanceof DurableObjectError) || !error.code.startsWith("STORE_")) throw error;
      }
      await new Promise<void>((resolve) => environment.after(restartMs, resolve));
    }
  }
}
