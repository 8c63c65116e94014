/** The limiter in virtual time, and its middleware in front of a real server. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createTestRuntime } from "durable-object/testing";
import { expect, test } from "vitest";
import { limitRequests } from "../rate-limiter/middleware.ts";
import { bucketSize, RateLimiter, refillMs } from "../rate-limiter/rate-limiter.ts";
import { ExampleProcess } from "./example-process.ts";

test("a bucket lets its requests through, and says when the next one may come", async () => {
  await using t = await createTestRuntime({ objects: [RateLimiter] });
  const ann = t.get(RateLimiter, "ann");
  for (let left = bucketSize - 1; left >= 0; left--) expect(await ann.take()).toBe(left);
  await t.advance(400);
  const refused = await ann.safe.take();
  expect(refused.ok || refused.error.reason).toEqual({ code: "too_many_requests", retryAfterMs: refillMs - 400 });
  await t.advance(refillMs - 400);
  expect(await ann.take()).toBe(0);
  expect(await t.get(RateLimiter, "bob").take()).toBe(bucketSize - 1);
});

test("a restart gives nobody a fresh bucket", async () => {
  await using t = await createTestRuntime({ objects: [RateLimiter] });
  for (let i = 0; i < bucketSize; i++) await t.get(RateLimiter, "ann").take();
  await t.restart();
  expect((await t.get(RateLimiter, "ann").safe.take()).ok).toBe(false);
});

test("a bucket that is full again is forgotten, and not before", async () => {
  await using t = await createTestRuntime({ objects: [RateLimiter] });
  await t.get(RateLimiter, "ann").take();
  await t.advance(bucketSize * refillMs - 1);
  await t.get(RateLimiter, "ann").take();
  await t.advance(bucketSize * refillMs - 1);
  expect(await t.object(RateLimiter, "ann").persisted()).not.toBeNull();
  await t.advance(1);
  expect(await t.object(RateLimiter, "ann").persisted()).toBeNull();
  expect(await t.get(RateLimiter, "ann").look()).toBe(bucketSize);
});

test("the middleware answers 429 with Retry-After, and hands its own failures on", async ({ onTestFinished }) => {
  const t = await createTestRuntime({ objects: [RateLimiter] });
  const limit = limitRequests(t.runtime, ({ headers }) => String(headers["x-api-key"] ?? ""));
  const server = createServer((request, response) => {
    limit(request, response, (error) => response.writeHead(error === undefined ? 200 : 500).end());
  });
  await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens));
  onTestFinished(async () => {
    server.close();
    await t.stop();
  });
  const ask = (key: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      headers: { "x-api-key": key, connection: "close" },
    });
  for (let left = bucketSize - 1; left >= 0; left--) {
    const answer = await ask("ann");
    expect([answer.status, answer.headers.get("ratelimit-remaining")]).toEqual([200, String(left)]);
  }
  const refused = await ask("ann");
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
  expect((await ask("bob")).status).toBe(200);
  expect((await ask("")).status).toBe(500); // an empty id is no id
});

test("the story refuses, and lets through again", async () => {
  const story = new ExampleProcess("rate-limiter");
  expect(await story.ended()).toBe(0);
  expect(story.printed.filter((line) => line.startsWith("ann: 429 wait 1 s")).length).toBeGreaterThan(0);
  expect(story.printed).toContain("bob: 200 9 left");
  expect(story.printed.at(-1)).toMatch(/^ann: 200/);
});
