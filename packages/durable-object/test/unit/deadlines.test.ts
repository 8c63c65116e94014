/** Deadlines: nothing expires early, nothing later than a bucket, and all of it on one timer. */

import * as fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { Deadlines, type Expiring } from "../../src/runtime/deadlines.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** How late an item may expire. */
const bucketMs = 10;

let clock = new FakeClock();
let deadlines = new Deadlines(clock.environment);
let expired: { readonly name: string; readonly atMs: number }[] = [];

beforeEach(() => {
  clock = new FakeClock();
  deadlines = new Deadlines(clock.environment);
  expired = [];
});

function item(name: string, deadline: number, then: () => void = () => {}): Expiring {
  return {
    deadline,
    bucket: null,
    earlier: null,
    later: null,
    expire() {
      expired.push({ name, atMs: clock.environment.monotonic() });
      then();
    },
  };
}

const names = (): string[] => expired.map(({ name }) => name);

test("an item expires at its deadline, and not before", async () => {
  deadlines.add(item("a", 100));
  await clock.advance(99);
  expect(names()).toEqual([]);
  await clock.advance(1);
  expect(names()).toEqual(["a"]);
  await clock.advance("1m");
  expect(names()).toEqual(["a"]);
});

test("whatever the order, each expires once, within a bucket of its deadline, on one timer", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ afterMs: fc.nat({ max: 500 }), removed: fc.boolean() }), { maxLength: 40 }),
      async (plan) => {
        clock = new FakeClock();
        deadlines = new Deadlines(clock.environment);
        expired = [];
        const items = plan.map(({ afterMs }, index) => item(`${index}`, afterMs));
        for (const each of items) deadlines.add(each);
        expect(clock.timers).toBe(items.length === 0 ? 0 : 1);
        items.forEach((each, index) => {
          if (plan[index]?.removed === true) deadlines.remove(each);
        });
        await clock.advance(600);
        const kept = plan.flatMap(({ removed }, index) => (removed ? [] : [`${index}`]));
        expect(names().toSorted()).toEqual(kept.toSorted());
        for (const { name, atMs } of expired) {
          const lateMs = atMs - (plan[Number(name)]?.afterMs ?? 0);
          expect(lateMs).toBeGreaterThanOrEqual(0);
          expect(lateMs).toBeLessThan(bucketMs);
        }
        expect(clock.timers).toBe(0);
      },
    ),
    { seed: 1, numRuns: 50 },
  );
});

test("a nearer deadline moves the timer forward", async () => {
  deadlines.add(item("late", 5_000));
  deadlines.add(item("soon", 20));
  await clock.advance(20);
  expect(names()).toEqual(["soon"]);
  await clock.advance(4_980);
  expect(names()).toEqual(["soon", "late"]);
});

test("what expires may add and remove others", async () => {
  const removed = item("removed", 40);
  deadlines.add(
    item("first", 20, () => {
      deadlines.remove(removed);
      deadlines.add(item("at once", 20));
      deadlines.add(item("later", 60));
    }),
  );
  deadlines.add(removed);
  await clock.advance(20);
  await clock.advance(20);
  await clock.advance(20);
  expect(names()).toEqual(["first", "at once", "later"]);
});

test("an item in a bucket that was emptied before expires all the same", async () => {
  const first = item("first", 100);
  deadlines.add(first);
  deadlines.remove(first);
  deadlines.add(item("second", 100));
  await clock.advance(100);
  deadlines.add(item("third", 100));
  await clock.advance(10);
  expect(names()).toEqual(["second", "third"]);
});

test("those of one bucket expire in the order in which they came, also when one of them was removed", async () => {
  const items = ["a", "b", "c", "d", "e"].map((name) => item(name, 95));
  for (const each of items) deadlines.add(each);
  for (const index of [0, 2, 4]) deadlines.remove(items[index] as Expiring);
  deadlines.remove(items[2] as Expiring);
  deadlines.add(item("f", 92));
  await clock.advance(100);
  expect(names()).toEqual(["b", "d", "f"]);
});

test("never is never, and costs no timer", async () => {
  const never = item("never", Infinity);
  deadlines.add(never);
  expect(clock.timers).toBe(0);
  await clock.advance("1d");
  deadlines.remove(never);
  expect(names()).toEqual([]);
});

test("closed, nothing expires any more and no timer is left", async () => {
  deadlines.add(item("a", 100));
  deadlines.close();
  expect(clock.timers).toBe(0);
  await clock.advance(200);
  expect(names()).toEqual([]);
});

test("a wall clock that jumps changes nothing", async () => {
  deadlines.add(item("a", 100));
  clock.jump(-3_600_000);
  await clock.advance(50);
  clock.jump(7_200_000);
  expect(names()).toEqual([]);
  await clock.advance(50);
  expect(names()).toEqual(["a"]);
});
