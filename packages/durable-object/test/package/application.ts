/**
 * A small application, as a user would write it. It is text, not a module of ours: the test compiles and runs
 * it where the package is installed.
 */
export const application = `
import { createRuntime, defineObject, fail, noreply, reply, schedule } from "durable-object";
import { sqlite } from "durable-object/sqlite";

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
        : reply(amount, { ...state, count: state.count - amount }, schedule("audit", "1h")),
    get: ({ state }) => reply(state.count),
  },
  alarms: {
    audit: ({ state }) => noreply({ ...state, audited: true }),
  },
  afterLoad: ({ state }) => noreply(state),
  hibernateAfter: "5m",
  shutdownAfter: "1h",
});

const file = process.argv[2];
if (file === undefined) throw new Error("usage: app.js <database>");

const runtime = await createRuntime({ objects: [Counter], store: sqlite(file) });
const counter = runtime.get(Counter, "user-123");
const count: number = await counter.increment(5);
const withdrawn: number = await counter.withdraw(2);
const refused = await counter.safe.withdraw(100);
const max: number | undefined = refused.ok ? undefined : refused.error.reason?.max;
const alarms = (await counter.alarms.list()).map((alarm) => alarm.name);
await runtime.stop();

console.log(JSON.stringify({ count, withdrawn, max, alarms }));
`;
