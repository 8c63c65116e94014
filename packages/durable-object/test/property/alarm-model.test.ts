/**
 * Random lives of alarms: set, moved, called off, failing, redriven, with commits that fail, clocks that
 * jump and processes that die, against a model. `ALARM_RUNS` makes it longer, `ALARM_SEED` repeats a run.
 */

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { schedule, type Runtime } from "../../src/index.ts";
import type { AlarmName } from "../fixtures/alarm-diary.ts";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { codeOf, watch } from "../support/outcome-of.ts";
import { stores, type TestStores } from "../support/stores.ts";
import { AlarmModel, againMs, retry, type Plan } from "./alarm-model.ts";

const runs = Number(process.env["ALARM_RUNS"] ?? 60);
const seed = { seed: Number(process.env["ALARM_SEED"] ?? 1) };
const ids = ["a", "b"] as const;

const id = fc.constantFrom(...ids);
const name = fc.constantFrom<AlarmName>("ring", "chime", "tick");
const plan = fc.record<Plan>({
  fails: fc.constantFrom(0, 0, 0, 1, 2, 5),
  own: fc.constantFrom("nothing", "nothing", "again", "cancel"),
  takesMs: fc.constantFrom(0, 0, 300),
});
const repeat = fc.option(
  fc.record({
    every: fc.constantFrom(20_000, 45_000),
    misfire: fc.constantFrom<"once" | "skip" | "all">("once", "skip", "all"),
  }),
);
const aStep = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("set"), id, name, delay: fc.nat(8_000), plan, repeat }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel"), id, name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancelAll"), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("redrive"), id, name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("delete"), id }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.nat(9_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("oversleep"), ms: fc.nat(40_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("jump"), ms: fc.integer({ min: -20_000, max: 20_000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("fault"),
      kind: fc.constantFrom<"full" | "answer" | "request">("full", "answer", "request"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash"), downMs: fc.nat(20_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart"), downMs: fc.nat(20_000) }) },
) as fc.Arbitrary<Step>;

type Step =
  | {
      do: "set";
      id: string;
      name: AlarmName;
      delay: number;
      plan: Plan;
      repeat: { every: number; misfire: "all" } | null;
    }
  | { do: "cancel" | "redrive"; id: string; name: AlarmName }
  | { do: "cancelAll" | "delete"; id: string }
  | { do: "wait" | "oversleep" | "jump"; ms: number }
  | { do: "fault"; kind: "full" | "answer" | "request" }
  | { do: "crash" | "restart"; downMs: number };

/** One history, on one disk. */
class History {
  readonly #world: AlarmWorld;
  readonly #model = new AlarmModel();
  readonly #isDeathNoticed: boolean;
  #runtime: Runtime | null = null;
  #life = 0;

  constructor(world: AlarmWorld, isDeathNoticed: boolean) {
    this.#world = world;
    this.#isDeathNoticed = isDeathNoticed;
    world.onApplied = (write) => this.#model.applied(write, world.clock.nowMs);
    world.onRefused = (write) => this.#model.abandoned(write.address.id);
    world.script.behave = (context) => {
      const life = this.#life;
      const start = world.script.starts.at(-1);
      if (start !== undefined) this.#model.started(start);
      const doing = context.payload as Plan | undefined;
      const end = () => {
        if (life === this.#life) this.#model.ended(context.id, world.clock.nowMs);
        if (doing !== undefined && context.attempt <= doing.fails) return "fail";
        if (doing?.own === "again") return [schedule(start?.alarm as AlarmName, againMs)];
        if (doing?.own === "cancel") return [{ effect: "cancel", name: start?.alarm as AlarmName } as const];
        return [];
      };
      if (doing === undefined || doing.takesMs === 0) return end();
      return world.clock.sleep(doing.takesMs).then(end);
    };
  }

  async start(): Promise<void> {
    this.#life += 1;
    this.#runtime = await this.#world.start({ alarmRetry: retry, stopTimeout: "1m" });
  }

  get #alive(): Runtime {
    if (this.#runtime === null) throw new Error("nothing lives");
    return this.#runtime;
  }

  /** Makes a call, for which time goes on if it has to wait. */
  async #call(to: string, check: (names: readonly string[]) => boolean, call: () => Promise<unknown>): Promise<void> {
    // What runs ends before, so that a write belongs to the one or the other.
    for (let tries = 0; tries < 20 && this.#model.isBusy; tries++) await this.#world.clock.advance("1s");
    this.#model.asked = {
      id: to,
      check: (write) => check(write.alarms.map(({ change, name: of }) => `${change} ${of}`)),
    };
    const code = codeOf(call());
    const waiting = watch(code);
    for (let tries = 0; tries < 500 && !waiting.settled; tries++) await this.#world.clock.advance(20);
    const result = await code;
    if (!["ok", "STORE_FULL"].includes(result)) this.#model.violate(`a call ended with ${result}`);
    this.#model.asked = null;
  }

