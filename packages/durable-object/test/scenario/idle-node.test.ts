/** A node on which nothing happens hardly wakes up: no timer ticks for its own sake. */

import { expect, test } from "vitest";
import { createRuntime, defineObject, noreply, polling, reply, schedule } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { AlarmClock } from "../fixtures/alarm-clock.ts";

const Trial = defineObject({
  type: "trial",
  state: { over: false },
  handlers: {
    begin: ({ state }) => reply("begun", state, schedule("expire", "30d")),
    isOver: ({ state }) => reply(state.over),
  },
  alarms: { expire: () => noreply({ over: true }) },
  hibernateAfter: "5m",
  shutdownAfter: "1h",
});

test("thirty days in which nothing happens take fewer than a thousand timers", async () => {
  const clock = new AlarmClock();
  const { environment } = clock.life();
  const scheduler = polling({ pollingInterval: "365d" });
  await using runtime = await createRuntime({ objects: [Trial], store: memory(), environment, scheduler });
  const trial = runtime.get(Trial, "a");
  await trial.begin();
  const before = clock.fired;
  await clock.advance("2h");
  expect(runtime.activeCount).toBe(0);
  await clock.advance("29d");
  expect(await trial.isOver()).toBe(false);
  await clock.advance("23h");
  expect(await trial.isOver()).toBe(true);
  expect(clock.fired - before).toBeLessThan(1_000);
  const stopped = runtime.stop();
  await clock.advance("1s");
  await stopped;
});

test("the system's clock calls back at a wall-clock time, never before it, and not if it was called off", async () => {
  const at = Date.now() + 20;
  const calledAt = await new Promise<number>((resolve) => systemEnvironment.at(at, () => resolve(Date.now())));
  expect(calledAt).toBeGreaterThanOrEqual(at);
  let called = false;
  const timer = systemEnvironment.at(-Infinity, () => (called = true));
  timer.cancel();
  await new Promise<void>((resolve) => systemEnvironment.at(Date.now() - 1_000, resolve));
  expect(called).toBe(false);
});
