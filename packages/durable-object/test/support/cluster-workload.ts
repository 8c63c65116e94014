/**
 * The objects that clients use, and what they ask of them. An object that was asked often enough retires, and another one
 * takes its place: so every object has a short history that can be judged while the run goes on.
 */

import { alarmNames } from "../fixtures/cluster-objects.ts";
import type { NodeObject } from "../fixtures/cluster-node.ts";
import type { Chance } from "./cluster-chance.ts";
import { ObjectHistory, type AskedInput } from "./cluster-history.ts";
import type { NodeCall } from "./cluster-node-process.ts";

/** What a client is going to ask. */
export interface PlannedCall {
  readonly object: ObjectHistory;
  readonly input: AskedInput;
  readonly call: NodeCall;
  /** Whether it is repeated under an idempotency key until its outcome is known. */
  readonly isRepeated: boolean;
}

/** How many objects there are at a time, and how much is asked of each. */
export interface WorkloadOptions {
  readonly counters: number;
  readonly registers: number;
  readonly journals: number;
  readonly reminders: number;
  readonly operations: number;
}

const defaults: WorkloadOptions = { counters: 4, registers: 4, journals: 4, reminders: 2, operations: 400 };

/** The objects that are used. */
export class ClusterWorkload {
  readonly #chance: Chance;
  readonly #options: WorkloadOptions;
  readonly #current: ObjectHistory[] = [];
  /** Values that registers were last found to have, so that swaps find something. */
  readonly #values = new WeakMap<ObjectHistory, string>();
  #retired: ObjectHistory[] = [];
  #objects = 0;
  #entries = 0;

  constructor(chance: Chance, options: Partial<WorkloadOptions> = {}) {
    this.#chance = chance;
    this.#options = { ...defaults, ...options };
    const { counters, registers, journals, reminders } = this.#options;
    const count = { counter: counters, register: registers, journal: journals, reminder: reminders };
    for (const type of ["counter", "register", "journal", "reminder"] as const) {
      for (let index = 0; index < count[type]; index++) this.#current.push(this.#create(type));
    }
  }

  /** The objects in use. */
  get current(): readonly ObjectHistory[] {
    return this.#current;
  }

  /** Another object of a type, which nobody has ever asked. */
  #create(type: NodeObject): ObjectHistory {
    return new ObjectHistory(type, `${type}-${(this.#objects += 1)}`);
  }

  /** Retired objects of which nothing is open any more; each is given once. */
  takeRetired(): ObjectHistory[] {
    const over = this.#retired.filter(({ open }) => open === 0);
    this.#retired = this.#retired.filter(({ open }) => open > 0);
    return over;
  }

  /** All that are left, in whatever state they are. */
  takeRest(): ObjectHistory[] {
    return [...this.#retired.splice(0), ...this.#current.splice(0)];
  }

  /** What a client asks next. */
  plan(): PlannedCall {
    const index = Math.floor(this.#chance.number() * this.#current.length);
    const object = this.#current[index];
    if (object === undefined) throw new Error("the workload is over");
    const planned = this.#planned(object);
    const most = object.type === "reminder" ? alarmNames.length : this.#options.operations;
    if (object.operations.length + 1 >= most) {
      this.#retired.push(object);
      this.#current[index] = this.#create(object.type);
    }
    return planned;
  }

  /** A value that was found in a register. */
  found(object: ObjectHistory, value: string): void {
    this.#values.set(object, value);
  }

  #planned(object: ObjectHistory): PlannedCall {
    const { type, id } = object;
    const draw = this.#chance.number();
    const entry = `e${(this.#entries += 1)}`;
    const plan = (input: AskedInput, handler: string, args: readonly unknown[], isRepeated = false): PlannedCall => ({
      object,
      input,
      call: { type, id, handler, args, ...(isRepeated ? { idempotencyKey: entry } : {}) },
      isRepeated,
    });
    switch (type) {
      case "counter":
        if (draw < 0.7) return plan({ ask: "increment", by: 1 }, "increment", [1], draw < 0.3);
        return plan({ ask: "read" }, draw < 0.85 ? "glance" : "count", []);
      case "register": {
        const found = this.#values.get(object) ?? null;
        if (draw < 0.35) return plan({ ask: "write", value: entry }, "write", [entry]);
        if (draw < 0.7) return plan({ ask: "swap", from: found, to: entry }, "swap", [found, entry]);
        return plan({ ask: "read" }, draw < 0.85 ? "glance" : "value", []);
      }
      case "journal":
        if (draw < 0.1) return plan({ ask: "append", entry: `slow ${entry}` }, "appendSlowly", [`slow ${entry}`]);
        if (draw < 0.75) return plan({ ask: "append", entry }, "append", [entry], draw < 0.4);
        return plan({ ask: "look" }, draw < 0.87 ? "glance" : "length", []);
      case "reminder": {
        const ms = Math.floor(draw * 4_000);
        const name = alarmNames[object.operations.length] ?? "alarm0";
        return plan({ ask: "remind", entry, notBeforeMs: Date.now() + ms }, "remind", [name, entry, ms]);
      }
    }
  }
}
