/**
 * Random lives of alarms: set, moved, called off, failing, redriven, with commits that fail, clocks that
 * jump and processes that die, against a model; calm ones, and ones in which more comes due than there is
 * time for. `ALARM_RUNS` makes it longer, `ALARM_SEED` repeats a run.
 */

import * as fc from "fast-check";
import { test } from "vitest";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { stores, type TestStores } from "../support/stores.ts";
import { AlarmHistory } from "./alarm-history.ts";
import { calm, saturated, type Life } from "./alarm-steps.ts";

const runs = Number(process.env["ALARM_RUNS"] ?? 60);
const seed = { seed: Number(process.env["ALARM_SEED"] ?? 1) };

async function live(kind: TestStores, { steps, stopTimeoutMs }: Life, restMs: number): Promise<void> {
  const world = await AlarmWorld.create(kind);
  try {
    const history = new AlarmHistory(world, stopTimeoutMs);
    await history.start();
    for (const each of steps) await history.take(each);
    await history.check(restMs);
  } finally {
    await world.kill();
  }
}

async function assertLives(kind: TestStores, lives: fc.Arbitrary<Life>, numRuns: number, restMs: number) {
  const property = fc.asyncProperty(lives, (life) => live(kind, life, restMs));
  await fc.assert(property, { numRuns, endOnFailure: process.env["ALARM_SHRINK"] === undefined, ...seed });
}

test.each(stores)("alarms do what the model does ($name)", { timeout: 600_000 }, async (kind) => {
  // A retry, a rest and a repetition that catches up take a while.
  await assertLives(kind, calm, runs, 180_000);
});

test.each(stores)("also those of objects that have no time for them ($name)", { timeout: 600_000 }, async (kind) => {
  // There is much to write in such a life.
  await assertLives(kind, saturated, kind.name === "sqlite" ? Math.ceil(runs / 4) : runs, 30_000);
});
