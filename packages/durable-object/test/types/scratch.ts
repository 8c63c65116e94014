import { defineObject } from "../../src/object/define-object.ts";
import { reply, noreply, fail } from "../../src/object/outcome.ts";
import { schedule, cancel } from "../../src/object/effect.ts";
import { handler, read } from "../../src/object/handler.ts";
import type { Stub } from "../../src/object/stub.ts";
import type { AnyDefinition } from "../../src/object/define-object.ts";
import { z } from "zod";
declare function get<D extends AnyDefinition>(def: D, id: string): Stub<D>;
export const Counter = defineObject({
  type: "counter",
  state: { count: 0, audited: false },
  handlers: {
    increment: ({ state }, amount: number = 1) => {
      const count = state.count + amount;
      return reply(count, { ...state, count });
    },
    withdraw: ({ state }, amount: number) =>
      amount > state.count
        ? fail({ code: "too_much", max: state.count })
        : reply(amount, { ...state, count: state.count - amount }, schedule("audit", "1h"), cancel("audit")),
    get: read(({ state }) => reply(state.count)),
    slow: async ({ state }, ms: number) => {
      await new Promise((r) => setTimeout(r, ms));
      return reply(state.count, { ...state, count: 1 });
    },
    reset: ({ state }) => noreply({ ...state, count: 0 }),
    checked: handler({ args: z.tuple([z.coerce.number()]) }, ({ state }, n) => reply(n + 1, { ...state, count: n })),
    rc: read({ args: z.tuple([z.coerce.number()]) }, ({ state }, n) => reply(n + state.count)),
  },
  alarms: { audit: ({ state }) => noreply({ ...state, audited: true }) },
});
const c = get(Counter, "a");
export const a: Promise<number> = c.increment(5);
c.increment();
export const w: Promise<number> = c.withdraw(3);
export const r: Promise<undefined> = c.reset();
export const g: Promise<number> = c.get();
export const ch: Promise<number> = c.checked("5");
export const rc: Promise<number> = c.rc("5");
export async function f() {
  const s = await c.safe.withdraw(1);
  if (!s.ok) {
    const m: number | undefined = s.error.reason?.max;
    const k: "too_much" | undefined = s.error.reason?.code;
    return [m, k];
  }
  return s.value;
}
c.alarms.schedule("audit", "1h");
// @ts-expect-error
c.alarms.schedule("nope", "1h");
// @ts-expect-error
c.increment("x");
export const Z = defineObject({
  type: "z",
  state: z.object({ n: z.number().default(0), at: z.coerce.date().optional() }),
  handlers: {
    at: ({ state }) => reply(state.at?.getTime() ?? 0),
    put: ({ state }, d: Date) => noreply({ ...state, at: d }),
  },
});
export const d: Promise<number> = get(Z, "1").at();
export const Bad1 = defineObject({
  type: "bad",
  state: { count: 0 },
  handlers: {
    // @ts-expect-error bare value
    bare: ({ state }) => state.count,
  },
});
export const Bad2 = defineObject({
  type: "bad",
  state: { count: 0 },
  handlers: {
    // @ts-expect-error wrong state
    wrong: ({ state }) => reply(1, { ...state, count: "x" }),
  },
});
export const Bad3 = defineObject({
  type: "bad",
  state: { count: 0 },
  handlers: {
    // @ts-expect-error no such alarm
    wrong: ({ state }) => reply(1, { ...state }, schedule("nope", 1)),
  },
  alarms: { yes: () => noreply() },
});
export const Bad4 = defineObject({
  type: "bad",
  state: { count: 0 },
  handlers: {
    // @ts-expect-error a read that writes
    wrong: read(({ state }) => reply(1, { ...state })),
  },
});
export const Ok5 = defineObject({
  type: "bad",
  state: { count: 0 },
  handlers: {
    x: ({ state }, name: string) => reply(1, state, schedule(name, 1)),
    y: ({ state }) => reply(1, state, schedule("yes", 1)),
  },
  alarms: { yes: ({ state }) => noreply(state, schedule("yes", 1)) },
  afterLoad: ({ state }) => noreply({ ...state, count: 3 }, schedule("yes", 3)),
});
export const A = defineObject({
  type: "a",
  state: { n: 0 },
  handlers: {
    ping: async ({ state, get, id }) => {
      const v = await get(B, id).pong();
      return reply(v, state);
    },
  },
});
export const B = defineObject({
  type: "b",
  state: { n: 0 },
  handlers: {
    pong: async ({ state, get, id }) => {
      const v: number = await get(A, id).ping();
      return reply(1, { n: v + state.n });
    },
  },
});
