/** Outcomes: the only things a handler may return. Everything else is INVALID_OUTCOME, and the object goes on. */

import { expect, test } from "vitest";
import { cancelAll, defineObject, destroy, fail, noreply, reply, schedule, type Outcome } from "../../src/index.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

interface State {
  readonly count: number;
}
type Any = Outcome<State>;
type Make = (state: State) => unknown;

const revoked = Proxy.revocable({}, {});
revoked.revoke();
const throwing = {
  // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
  get then(): unknown {
    throw new Error("a trap");
  },
};

/** What is an outcome, what the caller gets for it, and the count afterwards. */
const valid: Record<string, readonly [make: Make, result: unknown, count: number]> = {
  "reply(result)": [() => reply("x"), "x", 5],
  "reply(undefined)": [() => reply(undefined), undefined, 5],
  "reply(null)": [() => reply(null), null, 5],
  "reply(0)": [() => reply(0), 0, 5],
  "reply(result, state)": [(state) => reply("same", state), "same", 5],
  "reply(result, next)": [() => reply("next", { count: 6 }), "next", 6],
  "reply(result, next, effects)": [() => reply([], { count: 7 }, schedule("ring", 1), cancelAll()), [], 7],
  "reply with an undefined field": [() => reply({ a: 1, b: undefined }, { count: 8 }), { a: 1 }, 8],
  "noreply()": [() => noreply(), undefined, 5],
  "noreply(state)": [(state) => noreply(state), undefined, 5],
  "noreply(next)": [() => noreply({ count: 9 }), undefined, 9],
  "noreply(state, effect)": [(state) => noreply(state, schedule("ring", "1h")), undefined, 5],
  "a promise of one": [async () => reply("later", { count: 10 }), "later", 10],
  "a promise of a promise of one": [async () => await Promise.resolve(reply("later")), "later", 5],
  "a thenable": [
    // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
    () => ({ then: (resolve: (value: unknown) => void) => resolve(reply("thenable", { count: 11 })) }),
    "thenable",
    11,
  ],
  "destroy()": [(state) => reply("gone", state, destroy()), "gone", 0],
};

/** What is none, and the code the caller gets for it. */
const invalid: Record<string, readonly [make: Make, code: string]> = {
  undefined: [() => undefined, "INVALID_OUTCOME"],
  null: [() => null, "INVALID_OUTCOME"],
  "a number": [() => 5, "INVALID_OUTCOME"],
  "a text": [() => "ok", "INVALID_OUTCOME"],
  "a boolean": [() => true, "INVALID_OUTCOME"],
  "a bigint": [() => 5n, "INVALID_OUTCOME"],
  "a symbol": [() => Symbol("s"), "INVALID_OUTCOME"],
  "a function": [() => reply, "INVALID_OUTCOME"],
  "the state": [(state) => state, "INVALID_OUTCOME"],
  "an array": [(state) => ["reply", 1, state], "INVALID_OUTCOME"],
  "an error": [() => new Error("not thrown"), "INVALID_OUTCOME"],
  "a promise of nothing": [async () => undefined, "INVALID_OUTCOME"],
  "what looks like an outcome": [() => ({ kind: "reply", value: 1 }), "INVALID_OUTCOME"],
  "a revoked proxy": [() => revoked.proxy, "INVALID_OUTCOME|HANDLER_CRASHED"],
  "a promise of a revoked proxy": [async () => [revoked.proxy], "INVALID_OUTCOME|HANDLER_CRASHED"],
  "a thenable that is a trap": [() => throwing, "INVALID_OUTCOME|HANDLER_CRASHED"],
  "undefined as the next state": [() => reply(1, undefined), "INVALID_OUTCOME"],
  "undefined as the next state of noreply": [() => noreply(undefined), "INVALID_OUTCOME"],
  "an effect that is false": [(state) => reply(1, state, false as never), "INVALID_OUTCOME"],
  "an effect that is null": [(state) => reply(1, state, null as never), "INVALID_OUTCOME"],
  "an effect that is a function": [(state) => reply(1, state, destroy as never), "INVALID_OUTCOME"],
  "an outcome as an effect": [(state) => reply(1, state, noreply() as never), "INVALID_OUTCOME"],
  "a list of effects": [(state) => reply(1, state, [cancelAll()] as never), "INVALID_OUTCOME"],
  "an alarm at no time": [(state) => reply(1, state, schedule("ring", Number.NaN)), "INVALID_OUTCOME"],
  "an alarm that does not exist": [(state) => reply(1, state, schedule("rang", 1)), "UNKNOWN_ALARM"],
  "a result that is no JSON": [() => reply(new Map(), { count: 6 }), "INVALID_RESULT"],
  "a result that is a Date": [() => reply({ at: new Date() }), "INVALID_RESULT"],
  "a result that is NaN": [() => reply(Number.NaN), "INVALID_RESULT"],
  "a result with a bad key": [() => reply(JSON.parse('{"__proto__":1}')), "INVALID_RESULT"],
  "a reason that is no JSON": [() => fail(new Error("why")), "INVALID_RESULT"],
  "a state that is a text": [() => reply(1, "text"), "INVALID_STATE"],
  "a state that is NaN": [() => reply(1, { count: Number.NaN }), "INVALID_STATE"],
  "a throw of an Error": [
    () => {
      throw new Error("boom");
    },
    "HANDLER_CRASHED",
  ],
  "a throw of a text": [
    () => {
      throw "boom";
    },
    "HANDLER_CRASHED",
  ],
  "a throw of undefined": [
    () => {
      throw undefined;
    },
    "HANDLER_CRASHED",
  ],
  "a throw of an outcome": [
    () => {
      throw reply(1);
    },
    "HANDLER_CRASHED",
  ],
  "a throw of what cannot be printed": [
    () => {
      throw Object.create(null);
    },
    "HANDLER_CRASHED",
  ],
  "a throw of a revoked proxy": [
    () => {
      throw revoked.proxy;
    },
    "HANDLER_CRASHED",
  ],
  "a rejection": [
    async () => {
      throw new Error("boom");
    },
    "HANDLER_CRASHED",
  ],
  "a promise that rejects with nothing": [() => Promise.reject(), "HANDLER_CRASHED"],
};

