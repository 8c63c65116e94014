/**
 * A cart, one for each visitor. Several objects are not one transaction: an order is turns that can each be repeated.
 *
 *   checkOut  begins an order, and sets the alarm that ends it: from here on both are on the disk
 *   reserve   holds the goods in the stock of each product; what is sold out stays in the cart
 *   pay       takes exactly the right amount, and brings the end forward
 *   end       (alarm) has the stocks let the goods go if they are paid for, else gives them back
 */

import { defineObject, fail, handler, noreply, read, reply, schedule } from "durable-object";
import { z } from "zod";
import { catalogue, Stock } from "./stock.ts";

type Lines = Readonly<Record<string, number>>;
type Step = "begun" | "reserved" | "paid";
type Order = Readonly<{ number: number; lines: Lines; missing: Lines; totalCents: number; step: Step }>;
interface CartState {
  readonly lines: Lines;
  readonly orders: number;
  readonly order: Order | null;
  readonly receipt: Order | null;
}
const empty: CartState = { lines: {}, orders: 0, order: null, receipt: null };

const cost = (lines: Lines): number =>
  Object.entries(lines).reduce((sum, [product, count]) => sum + (catalogue.get(product)?.cents ?? 0) * count, 0);

export const Cart = defineObject({
  type: "cart",
  state: empty,
  handlers: {
    put: handler({ args: z.tuple([z.string(), z.int().min(0).max(20)]) }, ({ state }, product, count) => {
      if (!catalogue.has(product)) return fail({ code: "unknown_product", product });
      if (state.order !== null) return fail({ code: "checked_out", number: state.order.number });
      const { [product]: _, ...others } = state.lines;
      const lines = count === 0 ? others : { ...others, [product]: count };
      return reply(lines, { ...state, lines });
    }),
    checkOut: ({ state }) => {
      const { lines, orders, order } = state;
      if (order !== null) return reply(order.number);
      if (Object.keys(lines).length === 0) return fail({ code: "cart_empty" });
      const begun = { number: orders + 1, lines, missing: {}, totalCents: cost(lines), step: "begun" } as const;
      return reply(begun.number, { ...state, orders: begun.number, order: begun }, schedule("end", "10m"));
    },
    reserve: async ({ state, id, get }, number: number) => {
      const { order } = state;
      if (order?.number !== number) return fail({ code: "unknown_order", number });
      if (order.step !== "begun") return reply(order);
      const [lines, missing]: [Record<string, number>, Record<string, number>] = [{}, {}];
      for (const [product, count] of Object.entries(order.lines)) {
        const held = await get(Stock, product).safe.hold(`${id}, ${number}`, count);
        if (!held.ok && held.error.reason?.code !== "sold_out") throw held.error;
        (held.ok ? lines : missing)[product] = count;
      }
      const reserved: Order = { number, lines, missing, totalCents: cost(lines), step: "reserved" };
      return reply(reserved, { ...state, order: reserved });
    },
    pay: ({ state }, number: number, cents: number) => {
      const { order } = state;
      if (order?.number !== number || order.step !== "reserved") return fail({ code: "unknown_order", number });
      if (cents !== order.totalCents) return fail({ code: "wrong_amount", totalCents: order.totalCents });
      const paid: Order = { ...order, step: "paid" };
      return reply(paid, { ...state, order: paid }, schedule("end", 0)); // set again, an alarm is replaced
    },
    look: read(({ state }) => reply({ ...state, totalCents: cost(state.lines) })),
  },
  alarms: {
    end: async ({ state, id, get }) => {
      const { order } = state;
      if (order === null) return noreply();
      const isPaid = order.step === "paid";
      for (const product of Object.keys(order.lines)) {
        await get(Stock, product)[isPaid ? "sell" : "release"](`${id}, ${order.number}`);
      }
      return noreply({ ...state, order: null, ...(isPaid ? { lines: order.missing, receipt: order } : {}) });
    },
  },
});
