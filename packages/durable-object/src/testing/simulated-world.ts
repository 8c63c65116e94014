/**
 * A world with a clock of its own, in which everything happens in an order that a seed decides.
 *
 * What happens is an event: a timer, a message that arrives, an answer of the database. Events run one at a
 * time, in the order of their times; the seed decides how long messages take, and which of two events at
 * the same time comes first. Whatever follows from an event without taking time (promises) has happened
 * before the next one. So the same seed gives the same run, and a failure can be replayed.
 */

import { setImmediate as macrotask } from "node:timers/promises";

interface WorldEvent {
  readonly timeMs: number;
  /** Decides between events at the same time. */
  readonly draw: number;
  /** Null once it was called off. */
  run: (() => void) | null;
}

/** How many notes are kept for the story of a failure. */
const keptNotes = 60;

/** Time, chance, and everything that is going to happen. */
export class SimulatedWorld {
  readonly seed: number;
  /** What happened last, for the story of a failure. */
  readonly notes: string[] = [];
  #state: number;
  #nowMs = 0;
  readonly #events: WorldEvent[] = [];
  #happened = 0;
  #ids = 0;

  constructor(seed: number) {
    this.seed = seed;
    // Seeds are small and near each other; their runs should not be.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
  }

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** How many events have happened. */
  get happened(): number {
    return this.#happened;
  }

  /** A number in [0, 1). */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Whether something happens that happens with this probability. */
  chance(probability: number): boolean {
    return probability > 0 && this.random() < probability;
  }

  /** A number between two others. */
  between(least: number, most: number): number {
    return least + this.random() * (most - least);
  }

  /** One of a list. */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.random() * items.length)];
    if (item === undefined) throw new RangeError("there is nothing to pick from");
    return item;
  }

  uniqueId(): string {
    return (++this.#ids).toString(16).padStart(32, "0");
  }

  /** Adds a line to the story. */
  note(what: string): void {
    this.notes.push(`${(this.#nowMs / 1_000).toFixed(3)} s  ${what}`);
    if (this.notes.length > keptNotes) this.notes.shift();
  }

  /** Has something happen after a time. Returns how to call it off. */
  after(ms: number, run: () => void): () => void {
    const event: WorldEvent = { timeMs: this.#nowMs + Math.max(0, ms), draw: this.random(), run };
    this.#push(event);
    return () => (event.run = null);
  }

  /** Resolves after a time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /**
   * Lets the world go on until a promise has settled.
   *
   * @param mostEvents - when to give up: a world that does not come to rest would run for ever
   */
  async until<Result>(promise: Promise<Result>, mostEvents: number): Promise<Result> {
    const progress = { settled: false };
    const notice = (): void => {
      progress.settled = true;
    };
    promise.then(notice, notice);
    await macrotask();
    const last = this.#happened + mostEvents;
    while (!progress.settled) {
      if (this.#happened >= last) throw new Error(`this did not end within ${mostEvents} events`);
      if (!(await this.#step())) throw new Error("nothing is left that could happen, and this has not ended");
    }
    return await promise;
  }

  async #step(): Promise<boolean> {
    for (;;) {
      const event = this.#pop();
      if (event === null) return false;
      if (event.run === null) continue;
      this.#nowMs = event.timeMs;
      this.#happened += 1;
      event.run();
      await macrotask();
      return true;
    }
  }

  // ——— A heap: the next event is on top ———

  #push(event: WorldEvent): void {
    const events = this.#events;
    let place = events.push(event) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = events[parent] as WorldEvent;
      if (isBefore(above, event)) break;
      events[place] = above;
      place = parent;
    }
    events[place] = event;
  }

  #pop(): WorldEvent | null {
    const events = this.#events;
    const top = events[0];
    const last = events.pop();
    if (top === undefined || last === undefined) return null;
    if (events.length === 0) return top;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= events.length) break;
      const right = events[child + 1];
      if (right !== undefined && isBefore(right, events[child] as WorldEvent)) child += 1;
      const below = events[child] as WorldEvent;
      if (isBefore(last, below)) break;
      events[place] = below;
      place = child;
    }
    events[place] = last;
    return top;
  }
}

function isBefore(a: WorldEvent, b: WorldEvent): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.draw < b.draw);
}
