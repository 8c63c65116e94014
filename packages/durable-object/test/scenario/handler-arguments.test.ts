/** Arguments: positional, JSON, copied, limited, and checked by a schema where the definition has one. */

import { type } from "arktype";
import * as v from "valibot";
import { expect, test } from "vitest";
import { z } from "zod";
import { defineObject, handler, noreply, reply } from "../../src/index.ts";
import { settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

const initial: { last: unknown } = { last: null };
const given: { args: readonly unknown[] } = { args: [] };
class Money {
  readonly amount = 5;
}
const positive = z.number().positive();
const Taker = defineObject({
  type: "taker",
  state: initial,
  handlers: {
    take: (_context, ...args: readonly unknown[]) => {
      given.args = args;
      return noreply();
    },
    keep: (_context, value: unknown) => noreply({ last: value }),
    mangle: (_context, value: { list: number[] }) => {
      value.list.push(99);
      return reply(value);
    },
    byDefault: ({ state }, amount: number = 5) => reply([amount, state.last]),
    zod: handler({ args: z.tuple([z.string().trim(), positive.optional()]) }, (_context, text, amount) =>
      reply([text, amount ?? null]),
    ),
    valibot: handler({ args: v.tuple([v.pipe(v.string(), v.minLength(2))]) }, (_context, text) => reply(text)),
    arktype: handler({ args: type(["string", "number > 0"]) }, (_context, text, amount) => reply([text, amount])),
    dated: handler({ args: z.tuple([z.coerce.date()]) }, (_context, at) => reply([at instanceof Date, at.getTime()])),
    slowlyChecked: handler(
      {
        args: v.tupleAsync([
          v.pipeAsync(
            v.string(),
            v.checkAsync(async (text) => {
              await settled();
              if (text === "throw") throw new Error("the schema is broken");
              return text !== "bad";
            }),
          ),
        ]),
      },
      (_context, text) => noreply({ last: text }),
    ),
    get: ({ state }) => reply(state.last),
  },
});

async function startTaker(stores: TestStores) {
  const store = new FaultyStore((await stores.create()).open());
  const runtime = await start({ objects: [Taker], store });
  return { store, runtime, taker: runtime.get(Taker, "t") };
}

onEveryStore("arguments", (stores) => {
  test("they arrive as they were given, by position; undefined takes the default", async () => {
    const { taker } = await startTaker(stores);
    const args = [1, "two", null, true, [3, { four: 4 }], {}, -0.5];
    await taker.take(...args);
    expect(given.args).toEqual(args);
    await taker.take();
    expect(given.args).toEqual([]);
    await taker.take(undefined, 1);
    expect(given.args).toEqual([undefined, 1]);
    expect(await taker.byDefault()).toEqual([5, null]);
    expect(await taker.byDefault(undefined)).toEqual([5, null]);
    expect(await taker.byDefault(7)).toEqual([7, null]);
  });

  test("they are copies, made at the moment of the call: neither side can change what the other has", async () => {
    const { taker } = await startTaker(stores);
    const mine = { list: [1] };
    const call = taker.keep(mine);
    mine.list.push(2);
    await call;
    mine.list.push(3);
    expect(await taker.get()).toEqual({ list: [1] });
    const result = await taker.mangle(mine);
    expect(result.list).toEqual([1, 2, 3, 99]);
    expect(mine.list).toEqual([1, 2, 3]);
    expect(result).not.toBe(mine);
  });

  test.each<[string, () => unknown, string]>([
    ["NaN", () => Number.NaN, "args[0]"],
    ["Infinity", () => ({ a: [1, Number.NEGATIVE_INFINITY] }), "args[0].a[1]"],
    ["a bigint", () => 5n, "args[0]"],
    ["a function", () => ({ run: () => 1 }), "args[0].run"],
    ["a symbol", () => Symbol("s"), "args[0]"],
    ["a Date", () => ({ at: new Date() }), "args[0].at"],
    ["a Map", () => new Map(), "args[0]"],
    ["a Buffer", () => Buffer.from("x"), "args[0]"],
    ["a class instance", () => new Money(), "args[0]"],
    ["a promise", () => Promise.resolve(1), "args[0]"],
    ["a hole", () => [1, undefined], "args[0][1]"],
    ["U+0000", () => "a\u0000", "args[0]"],
    ["half a surrogate pair", () => ["\udc00"], "args[0][0]"],
    ["a key __proto__", () => JSON.parse('{"a":{"__proto__":{"polluted":1}}}'), "args[0].a"],
    [
      "a cycle",
      () => {
        const self: unknown[] = [];
        self.push(self);
        return self;
      },
      "args[0]",
    ],
  ])("%s is INVALID_ARGUMENTS that names the place, and the handler does not run", async (_what, make, path) => {
    const { taker, store, runtime } = await startTaker(stores);
    given.args = ["untouched"];
    const error = await errorOf(taker.take(make()));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENTS", outcome: "not-applied", retryable: false });
    expect(error.message).toContain(path);
    expect(error.message).toContain("taker/t");
    expect(given.args).toEqual(["untouched"]);
    expect(store.sent).toEqual([]);
    // Refused before anything is loaded.
    expect(runtime.activeCount).toBe(0);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  test("a schema of zod, valibot or arktype checks them, and what it makes of them is what arrives", async () => {
    const { taker } = await startTaker(stores);
    expect(await taker.zod("  text  ", 3)).toEqual(["text", 3]);
    expect(await taker.zod("text")).toEqual(["text", null]);
    expect(await taker.valibot("ab")).toBe("ab");
    expect(await taker.arktype("ab", 1)).toEqual(["ab", 1]);
    const bad = [
      () => taker.zod("text", -3),
      () => taker.zod(5 as unknown as string),
      () => (taker.zod as (...args: unknown[]) => Promise<unknown>)(),
      () => (taker.zod as (...args: unknown[]) => Promise<unknown>)("a", 1, "too many"),
      () => taker.valibot("a"),
      () => taker.arktype("ab", 0),
    ];
    for (const call of bad) {
      const error = await errorOf(call());
      expect(error).toMatchObject({ code: "INVALID_ARGUMENTS", outcome: "not-applied" });
    }
    const error = await errorOf(taker.zod("text", -3));
    expect(error.message).toContain("args[1]");
  });

  test("with a schema that decodes it, a Date may be sent", async () => {
    const { taker } = await startTaker(stores);
    expect(await taker.dated(new Date(1_234))).toEqual([true, 1_234]);
    expect(await codeOf(taker.dated(new Date(Number.NaN)))).toBe("INVALID_ARGUMENTS");
    expect(await codeOf(taker.dated("no date"))).toBe("INVALID_ARGUMENTS");
  });

  test("a schema may be asynchronous; calls keep their order, and one that is broken is INVALID_ARGUMENTS", async () => {
    const { taker } = await startTaker(stores);
    const codes = Promise.all(
      [
        taker.slowlyChecked("a"),
        taker.slowlyChecked("bad"),
        taker.slowlyChecked("throw"),
        taker.slowlyChecked("b"),
      ].map(codeOf),
    );
    const seen = taker.get();
    expect(await codes).toEqual(["ok", "INVALID_ARGUMENTS", "INVALID_ARGUMENTS", "ok"]);
    expect(await seen).toBe("b");
  });

  test("the same rules hold for call(), .safe, and calls between objects", async () => {
    const Caller = defineObject({
      type: "caller",
      state: {},
      handlers: {
        go: async ({ get }) => reply(await codeOf(get(Taker, "t").zod("text", -1))),
        send: async ({ get }) => reply(await codeOf(get(Taker, "t").take(new Map()))),
      },
    });
    const runtime = await start({ objects: [Taker, Caller], store: (await stores.create()).open() });
    expect(await codeOf(runtime.call("taker", "t", "zod", ["text", -1]))).toBe("INVALID_ARGUMENTS");
    const safe = await runtime.get(Taker, "t").safe.valibot("a");
    expect(safe.ok ? null : safe.error.code).toBe("INVALID_ARGUMENTS");
    expect(await runtime.get(Caller, "c").go()).toBe("INVALID_ARGUMENTS");
    expect(await runtime.get(Caller, "c").send()).toBe("INVALID_ARGUMENTS");
  });
});
