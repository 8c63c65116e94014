/**
 * One case of the suite of schedulers, and what every case works with: a store whose every commit the
 * scheduler hears of, and objects that handle their alarms as a case wants.
 *
 * Whatever a case is about, each delivery is held to what is always true of one: it is not early, it is of
 * an alarm as it is now, of a type that is known, and no other delivery of that alarm goes on.
 */

import assert from "node:assert/strict";
import { queueScheduler } from "../alarms/queue-scheduler.ts";
import type { Address } from "../core/address.ts";
import { formatAddress } from "../core/address.ts";
import type { AddressedAlarm, AlarmChange, ObjectStore, ObjectWrite, OpenObjectStore } from "../ports/object-store.ts";
import type { JobQueue } from "../ports/job-queue.ts";
import { StoreFailure } from "../ports/object-store.ts";
import type { Delivery, RunningScheduler, Scheduler, SchedulerHost } from "../ports/scheduler.ts";
import { closedGate, type Gate } from "./gate.ts";
import { KnownAlarms } from "./scheduler-known-alarms.ts";
import type { SchedulerTime } from "./scheduler-time.ts";
import { address, write } from "./object-store-case.ts";

/** A scheduler under test, with the store whose alarms it finds. */
export interface SchedulerSubject {
  readonly scheduler: Scheduler | JobQueue;
  /** Empty, and not open. */
  readonly store: ObjectStore;
  /** Removes everything. The scheduler was stopped and the store closed before. */
  dispose(): Promise<void>;
}

/** A rule of the port, and how it is checked. */
export interface SchedulerCase {
  readonly name: string;
  run(tested: TestedScheduler): Promise<void>;
}

/** How long a case waits for what is going to happen, in ms of its own time. */
const patienceMs = 60_000;
const stepMs = 50;

/** One alarm that was handed over. */
export interface TestedDelivery {
  readonly alarm: AddressedAlarm;
  /** How often it was revoked. */
  revoked: number;
  isOver: boolean;
}

/** A subject that is open, and everything that happens to it. */
export class TestedScheduler {
  readonly time: SchedulerTime;
  readonly deliveries: TestedDelivery[] = [];
  readonly warnings: string[] = [];
  /** What an object does about an alarm: to what its handler fails with, if it does. */
  handle: (delivery: TestedDelivery) => Promise<Error | null> = (delivery) => this.acknowledge(delivery);
  /** How many of the next requests for alarms fail. */
  failingReads = 0;
  /** Where the answers to requests for alarms wait. */
  answers: Promise<void> = Promise.resolve();
  /** How often the scheduler has asked for due alarms. */
  reads = 0;
  readonly #subject: SchedulerSubject;
  readonly #store: OpenObjectStore;
  readonly #known = new KnownAlarms();
  readonly #faults: string[] = [];
  readonly #gates: Gate[] = [];
  #types: readonly string[] = [];
  readonly #byAlarm = new Map<string, TestedDelivery[]>();
  #running: RunningScheduler | null = null;
  #phase: "not started" | "started" | "stopped" = "not started";
  #commits: Promise<unknown> = Promise.resolve();

  private constructor(subject: SchedulerSubject, store: OpenObjectStore, time: SchedulerTime) {
    this.#subject = subject;
    this.#store = store;
    this.time = time;
  }

  static async open(subject: SchedulerSubject, time: SchedulerTime): Promise<TestedScheduler> {
    const { environment } = time;
    await subject.scheduler.prepare?.();
    const store = await subject.store.open({ environment, node: environment.uniqueId() });
    return new TestedScheduler(subject, store, time);
  }

  get nowMs(): number {
    return Math.floor(this.time.environment.now());
  }

