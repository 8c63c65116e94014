/**
 * The stock of one product. Two customers who want the last mug meet here: calls on one object run one at a
 * time, so one of them gets it and the other one is told so. No transaction, no lock, no retry.
 */

import { defineObject, fail, handler, read, reply } from "durable-object";
import { z } from "zod";

/** The schema of the argument list: here one argument, a quantity. A call that does not fit is INVALID_ARGUMENTS. */
const oneQuantity = z.tuple([z.int().min(1).max(1_000)]);

export const Stock = defineObject({
  type: "stock",
  state: { available: 12, sold: 0 },
  handlers: {
    take: handler({ args: oneQuantity }, ({ state }, quantity) => {
      const { available, sold } = state;
      // A refusal changes nothing. Its reason reaches the caller, with its type.
      if (quantity > available) return fail({ code: "sold_out", available });
      return reply(quantity, { available: available - quantity, sold: sold + quantity });
    }),
    deliver: handler({ args: oneQuantity }, ({ state }, quantity) => {
      const available = state.available + quantity;
      return reply(available, { ...state, available });
    }),
    look: read(({ state }) => reply(state)),
  },
});
