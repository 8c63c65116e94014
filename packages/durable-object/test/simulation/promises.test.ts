/** The library's promises under simulation: a sample of seeds. `npm run simulate` takes as many as there is time for. */

import { expect, test } from "vitest";
import { defineObject, reply } from "../../src/index.ts";
import { simulate, type SimulationFailure } from "../../src/testing/simulate.ts";
import { simulatePromises } from "./promises.ts";

const seedsOfASample = 100;

test.each([
  ["one node", 1],
  ["three nodes", 3],
] as const)("whatever goes wrong with %s, no promise is broken", { timeout: 180_000 }, async (_name, nodes) => {
  const struck = { crashes: 0, pauses: 0, cuts: 0, takeOvers: 0 };
  for (let seed = 1; seed <= seedsOfASample; seed++) {
    const report = await simulatePromises({ seed, nodes });
    for (const key of ["crashes", "pauses", "cuts", "takeOvers"] as const) struck[key] += report[key];
  }
  // The simulation is worth nothing if nothing goes wrong in it.
  for (const count of Object.values(struck)) expect(count).toBeGreaterThan(seedsOfASample);
});

test("without faults every call succeeds", async () => {
  const report = await simulatePromises({ seed: 1, nodes: 1, faults: false });
  expect(report).toMatchObject({ actions: 150, failures: 0, crashes: 0, pauses: 0, cuts: 0, takeOvers: 1 });
});

test("the same seed gives the same run", async () => {
  const first = await simulatePromises({ seed: 7, nodes: 3 });
  const second = await simulatePromises({ seed: 7, nodes: 3 });
  expect(second).toEqual(first);
  expect(await simulatePromises({ seed: 8, nodes: 3 })).not.toMatchObject({ events: first.events });
});

const Counter = defineObject({
  type: "counter",
  state: { count: 0 },
  handlers: {
    increment: ({ state }) => reply(state.count + 1, { count: state.count + 1 }),
    get: ({ state }) => reply(state.count),
  },
});

test("an application that breaks its own rules is found out, by a seed that replays", async () => {
  let acknowledged = 0;
  const run = (seed: number) =>
    simulate({
      seed,
      objects: [Counter],
      steps: 60,
      async act(client) {
        acknowledged += 1;
        await client.get(Counter, "a").increment();
      },
      async check(client) {
        // Wrong: what failed was counted too.
        expect(await client.get(Counter, "a").get()).toBe(acknowledged);
      },
    });
  const failures: SimulationFailure[] = [];
  for (const seed of [3, 3]) {
    acknowledged = 0;
    await run(seed).catch((error: unknown) => failures.push(error as SimulationFailure));
  }
  expect(failures).toHaveLength(2);
  expect(failures[0]).toMatchObject({ name: "SimulationFailure", seed: 3 });
  expect(failures[0]?.message).toContain("simulate({ seed: 3, … })");
  expect(failures[1]?.message).toBe(failures[0]?.message);
});

test("whatever an action throws that is no failure of a call fails the simulation", async () => {
  const simulation = simulate({ seed: 1, objects: [Counter], act: () => Promise.reject(new TypeError("a mistake")) });
  await expect(simulation).rejects.toThrow(/seed 1 failed: a mistake/);
});

test("an invariant of the application is checked while everything goes wrong", async () => {
  const report = await simulate({
    seed: 5,
    objects: [Counter],
    nodes: 2,
    async act({ get, pick }) {
      const counter = get(Counter, pick(["a", "b"]));
      const result = await counter.safe.increment();
      if (result.ok) expect(result.value).toBeGreaterThan(0);
    },
    async check({ get, ask }) {
      const count = await get(Counter, "a").get();
      expect(await ask((runtime) => runtime.peek(Counter, "a"))).toEqual({ count });
    },
  });
  expect(report.actions).toBeGreaterThanOrEqual(200);
});
