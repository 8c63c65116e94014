/** What the test kit infers: handler names, arguments, results, reasons, states, alarms. */

import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import { defineObject, fail, handler, noreply, reply, schedule } from "../../src/index.ts";
import {
  createTestRuntime,
  effects,
  nextState,
  perform,
  performAlarm,
  reason,
  result,
} from "../../src/testing/index.ts";

const Counter = defineObject({
  type: "counter",
  state: { count: 0 },
  handlers: {
    increment: ({ state }, by: number = 1) => reply(state.count + by, { count: state.count + by }),
    withdraw: ({ state }, by: number) =>
      by > state.count
        ? fail({ code: "too_much", max: state.count })
        : reply("paid", { count: state.count - by }, schedule("audit", "1h")),
    later: ({ state }) => Promise.resolve(reply(state.count)),
    named: handler({ args: z.tuple([z.string()]) }, (_context, name) => reply(name)),
  },
  alarms: { audit: ({ state }) => noreply(state) },
});

test("perform knows handlers, arguments and what they return", () => {
  const outcome = perform(Counter, "increment", [1], { state: { count: 1 } });
  expectTypeOf(result(outcome)).toEqualTypeOf<number>();
  expectTypeOf(nextState(outcome)).toEqualTypeOf<{ count: number } | undefined>();
  expectTypeOf(perform(Counter, "increment", [])).not.toBeAny();
  // @ts-expect-error there is no such handler
  perform(Counter, "decrement", []);
  // @ts-expect-error not a number
  perform(Counter, "increment", ["1"]);
  // @ts-expect-error not the state
  perform(Counter, "increment", [1], { state: { count: "1" } });
});

test("reasons, results and effects of a union", () => {
  const outcome = perform(Counter, "withdraw", [1]);
  expectTypeOf(result(outcome)).toEqualTypeOf<string>();
  expectTypeOf(reason(outcome).code).toEqualTypeOf<"too_much">();
  expectTypeOf(effects(outcome)[0]?.effect).toEqualTypeOf<
    "schedule" | "cancel" | "cancelAll" | "destroy" | "sql" | undefined
  >();
});

test("an asynchronous handler gives a promise; one with a schema may", async () => {
  expectTypeOf(result(await perform(Counter, "later", []))).toEqualTypeOf<number>();
  expectTypeOf(result(await perform(Counter, "named", ["a"]))).toEqualTypeOf<string>();
  // @ts-expect-error not a string
  perform(Counter, "named", [1]);
});

test("alarms are known by their names", () => {
  expectTypeOf(nextState(performAlarm(Counter, "audit"))).toEqualTypeOf<Readonly<{ count: number }> | undefined>();
  // @ts-expect-error there is no such alarm
  performAlarm(Counter, "reset");
});

test("stubs and objects of a test runtime are those of the definition", async () => {
  const t = await createTestRuntime({ objects: [Counter] });
  expectTypeOf(t.get(Counter, "a").increment).toEqualTypeOf<(by?: number) => Promise<number>>();
  const object = t.object(Counter, "a");
  expectTypeOf(await object.persisted()).toEqualTypeOf<{ count: number } | null>();
  await object.assertAlarmScheduled("audit", { within: "1h" });
  // @ts-expect-error there is no such alarm
  await object.fireAlarm("reset");
  // @ts-expect-error not a field of the state
  await object.assertPersisted({ total: 1 });
});
