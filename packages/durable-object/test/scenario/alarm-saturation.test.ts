/** Objects that have more to fire than they have time for: they hold up nobody else, and are left in good order. */

import { expect, test } from "vitest";
import { defineObject, noreply, reply, schedule } from "../../src/index.ts";
import type { AlarmChange } from "../../src/ports/object-store.ts";
import { address, write } from "../../src/testing/object-store-case.ts";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { watch } from "../support/outcome-of.ts";
import { onEveryStore } from "../support/stores.ts";

const state = JSON.stringify({ entries: [], calls: 0 });
const dueAt = (name: string, atMs: number): AlarmChange => ({
  ...{ change: "set", name, dueAt: atMs, payload: null, rule: null },
});

onEveryStore("an object with more alarms than time", (stores) => {
  test("is stopped after the handler that runs; what waits behind it fires in the next life", async () => {
    const world = await AlarmWorld.create(stores);
    world.script.behave = async () => {
      await world.clock.sleep("10s");
      return [];
    };
    const alarms = ["ring", "chime", "tick"].map((name, index) => dueAt(name, world.clock.nowMs + index));
    await world.seed([write(address("busy", "diary"), { state, alarms })]);
    const runtime = await world.start({ stopTimeout: "1h" });
    await world.clock.advance("1s");
    const stopping = watch(runtime.stop());
    await world.clock.advance("12s");
    expect([stopping.settled, world.script.names]).toEqual([true, ["ring"]]);
    await world.start();
    await world.clock.advance("1m");
    expect(world.script.names).toEqual(["ring", "chime", "tick"]);
    expect(world.script.starts.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
  });

  test("does not hold up the alarms of another one", { timeout: 60_000 }, async () => {
    const world = await AlarmWorld.create(stores);
    const names = Array.from({ length: 900 }, (_, index) => `alarm${index}`);
    const started: string[] = [];
    const fires = async ({ id }: { id: string }) => {
      started.push(id);
      await world.clock.sleep(900);
      return noreply();
    };
    const Many = defineObject({
      type: "many",
      state: { count: 0 },
      handlers: { nothing: () => reply(0) },
      alarms: Object.fromEntries(names.map((name) => [name, fires])),
    });
    const { nowMs } = world.clock;
    await world.seed([
      write(address("busy", "many"), { state: '{"count":0}', alarms: names.map((name) => dueAt(name, nowMs - 1_000)) }),
      write(address("read", "many"), { state: '{"count":0}', alarms: [dueAt("alarm0", nowMs - 500)] }),
      write(address("later", "many"), { state: '{"count":0}', alarms: [dueAt("alarm0", nowMs + 5_000)] }),
    ]);
    await world.start({ objects: [Many] });
    await world.clock.advance("10s");
    expect(started.filter((id) => id !== "busy")).toEqual(["read", "later"]);
    expect(started.length).toBeGreaterThan(10);
  });

  test("lets others pass, also when the wall clock is set back", async () => {
    const world = await AlarmWorld.create(stores);
    world.script.behave = async ({ id }) => {
      if (id !== "late") await world.clock.sleep("10m");
      return [];
    };
    const { nowMs } = world.clock;
    const alarms = (atMs: number): AlarmChange[] => [dueAt("ring", atMs)];
    const busy = Array.from({ length: 128 }, (_, index) =>
      write(address(`busy${index}`, "diary"), { state, alarms: alarms(nowMs - 1_000) }),
    );
    await world.seed([...busy, write(address("late", "diary"), { state, alarms: alarms(nowMs - 1) })]);
    await world.start();
    await world.clock.advance(0);
    expect(world.script.starts).toHaveLength(128);
    world.clock.jump(-3_600_000);
    await world.clock.advance("10s");
    expect(world.script.starts.at(-1)?.id).toBe("late");
  });

  test("fires the next one while one rests that could not be stored", async () => {
    const world = await AlarmWorld.create(stores);
    const alarms = [dueAt("ring", world.clock.nowMs), dueAt("chime", world.clock.nowMs + 1)];
    await world.seed([write(address("busy", "diary"), { state, alarms })]);
    world.fullCommits = 1;
    await world.start();
    await world.clock.advance(500);
    expect(world.script.names).toEqual(["ring", "chime"]);
    await world.clock.advance("1s");
    expect(world.script.names).toEqual(["ring", "chime", "ring"]);
  });

  test("fires them also while its mailbox is full of calls", async () => {
    const world = await AlarmWorld.create(stores);
    let fired = 0;
    const Busy = defineObject({
      type: "busy",
      state: { count: 0 },
      handlers: {
        plan: ({ state: now }) => reply(0, now, schedule("ring", "1s")),
        work: async () => {
          await world.clock.sleep(730);
          return reply(0);
        },
      },
      alarms: {
        ring: () => {
          fired += 1;
          return noreply();
        },
      },
    });
    const runtime = await world.start({ objects: [Busy], mailboxLimit: 2, callTimeout: "never" });
    const busy = runtime.get(Busy, "busy");
    await busy.plan();
    // One call runs and two wait, at any time.
    const keepCalling = async (): Promise<void> => {
      for (let calls = 0; calls < 40; calls++) {
        // Who finds it full comes back in no time.
        await busy.work().catch(() => world.clock.sleep(10));
      }
    };
    const calling = watch(Promise.all([keepCalling(), keepCalling(), keepCalling()]));
    await world.clock.advance("20s");
    expect([calling.settled, fired]).toEqual([false, 1]);
    await world.clock.advance("1m");
  });
});
