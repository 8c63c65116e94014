/**
 * One life of alarms, on one disk: takes its steps, tells the model what it hears, and compares.
 *
 * Time stands still while nobody moves it, so whoever waits for an answer moves it, and not for ever: what
 * does not end in time ends the life with a description of what went on.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { DurableObjectError, schedule, type AlarmContext, type Runtime } from "../../src/index.ts";
import type { ObjectWrite } from "../../src/ports/object-store.ts";
import { gates, type AlarmName, type Behaviour, type DiaryEffect, type DiaryState } from "../fixtures/alarm-diary.ts";
import type { AlarmWorld } from "../fixtures/alarm-world.ts";
import { watch } from "../support/outcome-of.ts";
import { AlarmModel } from "./alarm-model.ts";
import { againMs, retry, type Plan } from "./alarm-row.ts";
import { ids, type Step } from "./alarm-steps.ts";

/** Longer than whatever waits before a call: a handler that runs, and one of each alarm of its object. */
const longestWaitMs = 120_000;

/** How long a slow commit takes. */
const slowMs = 1_500;

/** How a call ended that may do so: it was applied, there was no room, or its caller gave up. */
type Ending = "ok" | "full" | "given up" | "unknown";

/** One life of alarms. */
export class AlarmHistory {
  readonly #world: AlarmWorld;
  readonly #model = new AlarmModel();
  readonly #taken: Step[] = [];
  readonly #stopTimeoutMs: number;
  #runtime: Runtime | null = null;
  #life = 0;

  constructor(world: AlarmWorld, stopTimeoutMs: number) {
    this.#world = world;
    this.#stopTimeoutMs = stopTimeoutMs;
    world.onApplied = (write) => this.#model.applied(write, world.clock.nowMs);
    world.onRefused = (write) => this.#model.abandoned(write.address.id, world.clock.nowMs);
    world.script.behave = (context) => this.#handle(context);
  }

  /** What the handler of every alarm does. */
  #handle(context: AlarmContext<DiaryState>): ReturnType<Behaviour> {
    const { clock, script } = this.#world;
    const life = this.#life;
    const start = script.starts.at(-1);
    if (start !== undefined) this.#model.started(start);
    const alarm = start?.alarm as AlarmName;
    const doing = context.payload as Plan | undefined;
    const end = (): readonly DiaryEffect[] | "fail" => {
      if (life === this.#life) this.#model.ended(context.id, clock.nowMs);
      if (doing !== undefined && context.attempt <= doing.fails) return "fail";
      if (doing?.own === "again") return [schedule(alarm, againMs)];
      if (doing?.own === "cancel") return [{ effect: "cancel", name: alarm }];
      return [];
    };
    if (doing === undefined || doing.takesMs === 0) return end();
    return clock.sleep(doing.takesMs).then(end);
  }

  async start(): Promise<void> {
    this.#life += 1;
    const options = { alarmRetry: retry, stopTimeout: this.#stopTimeoutMs, callTimeout: "never" } as const;
    this.#model.unattended(this.#world.clock.nowMs, this.#world.clock.nowMs);
    this.#runtime = await this.#world.start(options);
  }

  get #alive(): Runtime {
    if (this.#runtime === null) throw new Error("nothing lives");
    return this.#runtime;
  }

  /** Moves time on until a promise has settled. */
  async #until<Result>(what: string, promise: Promise<Result>): Promise<Result> {
    const { clock } = this.#world;
    const waiting = watch(promise);
    await clock.settle();
    for (let passedMs = 0; !waiting.settled;) {
      if (passedMs > longestWaitMs) {
        // What only waits for the disk is given a while of real time.
        await Promise.race([promise.catch(() => {}), sleep(5_000)]);
        if (waiting.settled) break;
        throw new Error(`${what} does not end. ${this.#description}`);
      }
      const stepMs = passedMs < 1_000 ? 20 : 250;
      await clock.advance(stepMs);
      passedMs += stepMs;
    }
    return await promise;
  }

