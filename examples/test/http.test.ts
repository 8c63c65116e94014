/** The shop over HTTP, on a store in memory: what a client is told when something is wrong. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createRuntime, type Runtime } from "durable-object";
import { memory } from "durable-object/memory";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Cart } from "../shopping-cart/cart.ts";
import { Counter } from "../shop/counter.ts";
import { RateLimiter } from "../rate-limiter/rate-limiter.ts";
import { answer } from "../shop/routes.ts";
import { Stock } from "../shopping-cart/stock.ts";

let runtime: Runtime;
let server: Server;
let url: string;

beforeEach(async () => {
  runtime = await createRuntime({ objects: [Cart, Counter, RateLimiter, Stock], store: memory() });
  server = createServer((request, response) => void answer(runtime, request, response));
  await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await runtime.stop();
});

interface Answer {
  readonly status: number;
  readonly body: { readonly error?: { readonly code: string; readonly reason?: { readonly code: string } } };
  readonly headers: Headers;
}

async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(url + path, {
    method,
    headers: { cookie: "visitor=ann", ...headers },
    ...(text === undefined ? {} : { body: text }),
  });
  return { status: response.status, body: await response.json(), headers: response.headers } as Answer;
}

const post = (path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> =>
  send("POST", path, body, headers);

test("a visit, from the shelf to the receipt", async () => {
  expect(await post("/cart/put", { product: "tea", quantity: 2 })).toMatchObject({ status: 200, body: { tea: 2 } });
  expect(await post("/checkout")).toMatchObject({ status: 200, body: { number: 1, lines: { tea: 2 } } });
  // The goods leave in an alarm, right after the answer.
  await vi.waitFor(async () =>
    expect((await send("GET", "/shop")).body).toMatchObject({
      visitor: "ann",
      cart: { lines: {}, receipt: { number: 1 } },
      stock: [{ id: "tea", available: 10, sold: 2 }, { id: "mug" }, { id: "kettle" }],
      limit: { of: 10 },
    }),
  );
});

test.each([
  [400, "INVALID_ARGUMENTS", "/cart/put", { product: "tea", quantity: "2" }],
  [400, "INVALID_ARGUMENTS", "/cart/put", { product: 5 }],
  [400, "INVALID_ARGUMENTS", "/stock/deliver", { product: "tea", quantity: -1 }],
  [400, "INVALID_JSON", "/cart/put", "{"],
  [400, "INVALID_JSON", "/cart/put", "[]"],
  [400, "INVALID_FIELD", "/count", {}],
  [400, "INVALID_ADDRESS", "/count", { counter: " " }],
  [404, "unknown_product", "/cart/put", { product: "__proto__" }],
  [404, "UNKNOWN_PRODUCT", "/stock/deliver", { product: "rocket", quantity: 1 }],
  [404, "NOT_FOUND", "/nothing", {}],
  [405, "WRONG_METHOD", "/shop", {}],
  [400, "INVALID_ARGUMENTS", "/cart/put", { product: "tea", quantity: 21 }],
  [409, "cart_empty", "/checkout", {}],
  [413, "BODY_TOO_LARGE", "/count", "x".repeat(20_000)],
])("%d %s from %s", async (status, code, path, body) => {
  const answered = await post(path, body);
  const { error } = answered.body;
  expect([answered.status, error?.reason?.code ?? error?.code]).toEqual([status, code]);
});

test("the eleventh request in a row is told to wait", async () => {
  const answers = [];
  for (let i = 0; i < 11; i++) answers.push(await post("/cart/put", { product: "tea" }));
  // A slow machine may give a token back in between; then the twelfth is refused, or the next one.
  while (answers.at(-1)?.status === 200) answers.push(await post("/cart/put", { product: "mug" }));
  const last = answers.at(-1);
  expect(last).toMatchObject({ status: 429, body: { error: { reason: { code: "too_many_requests" } } } });
  expect(last?.headers.get("retry-after")).toBe("1");
  expect((await post("/cart/put", { product: "tea" }, { cookie: "visitor=bob" })).status).toBe(200);
});

test("a repeated request is applied once, and its key fits no other request", async () => {
  const key = { "idempotency-key": "one" };
  expect(await post("/count", { counter: "a" }, key)).toMatchObject({ status: 200, body: 1 });
  expect(await post("/count", { counter: "a" }, key)).toMatchObject({ status: 200, body: 1 });
  await post("/cart/put", { product: "tea" }, key);
  expect(await post("/cart/put", { product: "mug" }, key)).toMatchObject({
    status: 422,
    body: { error: { code: "IDEMPOTENCY_KEY_REUSED" } },
  });
});

test("other sites and odd visitors are refused", async () => {
  expect((await post("/count", { counter: "a" }, { origin: "http://elsewhere.example" })).status).toBe(403);
  expect((await post("/count", { counter: "a" }, { origin: url })).status).toBe(200);
  expect((await send("GET", "/shop", undefined, { cookie: "visitor=a b" })).status).toBe(400);
});

test("a runtime that stops is 503", async () => {
  await runtime.stop();
  expect(await post("/count", { counter: "a" })).toMatchObject({
    status: 503,
    body: { error: { code: "RUNTIME_STOPPED" } },
  });
});
