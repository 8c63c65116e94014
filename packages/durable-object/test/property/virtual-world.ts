/**
 * A world in which nothing happens by itself: time stands still until it is advanced, and whatever could
 * happen next is a task that waits to be picked. So a run is determined by the order in which tasks are
 * picked, and the same picks give the same run.
 *
 * A life is one runtime, from its start to its stop or its crash. A crash takes the tasks and timers of a
 * life with it.
 */

import { setImmediate as macrotask } from "node:timers/promises";
import type { Environment } from "../../src/index.ts";

interface Task {
  readonly life: number;
  readonly run: () => void | Promise<void>;
}

interface VirtualTimer {
  readonly life: number;
  readonly dueMs: number;
  readonly callback: () => void;
}

const startMs = 1_760_000_000_000;
/** More steps than any run needs to come to rest. */
const manySteps = 20_000;

/** Time, tasks and what was found to be wrong. */
export class VirtualWorld {
  readonly #tasks: Task[] = [];
  readonly #timers = new Set<VirtualTimer>();
  readonly #dead = new Set<number>();
  readonly violations: string[] = [];
  #nowMs = 0;
  #ids = 0;

  /** How many tasks wait to be picked. */
  get ready(): number {
    return this.#tasks.length;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** A promise that was broken. */
  violate(message: string): void {
    this.violations.push(message);
  }

  /** Something that can happen from now on. */
  add(life: number, run: () => void | Promise<void>): void {
    if (!this.#dead.has(life)) this.#tasks.push({ life, run });
  }

  /** Waits until the task that stands for it is picked. */
  gate(life: number): Promise<void> {
    return new Promise((resolve) => this.add(life, resolve));
  }

  environment(life: number): Environment {
    return {
      now: () => startMs + this.#nowMs,
      monotonic: () => this.#nowMs,
      after: (ms, callback) => {
        const timer = { life, dueMs: this.#nowMs + ms, callback };
        if (!this.#dead.has(life)) this.#timers.add(timer);
        return { cancel: () => void this.#timers.delete(timer) };
      },
      at: (timeMs, callback) => this.environment(life).after(Math.max(timeMs - startMs - this.#nowMs, 0), callback),
      soon: (callback) => this.add(life, callback),
      random: () => 0.5,
      uniqueId: () => (++this.#ids).toString(16).padStart(32, "0"),
    };
  }

  /** Runs one of the tasks that wait, and everything that follows from it at once. */
  async run(pick: number): Promise<void> {
    const [task] = this.#tasks.splice(pick % Math.max(this.#tasks.length, 1), 1);
    if (task === undefined) return;
    await task.run();
    await this.rest();
  }

  /** Lets everything happen that needs no task and no time: promises that are resolved. */
  async rest(): Promise<void> {
    await macrotask();
  }

  /** Runs tasks, the oldest first, until there is none. */
  async settle(): Promise<void> {
    for (let step = 0; this.#tasks.length > 0; step++) {
      if (step > manySteps) throw new Error("the world does not come to rest");
      await this.run(0);
    }
  }

  /** Moves time on, and fires the timers that come due on the way. Tasks wait meanwhile. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (let timer = this.#nextTimer(untilMs); timer !== null; timer = this.#nextTimer(untilMs)) {
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      this.#timers.delete(timer);
      timer.callback();
      await this.rest();
    }
    this.#nowMs = untilMs;
  }

  /** How many timers a life has running. */
  timersOf(life: number): number {
    return [...this.#timers].filter((timer) => timer.life === life).length;
  }

  /** A life ends here and now, in the middle of whatever it was doing. */
  kill(life: number): void {
    this.#dead.add(life);
    const tasks = this.#tasks.filter((task) => task.life !== life);
    this.#tasks.splice(0, Infinity, ...tasks);
    for (const timer of this.#timers) if (timer.life === life) this.#timers.delete(timer);
  }

  #nextTimer(untilMs: number): VirtualTimer | null {
    let next: VirtualTimer | null = null;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (next === null || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }
}