  /** What went on, for a life that does not come to its end. */
  get #description(): string {
    const { clock, script } = this.#world;
    const lines = [
      `It is ${clock.nowMs}, and ${clock.fired} timers have fired; ${script.running} handlers run.`,
      ...ids.map((id) => `${id} has ${this.#model.alarms(id).join(", ") || "no alarms"}.`),
      `Started last: ${JSON.stringify(script.starts.slice(-5))}`,
      `Steps: ${JSON.stringify(this.#taken)}`,
      `Found so far: ${JSON.stringify(this.#model.violations)}`,
    ];
    return lines.join("\n");
  }

  /** Makes a call, and has the model expect its write. */
  async #call(to: string, check: (write: ObjectWrite) => boolean, call: () => Promise<unknown>): Promise<void> {
    this.#model.asked = { id: to, check };
    const ending = await this.#until("a call", endingOf(call()));
    // Nobody knows whether it is applied until the store has been heard of again.
    if (ending === "unknown") await this.#world.clock.advance("5s");
    this.#model.asked = null;
  }

  async take(step: Step): Promise<void> {
    this.#taken.push(step);
    const { clock, script, store } = this.#world;
    const stub = (to: string) => this.#alive.get(script.Diary, to);
    switch (step.do) {
      case "set":
        await this.#set(step);
        break;
      case "cancel":
        await this.#call(step.id, changes("cancel", step.name), () => stub(step.id).alarms.cancel(step.name));
        break;
      case "redrive":
        await this.#call(step.id, changes("redrive", step.name), () =>
          this.#alive.alarms.redrive(script.Diary, step.id, step.name),
        );
        break;
      case "cancelAll":
        await this.#call(step.id, isCancelAll, () => stub(step.id).alarms.cancelAll());
        break;
      case "delete":
        await this.#call(
          step.id,
          ({ deleted }) => deleted,
          () => this.#alive.delete(script.Diary, step.id),
        );
        break;
      case "deactivate":
        await this.#until("a deactivation", endingOf(this.#alive.deactivate(script.Diary, step.id)));
        break;
      case "wait":
        await clock.advance(step.ms);
        break;
      case "oversleep":
        this.#model.unattended(clock.nowMs, clock.nowMs + step.ms);
        await clock.oversleep(step.ms);
        break;
      case "jump":
        this.#model.jumps(clock.nowMs);
        clock.jump(step.ms);
        this.#model.unattended(clock.nowMs - step.ms, clock.nowMs);
        break;
      case "fault":
        if (step.kind === "full") this.#world.fullCommits += 1;
        else if (step.kind === "answer") store.loseNextAnswer();
        else if (step.kind === "request") store.loseNextRequest();
        else this.#slowDown(step.kind === "slow before" ? "before" : "after");
        break;
      case "crash":
        await this.#world.kill();
        this.#life += 1;
        await clock.oversleep(step.downMs);
        this.#model.died(clock.nowMs);
        await this.start();
        break;
      case "restart":
        await this.#stop();
        await clock.oversleep(step.downMs);
        await this.start();
        break;
    }
  }

  /** The next commit takes a while, before or after it reaches the disk. */
  #slowDown(where: "before" | "after"): void {
    const { clock, store } = this.#world;
    const held = store.holdNextCommit(where);
    void held.reached.then(() => clock.sleep(slowMs)).then(() => held.release());
  }

  /** What runs is waited for; what waits behind it does not start any more. */
  async #stop(): Promise<void> {
    const { script } = this.#world;
    const before = script.starts.length;
    const wasRunning = new Set(ids.filter((id) => this.#model.runs(id)));
    await this.#until("a stop", this.#alive.stop());
    this.#life += 1;
    script.died();
    this.#model.stopped();
    const ofOne = Map.groupBy(script.starts.slice(before), ({ id }) => id);
    for (const [id, { length }] of ofOne) {
      if (length > (wasRunning.has(id) ? 0 : 1)) this.#model.violate(`${id} was started while it was stopped`);
    }
  }

  async #set({ id, name, delay, plan, repeat, afterMs, patienceMs }: Step & { readonly do: "set" }): Promise<void> {
    const { clock, script } = this.#world;
    const payload = JSON.stringify(plan);
    const rule = repeat === null ? null : JSON.stringify(repeat);
    const isIt = changes("set", name);
    const stub = this.#alive.get(script.Diary, id, patienceMs === null ? {} : { timeout: patienceMs });
    const askedAtMs = clock.nowMs;
    const check = (write: ObjectWrite): boolean => {
      const [change] = write.alarms;
      if (!isIt(write) || change?.change !== "set") return false;
      const isInTime = change.dueAt >= askedAtMs + delay && change.dueAt <= clock.nowMs + delay;
      return isInTime && change.payload === payload && change.rule === rule;
    };
    const options = { payload: { ...plan }, ...repeat };
    await this.#call(id, check, () => {
      if (afterMs === 0) return stub.alarms.schedule(name, delay, options);
      gates.set(id, clock.sleep(afterMs));
      return stub.planWhenOpen(name, delay, id, options);
    });
  }

  /** Compares what there is with what there has to be; then calls everything off, and nothing may happen any more. */
  async check(restMs: number): Promise<void> {
    const { clock, script } = this.#world;
    // What was broken is whole again.
    this.#world.fullCommits = 0;
    await clock.advance(restMs);
    expect(this.#model.violations).toEqual([]);
    expect(this.#model.neglected(clock.nowMs), "alarms that nobody has fired").toEqual([]);
    for (const id of ids) {
      const comparing = this.#alive
        .get(script.Diary, id)
        .alarms.list()
        .then((listed) => {
          const rows = listed.map(({ name, at, attempts, status, generation }) =>
            [`${id}/${name}`, at.getTime(), attempts, status, generation].join(" "),
          );
          // Before another turn of the object can have written anything.
          expect(rows.sort()).toEqual(this.#model.alarms(id));
        });
      await this.#until("a list of alarms", comparing);
    }
    for (const id of ids) await this.take({ do: "cancelAll", id });
    for (let tries = 0; tries < 1_000 && this.#model.isBusy; tries++) await clock.advance(100);
    const startsBefore = script.starts.length;
    await clock.advance("1m");
    expect(script.starts.slice(startsBefore), "what was called off").toEqual([]);
    await Promise.all(ids.map((id) => this.#compareState(id)));
    expect(script.overlaps).toBe(0);
    expect(this.#model.violations).toEqual([]);
  }

  async #compareState(id: string): Promise<void> {
    const { script } = this.#world;
    const state = await this.#until("a look", this.#alive.peek(script.Diary, id));
    expect(state?.entries.length ?? 0).toBe(this.#model.handled.get(id) ?? 0);
    const firings = state?.entries.map(({ firingId }) => firingId) ?? [];
    expect(new Set(firings).size, "no firing has two effects").toBe(firings.length);
  }
}

async function endingOf(call: Promise<unknown>): Promise<Ending> {
  try {
    await call;
    return "ok";
  } catch (error) {
    if (!(error instanceof DurableObjectError)) throw error;
    // The second is a call that saw what there was no room for.
    if (error.code === "STORE_FULL" || (error.code === "COMMIT_FAILED" && error.outcome === "not-applied"))
      return "full";
    if (error.code !== "CALL_TIMEOUT" && error.code !== "COMMIT_UNKNOWN") throw error;
    return error.outcome === "unknown" ? "unknown" : "given up";
  }
}

/** Whether a write changes this alarm in this way, and nothing else. */
function changes(change: string, name: string): (write: ObjectWrite) => boolean {
  return ({ alarms, deleted, cancelAllAlarms }) =>
    !deleted && !cancelAllAlarms && alarms.length === 1 && alarms[0]?.change === change && alarms[0].name === name;
}

function isCancelAll({ alarms, deleted, cancelAllAlarms }: ObjectWrite): boolean {
  return !deleted && cancelAllAlarms && alarms.length === 0;
}