  async take(step: Step): Promise<void> {
    const { clock, script, store } = this.#world;
    const stub = (to: string) => this.#alive.get(script.Diary, to);
    const is =
      (...expected: string[]) =>
      (names: readonly string[]) =>
        names.join() === expected.join();
    switch (step.do) {
      case "set": {
        const options = { payload: { ...step.plan }, ...step.repeat };
        const call = () => stub(step.id).alarms.schedule(step.name, step.delay, options);
        await this.#call(step.id, is(`set ${step.name}`), call);
        break;
      }
      case "cancel":
        await this.#call(step.id, is(`cancel ${step.name}`), () => stub(step.id).alarms.cancel(step.name));
        break;
      case "redrive":
        await this.#call(step.id, is(`redrive ${step.name}`), () =>
          this.#alive.alarms.redrive(script.Diary, step.id, step.name),
        );
        break;
      case "cancelAll":
        await this.#call(step.id, is(), () => stub(step.id).alarms.cancelAll());
        break;
      case "delete":
        await this.#call(step.id, is(), () => this.#alive.delete(script.Diary, step.id));
        break;
      case "wait":
        await clock.advance(step.ms);
        break;
      case "oversleep":
        await clock.oversleep(step.ms);
        break;
      case "jump":
        this.#model.jumps(clock.nowMs);
        clock.jump(step.ms);
        break;
      case "fault":
        if (step.kind === "full") this.#world.fullCommits += 1;
        else if (step.kind === "answer") store.loseNextAnswer();
        else store.loseNextRequest();
        break;
      case "crash":
        await this.#world.kill();
        this.#life += 1;
        await clock.oversleep(step.downMs);
        this.#model.died(clock.nowMs, this.#isDeathNoticed);
        await this.start();
        break;
      case "restart":
        await this.#world.stop(this.#alive);
        await clock.oversleep(step.downMs);
        await this.start();
        break;
    }
  }

  /** Comes to rest, and compares. */
  async check(): Promise<void> {
    const { clock, script } = this.#world;
    // A retry, a rest and a repetition that catches up take a while; what was broken is whole again.
    await clock.advance("3m");
    for (let tries = 0; tries < 100 && script.running > 0; tries++) await clock.advance(100);
    for (const key of this.#model.overdue(clock.nowMs - 10_000)) {
      // Unless its object has more to do than there is time.
      const last = script.starts.findLast((start) => start.id === key.split("/")[0]);
      expect(last?.atMs ?? 0, `${key} should have fired`).toBeGreaterThan(clock.nowMs - 10_000);
    }
    for (const each of ids) {
      const listed = await this.#alive.get(script.Diary, each).alarms.list();
      const rows = listed.map(({ name: of, at, attempts, status, generation }) =>
        [`${each}/${of}`, at.getTime(), attempts, status, generation].join(" "),
      );
      expect(rows.sort()).toEqual(this.#model.alarms(each));
      const state = await this.#alive.peek(script.Diary, each);
      expect(state?.entries.length ?? 0).toBe(this.#model.handled.get(each) ?? 0);
      const firings = state?.entries.map(({ firingId }) => firingId) ?? [];
      expect(new Set(firings).size, "no firing has two effects").toBe(firings.length);
    }
    expect(script.overlaps).toBe(0);
    expect(this.#model.violations).toEqual([]);
  }
}

async function run(kind: TestStores, steps: readonly Step[]): Promise<void> {
  const world = await AlarmWorld.create(kind);
  try {
    const history = new History(world, true);
    await history.start();
    for (const each of steps) await history.take(each);
    await history.check();
  } finally {
    await world.kill();
  }
}

test.each(stores)("alarms do what the model does ($name)", { timeout: 600_000 }, async (kind) => {
  const property = fc.asyncProperty(fc.array(aStep, { maxLength: 25, size: "max" }), (steps) => run(kind, steps));
  await fc.assert(property, { numRuns: runs, endOnFailure: process.env["ALARM_SHRINK"] === undefined, ...seed });
});
