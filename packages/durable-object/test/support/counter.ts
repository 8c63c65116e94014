/** The object that most tests need: it counts, and it can do everything that can be done wrong. */

import { cancel, cancelAll, defineObject, destroy, fail, noreply, read, reply, schedule } from "../../src/index.ts";
import type { Gate } from "./gate.ts";

/** A counter; `wait` is where its slow handlers wait, by the name they are given. */
export function defineCounter(wait: Readonly<Record<string, Gate>> = {}) {
  return defineObject({
    type: "counter",
    state: { count: 0 },
    handlers: {
      increment: ({ state }, amount: number = 1) => {
        const count = state.count + amount;
        return reply(count, { ...state, count });
      },
      incrementSlowly: async ({ state }, gateName: string) => {
        await wait[gateName]?.passed;
        const count = state.count + 1;
        return reply(count, { ...state, count });
      },
      get: ({ state }) => reply(state.count),
      getSlowly: async ({ state }, gateName: string) => {
        await wait[gateName]?.passed;
        return reply(state.count);
      },
      look: read(({ state }) => reply(state.count)),
      reset: ({ state }) => noreply({ ...state, count: 0 }),
      refuse: ({ state }) => fail({ seen: state.count }),
      crash: ({ state }) => {
        throw new Error(`crashed at ${state.count}`);
      },
      remind: ({ state }, inMs: number) => reply(state.count, state, schedule("ring", inMs)),
      countAndRemind: ({ state }, inMs: number) =>
        reply(state.count + 1, { ...state, count: state.count + 1 }, schedule("ring", inMs)),
      forget: ({ state }) => noreply(state, cancel("ring")),
      forgetAll: ({ state }) => noreply(state, cancelAll()),
      vanish: ({ state }) => reply(state.count, state, destroy()),
    },
    alarms: { ring: ({ state }) => noreply(state), chime: ({ state }) => noreply(state) },
  });
}

/** A counter whose slow handlers do not wait. */
export const Counter = defineCounter();
