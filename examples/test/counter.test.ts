/** The smallest object by itself, on a store in memory: no HTTP, no file, no clock. */

import { createTestRuntime } from "durable-object/testing";
import { expect, test } from "vitest";
import { Counter } from "../shop/counter.ts";

test("a counter counts, also over a restart", async () => {
  await using t = await createTestRuntime({ objects: [Counter] });
  expect(await t.get(Counter, "a").increment()).toBe(1);
  await t.restart();
  expect(await t.get(Counter, "a").increment()).toBe(2);
  expect(await t.get(Counter, "b").look()).toBe(0);
});

test("a counter applies a repeated write once, also over a restart", async () => {
  await using t = await createTestRuntime({ objects: [Counter] });
  const once = t.get(Counter, "a", { idempotencyKey: "first" });
  expect(await once.increment()).toBe(1);
  await t.restart();
  expect(await once.increment()).toBe(1);
  expect(await t.get(Counter, "a").look()).toBe(1);
});
