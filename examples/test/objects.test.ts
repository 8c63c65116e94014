/** The objects of the shop by themselves, on a store in memory: no HTTP, no file, no clock. */

import { createRuntime, type Runtime } from "durable-object";
import { memory } from "durable-object/memory";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Cart } from "../shop/cart.ts";
import { Counter } from "../shop/counter.ts";
import { bucketSize, RateLimiter, refillMs } from "../shop/rate-limiter.ts";
import { Stock } from "../shop/stock.ts";

const objects = [Cart, Counter, RateLimiter, Stock];
let store = memory();
let runtime: Runtime;

beforeEach(async () => {
  store = memory();
  runtime = await createRuntime({ objects, store });
});
afterEach(() => runtime.stop());

/** All activations are gone; what was stored is not. */
async function restart(): Promise<void> {
  await runtime.stop();
  runtime = await createRuntime({ objects, store });
}

describe("a counter", () => {
  test("counts, also over a restart", async () => {
    expect(await runtime.get(Counter, "a").increment()).toBe(1);
    await restart();
    expect(await runtime.get(Counter, "a").increment()).toBe(2);
    expect(await runtime.get(Counter, "b").look()).toBe(0);
  });

  test("applies a repeated write once, also over a restart", async () => {
    expect(await runtime.get(Counter, "a", { idempotencyKey: "first" }).increment()).toBe(1);
    await restart();
    expect(await runtime.get(Counter, "a", { idempotencyKey: "first" }).increment()).toBe(1);
    expect(await runtime.get(Counter, "a").look()).toBe(1);
  });
});

describe("a rate limiter", () => {
  const noon = Date.UTC(2030, 0, 1, 12);

  test("lets a bucket of requests through, and says when the next one may come", async () => {
    const limiter = runtime.get(RateLimiter, "ann");
    for (let left = bucketSize - 1; left >= 0; left--) expect(await limiter.take(noon)).toBe(left);
    const refused = await limiter.safe.take(noon + 400);
    expect(refused.ok || refused.error.reason).toEqual({ code: "too_many_requests", retryAfterMs: refillMs - 400 });
    expect(await limiter.take(noon + refillMs)).toBe(0);
  });

  test("survives a restart, and a clock that jumps back", async () => {
    for (let i = 0; i < bucketSize; i++) await runtime.get(RateLimiter, "ann").take(noon);
    await restart();
    expect((await runtime.get(RateLimiter, "ann").safe.take(noon - 3_600_000)).ok).toBe(false);
    expect((await runtime.get(RateLimiter, "bob").safe.take(noon)).ok).toBe(true);
    expect(await runtime.get(RateLimiter, "ann").look(noon + 3_600_000)).toBe(bucketSize);
  });
});

describe("a stock", () => {
  test("gives the last one to one of two who ask at once", async () => {
    const mugs = runtime.get(Stock, "mug");
    await mugs.take(11);
    const answers = await Promise.all([mugs.safe.take(1), mugs.safe.take(1)]);
    expect(answers.map((answer) => answer.ok)).toEqual([true, false]);
    expect(await mugs.look()).toEqual({ available: 0, sold: 12 });
    expect(await mugs.deliver(3)).toBe(3);
  });

  test.each([0, -1, 1.5, 1_001, Number.NaN])("refuses to give %d", async (quantity) => {
    const taken = await runtime.get(Stock, "mug").safe.take(quantity);
    expect(taken.ok || taken.error.code).toBe("INVALID_ARGUMENTS");
    expect(await runtime.peek(Stock, "mug")).toBeNull();
  });
});

describe("a cart", () => {
  test("takes, refuses with a reason, and gives back", async () => {
    const cart = runtime.get(Cart, "ann");
    expect(await cart.add("tea", 2)).toEqual({ tea: 2 });
    expect(await cart.add("mug", 1)).toEqual({ tea: 2, mug: 1 });
    const tooMany = await cart.safe.add("tea", 19);
    expect(tooMany.ok || tooMany.error.reason).toEqual({ code: "too_many", product: "tea", most: 20 });
    const unknown = await cart.safe.add("__proto__", 1);
    expect(unknown.ok || unknown.error.reason?.code).toBe("unknown_product");
    expect(await cart.remove("tea")).toEqual({ mug: 1 });
    const absent = await cart.safe.remove("tea");
    expect(absent.ok || absent.error.reason?.code).toBe("not_in_cart");
    expect(await cart.look()).toMatchObject({ lines: { mug: 1 }, totalCents: 1_250 });
  });

  test("becomes an order, a receipt and less stock", async () => {
    const cart = runtime.get(Cart, "ann");
    const none = await cart.safe.placeOrder();
    expect(none.ok || none.error.reason?.code).toBe("cart_empty");
    await cart.add("tea", 2);
    await cart.add("kettle", 1);
    const number = await cart.placeOrder();
    expect(await cart.placeOrder()).toBe(number);
    const receipt = { number: 1, lines: { tea: 2, kettle: 1 }, missing: {}, totalCents: 5_280 };
    expect(await cart.fulfil(number)).toEqual(receipt);
    expect(await cart.fulfil(number)).toEqual(receipt);
    expect((await cart.safe.fulfil(7)).ok).toBe(false);
    expect(await cart.look()).toMatchObject({ lines: {}, order: null, receipt });
    expect(await runtime.get(Stock, "tea").look()).toEqual({ available: 10, sold: 2 });
  });

  test("keeps what is sold out", async () => {
    await runtime.get(Stock, "mug").take(10);
    const cart = runtime.get(Cart, "ann");
    await cart.add("mug", 3);
    await cart.add("tea", 1);
    const number = await cart.placeOrder();
    await cart.add("mug", 1);
    expect(await cart.fulfil(number)).toMatchObject({ lines: { tea: 1 }, missing: { mug: 3 }, totalCents: 690 });
    expect(await cart.look()).toMatchObject({ lines: { mug: 4 } });
    expect(await runtime.get(Stock, "mug").look()).toEqual({ available: 2, sold: 10 });
  });

  test("goes on with an order that was interrupted, and takes nothing twice", async () => {
    const cart = runtime.get(Cart, "ann");
    await cart.add("tea", 2);
    await cart.add("mug", 1);
    await cart.placeOrder();
    // What a fulfilment does before it is interrupted: the tea has been given, and nobody knows but the tea.
    await runtime.get(Stock, "tea", { idempotencyKey: "cart ann, order 1" }).take(2);
    await restart();
    expect(await runtime.get(Cart, "ann").look()).toMatchObject({
      lines: {},
      order: null,
      receipt: { number: 1, lines: { tea: 2, mug: 1 } },
    });
    expect(await runtime.get(Stock, "tea").look()).toEqual({ available: 10, sold: 2 });
    expect(await runtime.get(Stock, "mug").look()).toEqual({ available: 11, sold: 1 });
  });
});