  /** Starts the scheduler, for objects of these types. */
  start(types: readonly string[] = ["counter"]): void {
    this.#types = types;
    this.#phase = "started";
    const { scheduler } = this.#subject;
    this.#running = ("sweepIntervalMs" in scheduler ? queueScheduler(scheduler) : scheduler).start({
      environment: this.time.environment,
      types,
      store: this.#reading(),
      wake: async () => this.#running?.look(),
      deliver: (alarm) => this.#deliver(alarm),
      warn: (warning, message) => void this.warnings.push(`${warning}: ${message}`),
    });
  }

  /** Stops it. Nothing may be delivered from now on, and nothing that was may go on once this resolves. */
  async stop(): Promise<void> {
    if (this.#phase !== "started") return;
    this.#phase = "stopped";
    await this.#running?.stop();
    if (this.deliveries.some(({ isOver }) => !isOver)) this.#faults.push("it has stopped, and a delivery goes on");
  }

  /** A gate, which is open at the end at the latest. */
  gate(): Gate {
    const gate = closedGate();
    this.#gates.push(gate);
    return gate;
  }

  async close(): Promise<void> {
    for (const gate of this.#gates) gate.open();
    try {
      await this.stop();
    } finally {
      await this.#commits;
      await this.#store.close();
    }
  }

  /** Checks what is true of every delivery. */
  assertFaultless(): void {
    assert.deepEqual(this.#faults, []);
  }

  // ——— What happens to alarms ———

  /** Sets one alarm, and the scheduler hears of it. */
  async set(id: string | Address, dueAt: number, name = "ring"): Promise<void> {
    await this.change(id, { change: "set", name, dueAt, payload: null, rule: null });
  }

  async cancel({ address: at, name }: AddressedAlarm): Promise<void> {
    await this.change(at, { change: "cancel", name });
  }

  async change(id: string | Address, ...alarms: readonly AlarmChange[]): Promise<void> {
    await this.commit([{ at: typeof id === "string" ? address(id) : id, parts: { alarms } }]);
  }

  /** Commits changes of distinct objects together; the scheduler hears of each. */
  async commit(changes: readonly { readonly at: Address; readonly parts: Partial<ObjectWrite> }[]): Promise<void> {
    const committed = this.#commits.then(() =>
      this.time.work(async () => {
        const writes = changes.map(({ at, parts }) =>
          write(at, { ...parts, baseRevision: this.#known.revisionOf(at) }),
        );
        const batch = { number: this.#store.lastNumber + 1, at: this.nowMs, writes };
        assert.deepEqual([...(await this.#store.commit(batch)).stale], []);
        for (const each of writes) {
          this.#known.apply(each);
          const all = each.deleted || each.cancelAllAlarms;
          const told = { address: each.address, all, changes: each.alarms };
          if (all || told.changes.length > 0) this.#running?.changed(told);
        }
      }),
    );
    this.#commits = committed.catch(() => undefined);
    await committed;
  }

  /** The alarm was handled: it goes, unless something else became of it meanwhile. */
  async acknowledge({ alarm, revoked }: TestedDelivery): Promise<null> {
    const { name, generation } = alarm;
    if (revoked === 0) await this.change(alarm.address, { change: "acknowledge", name, generation });
    return null;
  }

  // ——— What a case looks at ———

  /** The deliveries of an object's alarm, the first one first. */
  of(id: string | Address, name = "ring"): readonly TestedDelivery[] {
    return this.#byAlarm.get(keyOf(typeof id === "string" ? address(id) : id, name)) ?? [];
  }

  /** How many alarms are still to fire. */
  get waiting(): number {
    return this.#known.waiting;
  }

  /** Lets time pass until something is so. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    for (let passedMs = 0; !isSo(); passedMs += stepMs) {
      this.assertFaultless();
      if (passedMs < patienceMs) await this.time.pass(stepMs);
      else
        assert.fail(
          `after ${patienceMs / 1_000} s this was still not so: ${what}. ${this.deliveries.length} deliveries were begun.`,
        );
    }
    this.assertFaultless();
  }

  /** Lets time pass until an alarm was delivered that is set now: so long a scheduler has time for mistakes. */
  async pause(): Promise<void> {
    const id = `pause ${this.time.environment.uniqueId()}`;
    await this.set(id, this.nowMs + 300);
    await this.until("a later alarm is delivered", () => this.of(id).some(({ isOver }) => isOver));
  }

  // ——— What the scheduler is given ———

  #reading(): SchedulerHost["store"] {
    const ask = async <Answer>(read: () => Promise<Answer>): Promise<Answer> => {
      if (this.failingReads > 0) {
        this.failingReads -= 1;
        throw new StoreFailure("retry", "STORE_UNAVAILABLE", "The store cannot be asked just now.");
      }
      const answer = await this.time.work(read);
      await this.answers;
      return answer;
    };
    return {
      companions: this.#store.companions,
      dueAlarms: async (query) => {
        this.reads += 1;
        return await ask(() => this.#store.dueAlarms(query));
      },
      nextDueAfter: (types, after) => ask(() => this.#store.nextDueAfter(types, after)),
      dueTenants: (type, dueBy) => ask(() => this.#store.dueTenants(type, dueBy)),
      alarmTypes: () => ask(() => this.#store.alarmTypes()),
    };
  }

  #deliver(alarm: AddressedAlarm): Delivery {
    const what = `"${alarm.name}" of ${formatAddress(alarm.address)}`;
    const check = (isTrue: boolean, fault: string): void => {
      if (!isTrue) this.#faults.push(`${what} ${fault}`);
    };
    check(this.#phase === "started", "is delivered after the scheduler was stopped");
    check(this.#types.includes(alarm.address.type), "is delivered, and its type is not known");
    check(this.time.environment.now() >= alarm.dueAt, "is delivered early");
    check(alarm.status === "set", "is delivered, and is dead");
    check(this.#known.has(alarm), "is delivered as it was before, or is gone");
    const key = keyOf(alarm.address, alarm.name);
    const earlier = this.#byAlarm.get(key) ?? [];
    const goesOn = earlier.some(({ isOver, revoked }) => !isOver && revoked === 0);
    check(!goesOn, "is delivered, and an earlier delivery goes on");
    const delivery: TestedDelivery = { alarm, revoked: 0, isOver: false };
    this.deliveries.push(delivery);
    this.#byAlarm.set(key, [...earlier, delivery]);
    const over = (async () => {
      try {
        // Never at once: a delivery is a call.
        await Promise.resolve();
        return await this.handle(delivery);
      } finally {
        delivery.isOver = true;
      }
    })();
    // Whether a scheduler looks at it is its own affair.
    over.catch(() => undefined);
    return { revoke: () => void (delivery.revoked += 1), over };
  }
}

function keyOf(of: Address, name: string): string {
  return `${formatAddress(of)} ${name}`;
}
