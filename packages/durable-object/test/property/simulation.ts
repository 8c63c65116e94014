/**
 * One run: a runtime on a store behind an unreliable line, driven step by step, and judged by the model.
 *
 * Runtimes follow each other on the same store: one that was stopped or has crashed is replaced by the
 * next. In the end everything is healed, comes to rest, and is compared with what the store holds.
 */

import { createRuntime, type Runtime } from "../../src/index.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { ControlledStore, Faults } from "./controlled-store.ts";
import { compareWithStore, FinalCheck } from "./final-check.ts";
import { Ledger, type LogState, type Sighting } from "./ledger.ts";
import { Model } from "./model.ts";
import { defineObjects, maxStateBytes, type TurnPlace, type Witness } from "./objects.ts";
import { effects, type CallStep, type LogMethod, type RuntimeMethod, type Setup, type Step } from "./steps.ts";
import { VirtualWorld } from "./virtual-world.ts";

interface Life {
  readonly number: number;
  readonly runtime: Runtime;
  readonly store: ControlledStore;
  readonly objects: ReturnType<typeof defineObjects>;
  /** Set while it stops. */
  stopping: Promise<void> | null;
  stopped: boolean;
}

interface KeyedCall {
  readonly name: string;
  readonly method: LogMethod;
  readonly entry: string;
}

/** One run. */
export class Simulation {
  readonly #world = new VirtualWorld();
  readonly #ledger = new Ledger();
  readonly #faults = new Faults();
  readonly #model = new Model(this.#world, this.#ledger, this.#faults);
  readonly #inner: ObjectStore;
  readonly #setup: Setup;
  readonly #ids: readonly string[];
  readonly #keyed: KeyedCall[] = [];
  readonly #controllers: AbortController[] = [];
  /** Turns that run, by object; a turn whose object was taken from under it may still be here. */
  readonly #turns = new Map<string, Set<TurnPlace>>();
  #life: Life | null = null;
  #lives = 0;
  #entries = 0;
  #births = 0;

  /** @param prefix - makes the ids of this run its own, where runs share a store */
  constructor(inner: ObjectStore, setup: Setup, prefix: string) {
    this.#inner = inner;
    this.#setup = setup;
    this.#ids = Array.from({ length: setup.objects }, (_, index) => `${prefix}${"abc"[index]}`);
  }

  /** Runs everything. Throws at the first promise that is broken. */
  async run(): Promise<void> {
    const unhandled = (reason: unknown): void => this.#world.violate(`unhandled rejection: ${String(reason)}`);
    process.on("unhandledRejection", unhandled);
    try {
      for (const step of this.#setup.steps) {
        await this.#take(step);
        await this.#world.rest();
        this.#judge();
      }
      await this.#comeToRest();
      new FinalCheck(this.#model.attempts, this.#ledger, (broken) => this.#world.violate(broken)).run();
      this.#judge();
    } finally {
      await this.#crash();
      process.off("unhandledRejection", unhandled);
    }
  }

  #judge(): void {
    const { violations } = this.#world;
    if (violations.length > 0) throw new Error(violations.slice(0, 5).join("\n"));
  }

  // ——— Steps ———

