/** The object that the tests of the test kit test: an account with alarms of every temper. */

import { z } from "zod";
import { cancel, defineObject, fail, handler, noreply, read, reply, schedule } from "../../src/index.ts";

export const Rate = defineObject({
  type: "rate",
  state: { rate: 3 },
  handlers: { rate: read(({ state }) => reply(state.rate)) },
});

export const Account = defineObject({
  type: "account",
  state: { balance: 0, name: "nobody", log: [] as readonly string[] },
  handlers: {
    deposit: ({ state }, amount: number = 1) =>
      reply(state.balance + amount, { ...state, balance: state.balance + amount }),
    withdraw: ({ state }, amount: number) =>
      amount > state.balance
        ? fail({ code: "too_much", max: state.balance })
        : reply(amount, { ...state, balance: state.balance - amount }, schedule("audit", "1h", { payload: amount })),
    rename: handler({ args: z.tuple([z.string().trim().min(1)]) }, ({ state }, name) => noreply({ ...state, name })),
    balance: read(({ state }) => reply(state.balance)),
    /** Sets alarms: after how many seconds each. */
    plan: ({ state }, alarms: readonly (readonly [name: string, seconds: number])[]) =>
      noreply(state, ...alarms.map(([name, seconds]) => schedule(name as "audit", seconds * 1_000))),
    unplan: ({ state }) => noreply(state, cancel("audit")),
    copy: async ({ state, get }, other: string) => {
      const rate = await get(Rate, other).rate();
      return reply(rate, { ...state, balance: rate });
    },
    spoil: ({ state }) => {
      (state as { balance: number }).balance = 7;
      return noreply();
    },
  },
  alarms: {
    audit: ({ state, payload }) =>
      noreply({ ...state, log: [...state.log, `audit ${JSON.stringify(payload ?? null)}`] }),
    first: ({ state }) => noreply({ ...state, balance: state.balance + 10 }, schedule("second", "5s")),
    second: ({ state }) => noreply({ ...state, balance: state.balance + 100 }),
    again: ({ state }) => noreply({ ...state, balance: state.balance + 1 }, schedule("again", "1s")),
    broken: () => fail({ why: "it is broken" }),
    note: ({ state, now, attempt, firingId }) =>
      noreply({ ...state, log: [...state.log, `${new Date(now).toISOString()} ${attempt} ${firingId}`] }),
  },
});
