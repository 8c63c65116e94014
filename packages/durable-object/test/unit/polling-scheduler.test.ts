/** When the polling scheduler asks the store, and what it does with an answer that is out of date. */

import { expect, test } from "vitest";
import { polling, type PollingOptions } from "../../src/index.ts";
import type { AddressedAlarm } from "../../src/ports/object-store.ts";
import type { RunningScheduler } from "../../src/ports/scheduler.ts";
import { address, storedAlarm } from "../../src/testing/object-store-case.ts";
import { AlarmClock } from "../fixtures/alarm-clock.ts";
import { gate, type Gate } from "../support/gate.ts";

function alarm(id: string, dueAt: number, generation = 1): AddressedAlarm {
  return { ...storedAlarm({ name: "ring", dueAt, generation }), address: address(id), suspect: false };
}

/** A scheduler, the alarms its store has, and what it was seen to do. */
class Bench {
  readonly clock = new AlarmClock();
  alarms: AddressedAlarm[] = [];
  /** When it has asked for due alarms, in ms since the start. */
  readonly looks: number[] = [];
  readonly delivered: string[] = [];
  readonly warnings: string[] = [];
  /** Where an answer of the store waits. */
  answer: Gate | null = null;
  isBroken = false;
  readonly scheduler: RunningScheduler;

  constructor(options: PollingOptions = {}) {
    const { clock } = this;
    const startMs = clock.nowMs;
    this.scheduler = polling(options).start({
      environment: clock.life().environment,
      types: ["counter"],
      wake: async () => {},
      store: {
        dueAlarms: async ({ dueBy, limit }) => {
          this.looks.push(clock.nowMs - startMs);
          if (this.isBroken) throw new Error("no store");
          const read = this.alarms.filter(({ dueAt }) => dueAt <= dueBy).slice(0, limit);
          await this.answer?.passed;
          return read;
        },
        nextDueAfter: async (_types, after) => {
          const later = this.alarms.map(({ dueAt }) => dueAt).filter((dueAt) => dueAt > after);
          return later.length === 0 ? null : Math.min(...later);
        },
        dueTenants: async () => [""],
        alarmTypes: async () => ["counter"],
      },
      deliver: (due) => {
        this.delivered.push(`${due.address.id} ${due.generation}`);
        this.alarms = this.alarms.filter((each) => each !== due);
        return { revoke: () => {}, over: Promise.resolve(null) };
      },
      warn: (warning) => void this.warnings.push(warning),
    });
  }
}

test("looks at once, then once per interval", async () => {
  const bench = new Bench({ pollingInterval: "10s" });
  await bench.clock.advance("25s");
  expect(bench.looks).toEqual([0, 10_000, 20_000]);
  await bench.scheduler.stop();
  await bench.clock.advance("1m");
  expect(bench.looks).toHaveLength(3);
});

test("looks when the next alarm is due that the store knows", async () => {
  const bench = new Bench({ pollingInterval: "10s" });
  bench.alarms = [alarm("a", bench.clock.nowMs + 3_210)];
  await bench.clock.advance("5s");
  expect(bench.looks).toEqual([0, 3_210]);
  expect(bench.delivered).toEqual(["a 1"]);
});

test("looks when an alarm is due that a commit has set, and not for one that is dead", async () => {
  const bench = new Bench({ pollingInterval: "10s" });
  await bench.clock.advance("1s");
  const change = { change: "set", name: "ring", payload: null, rule: null } as const;
  const dueAt = bench.clock.nowMs + 1_234;
  bench.scheduler.changed({ address: address("a"), all: false, changes: [{ ...change, dueAt }] });
  const death = { change: "attempted", name: "chime", generation: 1, attempts: 12, status: "dead" } as const;
  const changes = [{ ...death, dueAt: bench.clock.nowMs + 10, lastError: null }];
  bench.scheduler.changed({ address: address("b"), all: false, changes });
  await bench.clock.advance("5s");
  expect(bench.looks).toEqual([0, 2_234]);
});

test("does not deliver what was changed while the store was being read", async () => {
  const bench = new Bench();
  const nowMs = bench.clock.nowMs;
  const [moved, stays] = [alarm("moved", nowMs - 5), alarm("stays", nowMs - 5)];
  bench.alarms = [moved, stays];
  bench.answer = gate();
  await bench.clock.advance(0);
  expect(bench.looks).toHaveLength(1);
  // The answer is on its way when a commit moves the alarm.
  const change = { change: "set", name: "ring", dueAt: nowMs + 5_000, payload: null, rule: null } as const;
  bench.alarms = [alarm("moved", nowMs + 5_000, 2), stays];
  bench.scheduler.changed({ address: address("moved"), all: false, changes: [change] });
  bench.answer.open();
  bench.answer = null;
  await bench.clock.advance("4s");
  expect(bench.delivered).toEqual(["stays 1"]);
  await bench.clock.advance("1s");
  expect(bench.delivered).toEqual(["stays 1", "moved 2"]);
});

test("goes on when the store fails, and says so", async () => {
  const bench = new Bench();
  bench.isBroken = true;
  bench.alarms = [alarm("a", bench.clock.nowMs)];
  await bench.clock.advance("3500ms");
  expect(bench.warnings).toEqual(Array.from({ length: 4 }, () => "alarms-not-read"));
  bench.isBroken = false;
  await bench.clock.advance("1s");
  expect(bench.delivered).toEqual(["a 1"]);
});
