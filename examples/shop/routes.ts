/**
 * What the shop answers to. Each route is a call or two on durable objects: no queries, no locks, no cache.
 * A call that fails throws, and `sendError` makes a status of its code.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Runtime, StubOptions } from "durable-object";
import { bucketSize, RateLimiter } from "../rate-limiter/rate-limiter.ts";
import { Cart } from "../shopping-cart/cart.ts";
import { catalogue, Stock } from "../shopping-cart/stock.ts";
import { Counter } from "./counter.ts";
import { checkOrigin, HttpError, readBody, readCookie, sendError, sendJson } from "./http.ts";

/** A request, as the routes see it. */
interface Visit {
  readonly runtime: Runtime;
  readonly visitor: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** A request that is repeated under the same `Idempotency-Key` is applied once. */
  readonly options: StubOptions;
}

type Route = (visit: Visit) => Promise<unknown>;

const routes: Readonly<Record<string, Route>> = {
  "GET /shop": showShop,

  "POST /cart/put": limited(({ runtime, visitor, body, options }) =>
    // What comes from outside is `unknown`. `call` takes it as it is, and the schema of the handler checks it.
    runtime.call("cart", visitor, "put", [body["product"], body["quantity"] ?? 1], options),
  ),

  // Three turns, each recorded under a key of its own: a request that is repeated goes on where the first one was.
  "POST /checkout": limited(async ({ runtime, visitor, options: { idempotencyKey: key } }) => {
    const cart = (turn: string) => runtime.get(Cart, visitor, { idempotencyKey: key && `${key}: ${turn}` });
    const order = await cart("reserve").reserve(await cart("checkOut").checkOut());
    return await cart("pay").pay(order.number, order.totalCents);
  }),

  "POST /stock/deliver": limited(async ({ runtime, body, options }) => {
    const product = textOf(body, "product");
    if (!catalogue.has(product)) throw new HttpError(404, "UNKNOWN_PRODUCT", `There is no "${product}".`);
    return runtime.call("stock", product, "deliver", [body["quantity"] ?? 1], options);
  }),

  // Counters are not limited: the page and the demonstration write to them as fast as they can.
  "POST /count": async ({ runtime, body, options }) =>
    runtime.get(Counter, textOf(body, "counter"), options).increment(),

  // Dies like in a power cut: no goodbye, no flush, no handler that could tidy up. Only this answer gets out first.
  "POST /kill": async () => {
    setTimeout(() => process.kill(process.pid, "SIGKILL"), 10);
    return { dies: process.pid };
  },
};

/** A route that takes a token of the visitor's bucket first. */
function limited(route: Route): Route {
  return async (visit) => {
    await visit.runtime.get(RateLimiter, visit.visitor).take();
    return route(visit);
  };
}

/** All that the page shows. Reading an object that was never written creates nothing. */
async function showShop({ runtime, visitor, body }: Visit): Promise<unknown> {
  const stock = Array.from(catalogue, async ([id, product]) => {
    return { id, ...product, ...(await runtime.get(Stock, id).look()) };
  });
  return {
    visitor,
    pid: process.pid,
    uptimeMs: Math.round(process.uptime() * 1_000),
    cart: await runtime.get(Cart, visitor).look(),
    stock: await Promise.all(stock),
    limit: { left: await runtime.get(RateLimiter, visitor).look(), of: bucketSize },
    count: await runtime.get(Counter, textOf(body, "counter", visitor)).look(),
  };
}

/** Answers one request. Never rejects. */
export async function answer(runtime: Runtime, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const { method = "GET", url = "/" } = request;
    const { pathname, searchParams } = new URL(url, "http://localhost");
    const route = routes[`${method} ${pathname}`];
    if (route === undefined) throw missing(pathname);
    checkOrigin(request);
    const body = method === "GET" ? Object.fromEntries(searchParams) : await readBody(request);
    const result = await route({ runtime, visitor: visitorOf(request), body, options: callOptions(request) });
    sendJson(response, 200, result ?? null);
  } catch (error) {
    sendError(response, error);
  }
}

function missing(pathname: string): HttpError {
  const methods = ["GET", "POST"].filter((method) => routes[`${method} ${pathname}`] !== undefined);
  return methods.length > 0
    ? new HttpError(405, "WRONG_METHOD", `Use ${methods.join(" or ")} for ${pathname}.`)
    : new HttpError(404, "NOT_FOUND", `There is nothing at ${pathname}. There is ${Object.keys(routes).join(", ")}.`);
}

/** A field that must be a text, as the ids of objects are. */
function textOf(body: Visit["body"], field: string, fallback?: string): string {
  const value = body[field] ?? fallback;
  if (typeof value !== "string") throw new HttpError(400, "INVALID_FIELD", `The field "${field}" must be a text.`);
  return value;
}

/** Who asks: the page sets a cookie, curl sends one with `-b visitor=ann`, everybody else shares one cart. */
function visitorOf(request: IncomingMessage): string {
  const visitor = readCookie(request, "visitor") ?? "guest";
  if (!/^[\w-]{1,64}$/.test(visitor)) {
    throw new HttpError(400, "INVALID_VISITOR", "The cookie visitor must be 1 to 64 letters, digits, _ or -.");
  }
  return visitor;
}

function callOptions({ headers }: IncomingMessage): StubOptions {
  const key = headers["idempotency-key"];
  return typeof key === "string" ? { idempotencyKey: key } : {};
}
