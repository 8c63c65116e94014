/**
 * A runtime for tests: the real one, on a store of its own, in virtual time, with faults on demand and
 * crashes that it survives as it would in production. It needs no server and no port, and shares nothing
 * with other tests: they may run at the same time.
 */

import { parseDuration, type Duration } from "../core/duration.ts";
import { DurableObjectError } from "../core/errors.ts";
import { preview } from "../core/preview.ts";
import { memory } from "../memory/index.ts";
import type { AnyDefinition } from "../object/define-object.ts";
import type { Stub, StubOptions } from "../object/stub.ts";
import type { AddressedAlarm, ObjectStore } from "../ports/object-store.ts";
import { checkAddress } from "../runtime/definition-table.ts";
import type { TenantOption } from "../runtime/object-page.ts";
import type { RuntimeOptions } from "../runtime/options.ts";
import { createRuntime, type Runtime } from "../runtime/runtime.ts";
import { untilTrue, type EventuallyOptions } from "./eventually.ts";
import { FaultyStore } from "./faulty-store.ts";
import { lateStub } from "./late-stub.ts";
import { Faults } from "./store-faults.ts";
import { TestObject } from "./test-object.ts";
import { TestScheduler } from "./test-scheduler.ts";
import { VirtualClock, virtualStart, type VirtualLife } from "./virtual-clock.ts";

/** What `createTestRuntime` takes: the options of a runtime, and what a test may want to decide. */
export interface TestRuntimeOptions extends Omit<RuntimeOptions, "store" | "environment" | "scheduler"> {
  /** Where objects are kept. Default: a `memory()` of its own. */
  readonly store?: ObjectStore;
  /** When virtual time begins. Default: the first of January 2030, UTC. */
  readonly start?: Date;
  /** Decides what is left to chance, such as the jitter of retries. Default 1. */
  readonly seed?: number;
}

/** A runtime, from its start to its stop or its crash. */
interface Life {
  readonly virtual: VirtualLife;
  readonly runtime: Runtime;
  readonly store: FaultyStore;
  readonly scheduler: TestScheduler;
  /** Rejects when the life ends in a crash. */
  readonly crashed: Promise<never>;
  /** Has `crashed` reject. */
  readonly endCalls: () => void;
}

/**
 * Starts a runtime for tests.
 *
 * @throws {@link DurableObjectError} as `createRuntime` does
 * @example
 * ```ts
 * await using t = await createTestRuntime({ objects: [Subscription] });
 * await t.get(Subscription, "a").begin();
 * await t.advance("30d");
 * assert.equal(await t.get(Subscription, "a").isActive(), false);
 * ```
 */
export async function createTestRuntime(options: TestRuntimeOptions): Promise<TestRuntime> {
  const test = new TestRuntime(options);
  await test.restart();
  return test;
}

/** A runtime for tests. Made by `createTestRuntime`. */
export class TestRuntime implements AsyncDisposable {
  /** What goes wrong next. */
  readonly faults = new Faults();
  readonly #clock: VirtualClock;
  readonly #store: ObjectStore;
  readonly #options: Omit<RuntimeOptions, "store">;
  #life: Life | null = null;
  /** The store of a life that has crashed, letting go of what it held. */
  #lettingGo: Promise<void> = Promise.resolve();

  /** Use `createTestRuntime`. */
  constructor({ store = memory(), start = virtualStart, seed = 1, ...options }: TestRuntimeOptions) {
    this.#clock = new VirtualClock(timeOf("start", start), seed);
    this.#store = store;
    this.#options = { freezeState: true, ...options };
  }

  /** The runtime that runs now; another one after a `restart()`. */
  get runtime(): Runtime {
    return this.#alive().runtime;
  }

  /** A stub on an object. It outlives crashes: each call goes to the runtime that runs then. */
  get<Definition extends AnyDefinition>(definition: Definition, id: string, options?: StubOptions): Stub<Definition> {
    // What is wrong with it should be heard of here.
    this.runtime.get(definition, id, options);
    return lateStub(
      (what) => this.#call(what),
      Object.keys(definition.handlers as object),
      (runtime) => runtime.get(definition, id, options),
    );
  }

  /** One object, to look at what is stored of it and to have its alarms fire. */
  object<Definition extends AnyDefinition>(
    definition: Definition,
    id: string,
    { tenant }: TenantOption = {},
  ): TestObject<Definition> {
    const host = {
      clock: this.#clock,
      store: () => this.#alive().store.opened,
      fire: async (alarm: AddressedAlarm) => {
        const { scheduler, crashed } = this.#alive();
        return await Promise.race([scheduler.fire(alarm), crashed]);
      },
    };
    return new TestObject(host, definition, checkAddress(definition.type, id, tenant));
  }

