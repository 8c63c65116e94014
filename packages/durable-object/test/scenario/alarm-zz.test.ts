import { test } from "vitest";
import { polling } from "../../src/index.ts";
import { address, write } from "../../src/testing/object-store-case.ts";
import { AlarmWorld } from "../fixtures/alarm-world.ts";
import { stores } from "../support/stores.ts";
test("x", async () => {
  const world = await AlarmWorld.create(stores[0]!);
  world.script.behave = async ({ id }) => { if (id !== "late") await world.clock.sleep("10s"); return []; };
  const nowMs = world.clock.nowMs;
  await world.seed(Array.from({ length: 500 }, (_, i) => write(address(`f${i}`, "diary", "loud"), { state: '{"entries":[],"calls":0}', alarms: [{ change: "set", name: "ring", dueAt: nowMs - 1000, payload: null, rule: null }] })));
  await world.start({ scheduler: polling({ batch: 100, concurrency: 10 }) });
  await world.clock.advance("1s");
  await world.runtime.get(world.script.OtherDiary, "late", { tenant: "later" }).plan("ring", "5s");
  for (let i = 0; i < 20; i++) { await world.clock.advance("10s"); console.log(i, world.script.starts.length, world.script.running, world.script.starts.some((s) => s.id === "late")); }
});