  async #take(step: Step): Promise<void> {
    switch (step.step) {
      case "call":
        this.#call(await this.#alive(), step);
        break;
      case "burst": {
        const life = await this.#alive();
        await this.#world.settle();
        for (const method of step.methods) this.#call(life, { ...step, method, keyed: false, timeoutMs: 0 });
        break;
      }
      case "repeat": {
        const call = this.#keyed[step.pick % Math.max(this.#keyed.length, 1)];
        if (call !== undefined) this.#callLog(await this.#alive(), call.name, call.method, call.entry, true, 0);
        break;
      }
      case "abort":
        this.#controllers.splice(step.pick % Math.max(this.#controllers.length, 1), 1)[0]?.abort();
        break;
      case "manage":
        this.#manage(await this.#alive(), this.#id(step.object), step.method);
        break;
      case "run":
        await this.#world.run(step.pick);
        break;
      case "settle":
        await this.#world.settle();
        break;
      case "advance":
        await this.#world.advance(step.ms);
        break;
      case "meet":
        this.#faults.nextCommits.push(step.fate);
        break;
      case "poison":
        this.#faults.poisoned.add(`log/${this.#id(step.object)}`);
        break;
      case "failReads":
        this.#faults.failingReads += step.count;
        break;
      case "heal":
        this.#faults.heal();
        break;
      case "stop":
        void this.#stop(await this.#alive());
        break;
      case "crash":
        await this.#crash();
        break;
    }
  }

  #id(object: number): string {
    return this.#ids[object % this.#ids.length] as string;
  }

  #call(life: Life, { object, method, keyed, timeoutMs }: CallStep): void {
    const id = this.#id(object);
    if (method === "add" || method === "total") {
      const stub = life.runtime.get(life.objects.Tally, id);
      this.#follow(life, `tally/${id}`, method, "", stub[method]());
      return;
    }
    const entry = `e${++this.#entries}`;
    if (keyed && effects[method] === "append") this.#keyed.push({ name: id, method, entry });
    this.#callLog(life, id, method, entry, keyed, timeoutMs);
  }

  #callLog(life: Life, id: string, method: LogMethod, entry: string, keyed: boolean, timeoutMs: number): void {
    const controller = new AbortController();
    const call = life.runtime.call("log", id, method, [entry], {
      signal: controller.signal,
      ...(timeoutMs === 0 ? {} : { timeout: timeoutMs }),
      ...(keyed ? { idempotencyKey: `key of ${entry}` } : {}),
    });
    this.#controllers.push(controller);
    this.#follow(life, `log/${id}`, method, entry, call);
  }

  #follow(life: Life, name: string, method: keyof typeof effects, entry: string, call: Promise<unknown>): void {
    const effect = effects[method];
    this.#model.follow({ name, method, effect, entry, life: life.number, inside: false }, call);
  }

  #manage({ runtime, objects: { Log }, number }: Life, id: string, method: RuntimeMethod): void {
    const start = { name: `log/${id}`, method, effect: effects[method], entry: "", life: number, inside: false };
    switch (method) {
      case "activate":
      case "deactivate":
      case "delete":
        this.#model.follow(start, runtime[method](Log, id));
        break;
      case "peek":
        this.#model.follow(
          start,
          runtime
            .peek(Log, id)
            .then((state): Sighting => ({ born: state?.born ?? null, length: state?.log.length ?? 0 })),
        );
        break;
      case "list":
        this.#model.follow(start, runtime.list(Log));
        break;
    }
  }

  // ——— Lives ———

  /** The runtime that takes calls; a new one if the last is gone. */
  async #alive(): Promise<Life> {
    if (this.#life?.stopped === true) this.#life = null;
    return (this.#life ??= await this.#begin());
  }

  async #begin(): Promise<Life> {
    const number = ++this.#lives;
    const objects = defineObjects(this.#witness(number));
    const store = new ControlledStore(this.#inner, this.#world, number, this.#ledger, this.#faults);
    const runtime = await createRuntime({
      objects: [objects.Log, objects.Tally],
      store,
      environment: this.#world.environment(number),
      mailboxLimit: this.#setup.mailboxLimit,
      maxActive: this.#setup.maxActive,
      maxStateBytes,
    });
    return { number, runtime, store, objects, stopping: null, stopped: false };
  }

  #stop(life: Life): Promise<void> {
    return (life.stopping ??= life.runtime.stop().then(() => {
      life.stopped = true;
      const left = this.#world.timersOf(life.number);
      if (left > 0) this.#world.violate(`a stopped runtime has left ${left} timers behind`);
    }));
  }

  /** The process dies: nothing of it goes on, and the operating system closes its files. */
  async #crash(): Promise<void> {
    const life = this.#life;
    if (life === null || life.stopped) return;
    this.#world.kill(life.number);
    await life.store.closeFromOutside();
    this.#turns.clear();
    this.#controllers.length = 0;
    this.#life = null;
  }

  // ——— What handlers tell ———

  #witness(life: number): Witness {
    return {
      turnStarted: (place, state, kind) => this.#turnStarted(place, state, kind),
      heard: (id, sighting) => void this.#model.checkSighting(`log/${id}`, "another object", sighting, 0, false),
      adding: (id, count) => {
        const name = `tally/${id}`;
        this.#model.follow({ name, method: "add", effect: "add", entry: "", life, inside: true }, count);
        return count;
      },
      newName: (entry) => `${entry}#${++this.#births}`,
      gate: () => this.#world.gate(life),
    };
  }

  #turnStarted(place: TurnPlace, state: LogState, kind: "sync" | "async"): () => void {
    const name = `log/${place.id}`;
    const running = this.#turns.get(name) ?? new Set();
    this.#turns.set(name, running);
    // An object that was changed by others, or whose store is gone, leaves its turns behind; they count for nothing.
    const mayBeLeftBehind = this.#faults.changedByOthers.has(name) || this.#faults.hadTakeOver || this.#life?.stopping;
    if (running.size > 0 && !mayBeLeftBehind) this.#world.violate(`two turns of ${name} at once`);
    if (kind === "async") {
      const sighting = { born: state.born, length: state.log.length };
      this.#model.checkSighting(name, "an async handler", sighting, 0, true);
    }
    running.add(place);
    return () => void running.delete(place);
  }

  // ——— The end ———

  /** No more faults: everything that was asked gets its answer, and everybody agrees on what is stored. */
  async #comeToRest(): Promise<void> {
    this.#faults.heal();
    const life = await this.#alive();
    await this.#settleFor(40_000);
    for (const attempt of this.#model.open(life.number)) {
      this.#world.violate(`${attempt.method}(${attempt.entry}) of ${attempt.name} was never answered`);
    }
    const last = await this.#stopAndReplace(life);
    for (const id of this.#ids) this.#callLog(last, id, "look", "", false, 0);
    await this.#settleFor(100);
    if (this.#model.open(last.number).length > 0) this.#world.violate("a healthy runtime does not answer");
    await this.#stopped(last);
    await this.#audit();
  }

  async #stopAndReplace(life: Life): Promise<Life> {
    await this.#stopped(life);
    return await this.#alive();
  }

  async #stopped(life: Life): Promise<void> {
    const stopping = this.#stop(life);
    await this.#settleFor(40_000);
    if (!life.stopped) throw new Error("the runtime does not stop");
    await stopping;
  }

  /** Time goes on, and whatever can happen happens. */
  async #settleFor(ms: number): Promise<void> {
    await this.#world.rest();
    await this.#world.settle();
    const untilMs = this.#world.nowMs + ms;
    // Small steps first: what waits for a moment should not have to meet its deadline.
    for (let stepMs = 10; this.#world.nowMs < untilMs; stepMs *= 2) {
      await this.#world.advance(Math.min(stepMs, untilMs - this.#world.nowMs));
      await this.#world.settle();
    }
  }

  /** What the store holds, without a runtime. */
  async #audit(): Promise<void> {
    const store = await this.#inner.open({ environment: this.#world.environment(0), node: "auditor" });
    try {
      const addresses = ["log", "tally"].flatMap((type) => this.#ids.map((id) => ({ tenant: "", type, id })));
      await compareWithStore(store, this.#ledger, addresses, (broken) => this.#world.violate(broken));
    } finally {
      await store.close();
    }
  }
}