  // ——— Time ———

  /** The virtual time. */
  now(): Date {
    return new Date(this.#clock.nowMs);
  }

  /**
   * Moves time on. Whatever comes due on the way happens, in order: alarms, timeouts, retries, hibernation.
   *
   * @param duration - for instance `"30d"`, or a number of ms
   */
  async advance(duration: Duration): Promise<void> {
    const ms = parseDuration(duration);
    if (ms === null) {
      const problem = `advance: ${preview(duration)} is no duration such as "1h" or 500.`;
      throw new DurableObjectError("INVALID_OPTION", problem);
    }
    await this.#clock.advance(ms);
  }

  /** Moves time on to a date; nothing happens if that has passed. */
  async advanceTo(date: Date): Promise<void> {
    await this.#clock.advance(Math.max(0, timeOf("advanceTo", date) - this.#clock.nowMs));
  }

  /** Resolves when whatever takes no time has happened. Time stands still. */
  async settle(): Promise<void> {
    await this.#clock.advance(0);
  }

  /**
   * Moves time on until a condition holds.
   *
   * @throws AssertionError when `timeout` (default `"5s"`) of virtual time has passed
   */
  async eventually(condition: () => unknown, options: EventuallyOptions = {}): Promise<void> {
    await this.settle();
    const startMs = this.#clock.nowMs;
    await untilTrue(
      condition,
      options,
      (ms) => this.#clock.advance(ms),
      () => this.#clock.nowMs - startMs,
    );
  }

  // ——— Ending, and starting again ———

  /**
   * The process dies: its timers, its turns and what it had in memory are gone, and the store hears nothing. Calls
   * that are under way reject with `REPLY_LOST`; later ones with `RUNTIME_STOPPED`, until `restart()`.
   */
  crash(): void {
    const life = this.#life;
    if (life === null) return;
    this.#life = null;
    life.virtual.end();
    this.#lettingGo = life.store.opened.abandon();
    life.endCalls();
  }

  /** Starts a new runtime on the same store, as after a crash: one that still runs dies first. */
  async restart(): Promise<void> {
    this.crash();
    await this.#lettingGo;
    const virtual = this.#clock.begin();
    const scheduler = new TestScheduler();
    const store = new FaultyStore(this.#store, this.#clock, virtual, this.faults, () => this.crash());
    const { environment } = virtual;
    const runtime = await createRuntime({ ...this.#options, store, environment, scheduler });
    let endCalls = (): void => {};
    const crashed = new Promise<never>((_resolve, reject) => {
      endCalls = () => reject(replyLost("the process that ran it died"));
    });
    crashed.catch(() => undefined);
    this.#life = { virtual, runtime, store, scheduler, crashed, endCalls };
  }

  /** Stops the runtime, in virtual time: turns that still run get theirs. Nothing happens if it has crashed. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life === null) {
      await this.#lettingGo;
      return;
    }
    const progress = { stopped: false };
    const stopping = life.runtime.stop().finally(() => (progress.stopped = true));
    stopping.catch(() => undefined);
    await this.#clock.settle();
    // Turns that still run get the time that the runtime gives them. It may die meanwhile.
    while (!progress.stopped && !life.virtual.isDead) await this.#clock.advance(1_000);
    await (life.virtual.isDead ? this.#lettingGo : stopping);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Makes a call, which ends with its answer or with the process. */
  async #call<Answer>(what: (runtime: Runtime) => Promise<Answer>): Promise<Answer> {
    const { runtime, crashed } = this.#alive();
    const answer = what(runtime);
    // Whoever hears of the crash does not look at the answer any more.
    answer.catch(() => undefined);
    const outcome = await Promise.race([answer, crashed]).then(
      (value) => () => value,
      (error: unknown) => () => {
        throw error;
      },
    );
    if (this.#life !== null && this.faults.takeLostReply()) throw replyLost("it was lost on its way");
    return outcome();
  }

  #alive(): Life {
    if (this.#life !== null) return this.#life;
    throw new DurableObjectError("RUNTIME_STOPPED", "The test runtime has crashed. restart() starts it again.");
  }
}

function timeOf(name: string, date: Date): number {
  const timeMs = date instanceof Date ? date.getTime() : Number.NaN;
  if (!Number.isNaN(timeMs)) return timeMs;
  throw new DurableObjectError(
    "INVALID_OPTION",
    `createTestRuntime: ${name} must be a valid date, not ${preview(date)}.`,
  );
}

function replyLost(why: string): DurableObjectError {
  return new DurableObjectError("REPLY_LOST", `No reply: ${why}. Whether the call was applied is not known.`);
}
