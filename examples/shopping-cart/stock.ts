/**
 * The stock of one product. Two who want the last mug meet here: calls on one object run one at a time, without a lock.
 */

import { defineObject, fail, handler, noreply, read, reply } from "durable-object";
import { z } from "zod";

/** What there is to sell, in cents: money is an integer. */
export const catalogue = new Map([
  ["tea", { name: "Green tea, 100 g", cents: 690 }],
  ["mug", { name: "Enamel mug", cents: 1250 }],
  ["kettle", { name: "Small kettle", cents: 3900 }],
]);

const nobody: Readonly<Record<string, number>> = {};
const count = z.int().min(1).max(1_000);

export const Stock = defineObject({
  type: "stock",
  state: { available: 12, sold: 0, held: nobody },
  handlers: {
    hold: handler({ args: z.tuple([z.string(), count]) }, ({ state }, order, wanted) => {
      const { available, held } = state;
      if (Object.hasOwn(held, order)) return noreply();
      // A refusal changes nothing. Its reason reaches the caller, with its type.
      if (wanted > available) return fail({ code: "sold_out", available });
      return noreply({ ...state, available: available - wanted, held: { ...held, [order]: wanted } });
    }),
    release: ({ state }, order: string) => {
      const { [order]: back = 0, ...held } = state.held;
      return noreply({ ...state, available: state.available + back, held });
    },
    sell: ({ state }, order: string) => {
      const { [order]: gone = 0, ...held } = state.held;
      return noreply({ ...state, sold: state.sold + gone, held });
    },
    deliver: handler({ args: z.tuple([count]) }, ({ state }, arrived) =>
      reply(state.available + arrived, { ...state, available: state.available + arrived }),
    ),
    look: read(({ state }) => reply(state)),
  },
});
