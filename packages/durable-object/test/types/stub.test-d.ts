/** What a stub infers from its definition: arguments, results, reasons. */

import { type } from "arktype";
import * as v from "valibot";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  defineObject,
  fail,
  handler,
  noreply,
  read,
  reply,
  type AlarmListing,
  type DurableObjectError,
  type Runtime,
  type SafeResult,
} from "../../src/index.ts";
import { mutate } from "../../src/mutate/index.ts";

type IsAny<T> = 0 extends 1 & T ? true : false;

declare const runtime: Runtime;

const Account = defineObject({
  type: "account",
  state: { balance: 0 },
  handlers: {
    deposit: ({ state }, amount: number = 1) => reply(state.balance + amount, { balance: state.balance + amount }),
    withdraw: ({ state }, amount: number) =>
      amount > state.balance
        ? fail({ code: "too_much", max: state.balance })
        : amount < 0
          ? fail("negative")
          : reply("done" as const, { balance: state.balance - amount }),
    reset: () => noreply({ balance: 0 }),
    slow: async ({ state }, ms: number) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return reply(state.balance);
    },
    look: read(({ state }) => reply(state.balance)),
    byZod: handler({ args: z.tuple([z.coerce.number<string>(), z.string().default("x")]) }, (_, n, s) =>
      reply([n, s] as const),
    ),
    byValibot: handler({ args: v.tuple([v.pipe(v.string(), v.transform(Number))]) }, (_, n) => reply(n)),
    byArktype: handler({ args: type(["string", "number"]) }, (_, text, n) => reply(`${text}${n}`)),
    add: mutate((draft, amount: number) => (draft.balance += amount)),
  },
  alarms: { audit: ({ state }) => noreply(state) },
});
const account = runtime.get(Account, "a");

test("methods take the handler's arguments and resolve to its result", () => {
  expectTypeOf(account.deposit).toEqualTypeOf<(amount?: number) => Promise<number>>();
  expectTypeOf(account.withdraw).toEqualTypeOf<(amount: number) => Promise<"done">>();
  expectTypeOf(account.reset).toEqualTypeOf<() => Promise<undefined>>();
  expectTypeOf(account.slow).toEqualTypeOf<(ms: number) => Promise<number>>();
  expectTypeOf(account.look).toEqualTypeOf<() => Promise<number>>();
  expectTypeOf(account.add).toEqualTypeOf<(amount: number) => Promise<number>>();
  // @ts-expect-error the amount is a number
  void account.withdraw("1");
  // @ts-expect-error there is no such handler
  void account.steal();
});

test("with a schema, callers pass its input", () => {
  expectTypeOf(account.byZod).parameters.toEqualTypeOf<[string, (string | undefined)?]>();
  expectTypeOf(account.byZod).returns.resolves.toEqualTypeOf<readonly [number, string]>();
  expectTypeOf(account.byValibot).parameters.toEqualTypeOf<[string]>();
  expectTypeOf(account.byValibot).returns.resolves.toEqualTypeOf<number>();
  expectTypeOf(account.byArktype).parameters.toEqualTypeOf<[string, number]>();
});

test("safe resolves to a value, or to an error with the typed reasons", () => {
  expectTypeOf(account.safe.withdraw).returns.resolves.toEqualTypeOf<
    SafeResult<"done", { readonly code: "too_much"; readonly max: number } | "negative">
  >();
  expectTypeOf(account.safe.look).returns.resolves.toEqualTypeOf<SafeResult<number, never>>();
  const use = async (): Promise<void> => {
    const result = await account.safe.withdraw(9);
    if (result.ok) expectTypeOf(result.value).toEqualTypeOf<"done">();
    else
      expectTypeOf(result.error).toEqualTypeOf<
        DurableObjectError<{ readonly code: "too_much"; readonly max: number } | "negative">
      >();
  };
  expectTypeOf(use).toBeFunction();
});

test("alarms are named by the definition", () => {
  expectTypeOf(account.alarms.schedule).parameter(0).toEqualTypeOf<"audit">();
  expectTypeOf(account.alarms.list).returns.resolves.toEqualTypeOf<AlarmListing<"audit">[]>();
  // @ts-expect-error there is no such alarm
  void account.alarms.schedule("nope", "1h");
});

test("the generic call is typed by a definition, and unknown by a name", () => {
  expectTypeOf(runtime.call(Account, "a", "deposit", [1])).resolves.toEqualTypeOf<number>();
  expectTypeOf(runtime.call("account", "a", "deposit", [1])).resolves.toEqualTypeOf<unknown>();
  // @ts-expect-error the amount is a number
  void runtime.call(Account, "a", "withdraw", ["1"]);
  // @ts-expect-error there is no such handler
  void runtime.call(Account, "a", "steal", []);
  expectTypeOf(runtime.peek(Account, "a")).resolves.toEqualTypeOf<{ balance: number } | null>();
  expectTypeOf(runtime.peek("account", "a")).resolves.toEqualTypeOf<unknown>();
});

// Two definitions that call each other: one annotated result is enough to break the circle.
const Ping = defineObject({
  type: "ping",
  state: { count: 0 },
  handlers: {
    ping: async ({ state, get, id }) => {
      const pongs = await get(Pong, id).pong();
      return reply(pongs, { count: state.count + pongs });
    },
  },
});
const Pong = defineObject({
  type: "pong",
  state: { count: 0 },
  handlers: {
    pong: async ({ state }) => reply(state.count + 1, { count: state.count + 1 }),
    back: async ({ state, get, id }) => {
      const pings: number = await get(Ping, id).ping();
      return reply(pings, state);
    },
  },
});

test("definitions that call each other stay typed", () => {
  expectTypeOf(runtime.get(Ping, "a").ping).toEqualTypeOf<() => Promise<number>>();
  expectTypeOf(runtime.get(Pong, "a").back).toEqualTypeOf<() => Promise<number>>();
});

test("nothing becomes any", () => {
  expectTypeOf<IsAny<typeof account>>().toEqualTypeOf<false>();
  expectTypeOf<IsAny<ReturnType<typeof account.withdraw>>>().toEqualTypeOf<false>();
  expectTypeOf<IsAny<Awaited<ReturnType<typeof account.byArktype>>>>().toEqualTypeOf<false>();
  expectTypeOf<IsAny<typeof Account.handlers>>().toEqualTypeOf<false>();
  expectTypeOf<
    IsAny<Awaited<ReturnType<ReturnType<typeof runtime.get<typeof Ping>>["ping"]>>>
  >().toEqualTypeOf<false>();
});
