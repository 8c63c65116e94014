/** A subscription that ends by itself, thirty days after it was last paid for. */

import { defineObject, noreply, read, reply, schedule } from "durable-object";

/** A subscription, one object for each customer. */
export const Subscription = defineObject({
  type: "subscription",
  state: { paidCents: 0, active: false },
  handlers: {
    pay: ({ state }, cents: number) => {
      const paidCents = state.paidCents + cents;
      return reply(paidCents, { paidCents, active: true }, schedule("expire", "30d"));
    },
    look: read(({ state }) => reply(state)),
  },
  alarms: { expire: ({ state }) => noreply({ ...state, active: false }) },
});
