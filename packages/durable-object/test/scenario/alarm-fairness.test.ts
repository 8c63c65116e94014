/** Floods: bounded, fair between tenants and types, and slow handlers do not hold up the others. */

import { expect, test } from "vitest";
import { polling, type PollingOptions } from "../../src/index.ts";
import type { AlarmChange } from "../../src/ports/object-store.ts";
import { address, write } from "../../src/testing/object-store-case.ts";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { onEveryStore } from "../support/stores.ts";

const ringAt = (dueAt: number): AlarmChange => ({ change: "set", name: "ring", dueAt, payload: null, rule: null });
const state = JSON.stringify({ entries: [], calls: 0 });

/** Starts on a disk with that many due alarms of a tenant, and one of a quiet tenant that is due a little later. */
async function flooded(
  world: AlarmWorld,
  size: number,
  quiet: { readonly type?: string; readonly tenant?: string },
  options: PollingOptions,
): Promise<void> {
  const nowMs = world.clock.nowMs;
  const flood = Array.from({ length: size }, (_, index) =>
    write(address(`f${index}`, "diary", "loud"), { state, alarms: [ringAt(nowMs - 1_000)] }),
  );
  const { type = "diary", tenant = "loud" } = quiet;
  const one = write(address("quiet", type, tenant), { state, alarms: [ringAt(nowMs - 1)] });
  await world.seed([...flood, one]);
  await world.start({ scheduler: polling(options) });
}

/** How many alarms were started before the quiet one. */
function before(world: AlarmWorld): number {
  return world.script.starts.findIndex(({ id }) => id === "quiet");
}

onEveryStore("a flood of alarms", (stores) => {
  test("of one tenant does not hold up another one's", { timeout: 60_000 }, async () => {
    const world = await AlarmWorld.create(stores);
    world.script.behave = async () => {
      await world.clock.sleep("1s");
      return [];
    };
    await flooded(world, 20_000, { tenant: "quiet" }, { batch: 100, concurrency: 10 });
    await world.clock.advance("3s");
    expect(before(world)).toBeGreaterThanOrEqual(0);
    expect(before(world)).toBeLessThanOrEqual(20);
  });

  test("of one type does not hold up another one's", async () => {
    const world = await AlarmWorld.create(stores);
    world.script.behave = async () => {
      await world.clock.sleep("1s");
      return [];
    };
    await flooded(world, 2_000, { type: "other-diary" }, { batch: 100, concurrency: 10 });
    await world.clock.advance("3s");
    expect(before(world)).toBeGreaterThanOrEqual(0);
    expect(before(world)).toBeLessThanOrEqual(20);
  });

  test("does not hold up what becomes due while it is worked on", async () => {
    const world = await AlarmWorld.create(stores);
    world.script.behave = async ({ id }) => {
      if (id !== "late") await world.clock.sleep("10s");
      return [];
    };
    await flooded(world, 500, { tenant: "quiet" }, { batch: 100, concurrency: 10 });
    await world.clock.advance("1s");
    await world.runtime.get(world.script.OtherDiary, "late", { tenant: "later" }).plan("ring", "5s");
    // Behind what was read already, a batch and the shares of tenants, and not behind the whole flood.
    await world.clock.advance("150s");
    expect(world.script.starts.filter(({ id }) => id === "late")).toHaveLength(1);
    expect(world.script.starts.length).toBeLessThan(200);
  });

  test("is handled to the last one, each once, by no more at a time than allowed", async () => {
    const world = await AlarmWorld.create(stores);
    let most = 0;
    world.script.behave = async () => {
      most = Math.max(most, world.script.running);
      await world.clock.sleep(10);
      return [];
    };
    await flooded(world, 1_500, { tenant: "quiet" }, { batch: 64, concurrency: 200 });
    await world.clock.advance("20s");
    expect(world.script.starts).toHaveLength(1_501);
    expect(new Set(world.script.starts.map(({ id }) => id)).size).toBe(1_501);
    expect(most).toBeLessThanOrEqual(200);
    expect(most).toBeGreaterThan(128);
  });

  test("begins with few at a time", async () => {
    const world = await AlarmWorld.create(stores);
    world.script.behave = async () => {
      await world.clock.sleep("100ms");
      return [];
    };
    await flooded(world, 2_000, { tenant: "quiet" }, {});
    await world.clock.advance(0);
    expect(world.script.running).toBeLessThanOrEqual(128);
  });

  test("with handlers that hang leaves room for others", async () => {
    const world = await AlarmWorld.create(stores);
    world.script.behave = async ({ id }) => {
      if (id !== "quiet") await world.clock.sleep("1d");
      return [];
    };
    await flooded(world, 700, { tenant: "quiet" }, {});
    await world.runtime.get(world.script.OtherDiary, "quiet").plan("chime", "10s");
    await world.clock.advance("30s");
    expect(world.script.starts.filter(({ id }) => id === "quiet")).toHaveLength(2);
    expect(world.script.running).toBe(700);
  });

  test("of 128 that hang and one that is due later does not hold up that one", async () => {
    const world = await AlarmWorld.create(stores);
    world.script.behave = async ({ id }) => {
      if (id !== "quiet") await world.clock.sleep("1d");
      return [];
    };
    await flooded(world, 128, { tenant: "quiet" }, {});
    await world.clock.advance("5s");
    expect(world.script.starts.filter(({ id }) => id === "quiet")).toHaveLength(1);
  });

  test("that fills all there is does not spin", async () => {
    const world = await AlarmWorld.create(stores);
    world.script.behave = async () => {
      await world.clock.sleep("30s");
      return [];
    };
    await flooded(world, 3, { tenant: "quiet" }, { concurrency: 1 });
    await world.runtime.get(world.script.Diary, "late").plan("ring", "5s");
    await world.clock.advance("20s");
    expect(world.clock.fired).toBeLessThan(200);
    await world.clock.advance("200s");
    expect(world.script.starts).toHaveLength(5);
  });
});
