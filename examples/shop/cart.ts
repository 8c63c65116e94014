/**
 * A cart, one per visitor. Its checkout calls other objects: the stock of each product.
 *
 * Several objects are not one transaction, so the checkout is two turns, and each can be repeated:
 *   1. `placeOrder` moves the lines into an order with a number. From here on it is on the disk.
 *   2. `fulfil` takes each line from its stock, with the order as idempotency key, and writes the receipt.
 * A crash in between loses nothing: `afterLoad` finds the order when the cart comes back to life, and asks each
 * stock again under the same key. A stock that had given already gives its recorded answer, not more goods.
 */

import { defineObject, fail, handler, noreply, read, reply, type Context } from "durable-object";
import { z } from "zod";
import { findProduct, totalCents, type Lines } from "./catalogue.ts";
import { Stock } from "./stock.ts";

interface Order {
  readonly number: number;
  readonly lines: Lines;
}

interface Receipt extends Order {
  /** What was sold out. It is back in the cart. */
  readonly missing: Lines;
  readonly totalCents: number;
}

interface CartState {
  readonly lines: Lines;
  /** An order that waits for its goods. */
  readonly order: Order | null;
  readonly receipt: Receipt | null;
}

const mostOfOne = 20;
const empty: CartState = { lines: {}, order: null, receipt: null };

export const Cart = defineObject({
  type: "cart",
  state: empty,
  handlers: {
    add: handler({ args: z.tuple([z.string(), z.int().min(1)]) }, ({ state }, product, quantity) => {
      if (findProduct(product) === null) return fail({ code: "unknown_product", product });
      const together = (state.lines[product] ?? 0) + quantity;
      if (together > mostOfOne) return fail({ code: "too_many", product, most: mostOfOne });
      const lines = { ...state.lines, [product]: together };
      return reply(lines, { ...state, lines });
    }),

    remove: handler({ args: z.tuple([z.string()]) }, ({ state }, product) => {
      if (!Object.hasOwn(state.lines, product)) return fail({ code: "not_in_cart", product });
      const { [product]: _, ...lines } = state.lines;
      return reply(lines, { ...state, lines });
    }),

    placeOrder: ({ state }) => {
      if (state.order !== null) return reply(state.order.number);
      if (Object.keys(state.lines).length === 0) return fail({ code: "cart_empty" });
      const order = { number: (state.receipt?.number ?? 0) + 1, lines: state.lines };
      return reply(order.number, { ...state, lines: {}, order });
    },

    fulfil: async (context, number: number) => {
      const { order, receipt } = context.state;
      if (order?.number === number) {
        const next = await fulfilled(context, order);
        return reply(next.receipt, next);
      }
      return receipt?.number === number ? reply(receipt) : fail({ code: "unknown_order", number });
    },

    look: read(({ state }) => reply({ ...state, totalCents: totalCents(state.lines) })),
  },

  // Runs once each time a cart comes into memory, before its first call.
  afterLoad: async (context) => {
    const { order } = context.state;
    return order === null ? noreply() : noreply(await fulfilled(context, order));
  },
});

/** The state after an order got what there is. It changes nothing: what the handler returns does. */
async function fulfilled(context: Context<CartState>, order: Order) {
  const asked = Object.entries(order.lines).map(async ([product, quantity]) => {
    const stock = context.get(Stock, product, { idempotencyKey: `cart ${context.id}, order ${order.number}` });
    // `safe` resolves instead of rejecting, and knows the reasons that `take` can fail with.
    const taken = await stock.safe.take(quantity);
    if (!taken.ok && taken.error.reason?.code !== "sold_out") throw taken.error;
    return { product, quantity, got: taken.ok };
  });
  const bought: Record<string, number> = {};
  const missing: Record<string, number> = {};
  const lines: Record<string, number> = { ...context.state.lines };
  for (const { product, quantity, got } of await Promise.all(asked)) {
    (got ? bought : missing)[product] = quantity;
    if (!got) lines[product] = (lines[product] ?? 0) + quantity;
  }
  const receipt: Receipt = { number: order.number, lines: bought, missing, totalCents: totalCents(bought) };
  return { lines, order: null, receipt } satisfies CartState;
}