const Free = defineObject({
  type: "free",
  state: { count: 5 },
  handlers: {
    valid: ({ state }, what: string) => valid[what]![0](state) as Any,
    invalid: ({ state }, what: string) => invalid[what]![0](state) as Any,
    get: ({ state }) => reply(state.count),
  },
  alarms: { ring: () => noreply() },
});

async function startFree(stores: TestStores) {
  const store = new FaultyStore((await stores.create()).open());
  const runtime = await start({ objects: [Free], store, callTimeout: 500 });
  return { store, runtime, free: runtime.get(Free, "f") };
}

onEveryStore("outcomes", (stores) => {
  test.each(Object.keys(valid))("%s", async (what) => {
    const { free, store, runtime } = await startFree(stores);
    const [, result, count] = valid[what]!;
    expect(await free.valid(what)).toEqual(result);
    if (what !== "destroy()") {
      expect(await free.get()).toBe(count);
      expect(store.sent.length).toBe(count === 5 && !what.includes("effect") ? 0 : 1);
    } else {
      expect(await runtime.peek(Free, "f")).toBeNull();
    }
  });

  test("none of these is one; the caller is told, nothing is kept, and the object goes on", async () => {
    const { free, store } = await startFree(stores);
    for (const [what, [, code]] of Object.entries(invalid)) {
      // Twice: as a function that has not proved to be synchronous, and as one that has.
      for (let round = 0; round < 2; round++) {
        const error = await errorOf(free.invalid(what));
        expect(error.code, what).toMatch(new RegExp(`^(${code})$`));
        expect(error, what).toMatchObject({ outcome: "not-applied", retryable: false });
        expect(error.address, what).toEqual({ tenant: "", type: "free", id: "f" });
        expect(error.message, what).toContain("free/f");
        expect(await free.get(), what).toBe(5);
      }
    }
    expect(store.sent).toEqual([]);
  });

  test("fail(reason): the reason arrives as it was given, as a copy, and null and undefined are reasons too", async () => {
    const reasons: unknown[] = [{ code: "too_much", max: 3 }, "text", 0, false, null, [1, [2]]];
    const Failing = defineObject({
      type: "failing",
      state: { count: 0 },
      handlers: {
        refuse: (_context, index: number) => fail(index === -1 ? undefined : reasons[index]),
        refuseSlowly: async (_context, index: number) => fail(reasons[index]),
      },
    });
    const runtime = await start({ objects: [Failing], store: (await stores.create()).open() });
    const failing = runtime.get(Failing, "f");
    for (const [index, reason] of reasons.entries()) {
      for (const error of [await errorOf(failing.refuse(index)), await errorOf(failing.refuseSlowly(index))]) {
        expect(error).toMatchObject({ code: "HANDLER_FAILED", outcome: "not-applied", retryable: false });
        expect(error.reason).toEqual(reason);
        if (typeof reason === "object" && reason !== null) expect(error.reason).not.toBe(reason);
      }
    }
    expect((await errorOf(failing.refuse(-1))).reason).toBeUndefined();
  });

  test("a throw: the cause is what was thrown", async () => {
    const thrown = new TypeError("no such thing");
    const Throwing = defineObject({
      type: "throwing",
      state: {},
      handlers: {
        crash: () => {
          throw thrown;
        },
        get: () => reply(1),
      },
    });
    const runtime = await start({ objects: [Throwing], store: (await stores.create()).open() });
    const error = await errorOf(runtime.get(Throwing, "t").crash());
    expect(error.cause).toBe(thrown);
    expect(error.message).toContain("no such thing");
    expect(await codeOf(runtime.get(Throwing, "t").get())).toBe("ok");
  });
});
