/** Orders in virtual time: paid, sold out, expired, interrupted by a crash at each step. */

import { createTestRuntime, type TestRuntime } from "durable-object/testing";
import { expect, test } from "vitest";
import { Cart } from "../shopping-cart/cart.ts";
import { Stock } from "../shopping-cart/stock.ts";
import { ExampleProcess } from "./example-process.ts";

const open = (): Promise<TestRuntime> => createTestRuntime({ objects: [Cart, Stock] });
const mugs = (t: TestRuntime) => t.get(Stock, "mug").look();
const idle = { available: 12, sold: 0, held: {} };

test("an order becomes a receipt and less stock", async () => {
  await using t = await open();
  const ann = t.get(Cart, "ann");
  expect(await ann.put("mug", 2)).toEqual({ mug: 2 });
  expect(await ann.put("tea", 1)).toEqual({ mug: 2, tea: 1 });
  const order = await ann.reserve(await ann.checkOut());
  expect(order).toEqual({ number: 1, lines: { mug: 2, tea: 1 }, missing: {}, totalCents: 3_190, step: "reserved" });
  expect(await mugs(t)).toEqual({ available: 10, sold: 0, held: { "ann, 1": 2 } });
  await ann.pay(1, 3_190);
  await t.settle();
  expect(await mugs(t)).toEqual({ available: 10, sold: 2, held: {} });
  const receipt = { ...order, step: "paid" };
  expect(await ann.look()).toEqual({ lines: {}, orders: 1, order: null, receipt, totalCents: 0 });
  // Long after it would have expired.
  await t.advance("1h");
  expect((await mugs(t)).available).toBe(10);
});

test("refusals say why, and change nothing", async () => {
  await using t = await open();
  const ann = t.get(Cart, "ann");
  const reasonOf = async (call: Promise<{ ok: true } | { ok: false; error: { reason?: unknown } }>) => {
    const result = await call;
    return result.ok || result.error.reason;
  };
  expect(await reasonOf(ann.safe.put("__proto__", 1))).toEqual({ code: "unknown_product", product: "__proto__" });
  expect(await reasonOf(ann.safe.checkOut())).toEqual({ code: "cart_empty" });
  expect(await t.object(Cart, "ann").persisted()).toBeNull();
  await ann.put("mug", 1);
  await ann.checkOut();
  expect(await reasonOf(ann.safe.put("tea", 1))).toEqual({ code: "checked_out", number: 1 });
  expect(await reasonOf(ann.safe.pay(1, 1_250))).toEqual({ code: "unknown_order", number: 1 });
  await ann.reserve(1);
  expect(await reasonOf(ann.safe.pay(1, 1_249))).toEqual({ code: "wrong_amount", totalCents: 1_250 });
  expect(await reasonOf(ann.safe.reserve(7))).toEqual({ code: "unknown_order", number: 7 });
  const many = await ann.safe.put("mug", 21);
  expect(many.ok || many.error.code).toBe("INVALID_ARGUMENTS");
});

test("what is sold out stays in the cart", async () => {
  await using t = await open();
  const [ann, bob] = [t.get(Cart, "ann"), t.get(Cart, "bob")];
  await bob.put("mug", 11);
  await bob.reserve(await bob.checkOut());
  await ann.put("mug", 2);
  await ann.put("tea", 1);
  const order = await ann.reserve(await ann.checkOut());
  expect(order).toMatchObject({ lines: { tea: 1 }, missing: { mug: 2 }, totalCents: 690 });
  expect(await ann.reserve(1)).toEqual(order);
  await ann.pay(1, 690);
  await t.settle();
  expect(await ann.look()).toMatchObject({ lines: { mug: 2 }, totalCents: 2_500 });
});

test("an order that nobody pays gives its goods back, and the cart keeps its lines", async () => {
  await using t = await open();
  const ann = t.get(Cart, "ann");
  await ann.put("mug", 2);
  await ann.reserve(await ann.checkOut());
  await t.advance("9m");
  expect((await mugs(t)).available).toBe(10);
  await t.advance("1m");
  expect(await mugs(t)).toEqual(idle);
  expect(await ann.look()).toMatchObject({ lines: { mug: 2 }, order: null, receipt: null });
  const late = await ann.safe.pay(1, 2_500);
  expect(late.ok || late.error.reason?.code).toBe("unknown_order");
  expect(await ann.checkOut()).toBe(2);
});

test("a crash after the stock has committed, before the cart has: the goods come back when the order ends", async () => {
  await using t = await open();
  const ann = t.get(Cart, "ann");
  await ann.put("mug", 2);
  await ann.checkOut();
  t.faults.crashAfter("commit"); // that of the stock
  await expect(ann.reserve(1)).rejects.toMatchObject({ code: "REPLY_LOST" });
  await t.restart();
  expect((await mugs(t)).available).toBe(10);
  expect((await ann.look()).order?.step).toBe("begun");
  await t.advance("10m");
  expect(await mugs(t)).toEqual(idle);
});

test("a payment whose answer was lost is repeated, taken once, and the goods leave once", async () => {
  await using t = await open();
  const ann = t.get(Cart, "ann");
  await ann.put("mug", 2);
  await ann.reserve(await ann.checkOut());
  const payment = t.get(Cart, "ann", { idempotencyKey: "payment 1" });
  t.faults.crashAfter("commit");
  await expect(payment.pay(1, 2_500)).rejects.toMatchObject({ code: "REPLY_LOST", outcome: "unknown" });
  await t.restart();
  expect(await payment.pay(1, 2_500)).toMatchObject({ number: 1, totalCents: 2_500 });
  await t.settle();
  expect(await mugs(t)).toEqual({ available: 10, sold: 2, held: {} });
  expect(await ann.look()).toMatchObject({ lines: {}, order: null, receipt: { number: 1 } });
});

test("the story sells two mugs, and gets two back", async () => {
  const story = new ExampleProcess("shopping-cart");
  expect(await story.ended()).toBe(0);
  expect(story.printed).toContain("sold { available: 13, sold: 2, held: {} }");
  expect(story.printed.at(-1)).toBe("given back { available: 13, sold: 2, held: {} }");
});
