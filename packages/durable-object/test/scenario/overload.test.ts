/** Promise 10: too much is an answer, at once, and never a heap that grows. */

import { expect, test } from "vitest";
import { defineObject, handler, noreply, reply } from "../../src/index.ts";
import { z } from "zod";
import { Counter, defineCounter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { gate } from "../support/gate.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start } from "../support/stores.ts";

const initial: { text: string; list: string[] } = { text: "", list: [] };
const Box = defineObject({
  type: "box",
  state: initial,
  handlers: {
    put: ({ state }, text: string) => noreply({ ...state, text }),
    measure: (_context, ...args: string[]) => reply(args.map((arg) => arg.length)),
    checked: handler({ args: z.tuple([z.string()]) }, (_context, text) => reply(text.length)),
    get: ({ state }) => reply(state.text),
  },
});

onEveryStore("overload", (stores) => {
  test("a mailbox takes as many calls as it is allowed to, and says MAILBOX_FULL to the next", async () => {
    const slow = gate();
    const SlowCounter = defineCounter({ slow });
    const runtime = await start({ objects: [SlowCounter], store: (await stores.create()).open(), mailboxLimit: 10 });
    const running = runtime.get(SlowCounter, "a").incrementSlowly("slow");
    await settled();
    const calls = Array.from({ length: 25 }, () => runtime.get(SlowCounter, "a").increment());
    const codes = Promise.all(calls.map(codeOf));
    const error = await errorOf(runtime.get(SlowCounter, "a").increment());
    expect(error).toMatchObject({ code: "MAILBOX_FULL", retryable: true, outcome: "not-applied" });
    // Other objects have mailboxes of their own, and reads need none.
    expect(await runtime.get(SlowCounter, "b").increment()).toBe(1);
    expect(await runtime.get(SlowCounter, "a").look()).toBe(0);
    slow.open();
    expect(await running).toBe(1);
    expect(await codes).toEqual(calls.map((_, index) => (index < 10 ? "ok" : "MAILBOX_FULL")));
    expect(await runtime.get(SlowCounter, "a").get()).toBe(11);
  });

  test("calls that were taken back leave room for others", async () => {
    const clock = new FakeClock();
    const slow = gate();
    const SlowCounter = defineCounter({ slow });
    const runtime = await start({
      objects: [SlowCounter],
      store: (await stores.create()).open(),
      mailboxLimit: 2,
      environment: clock.environment,
    });
    const running = runtime.get(SlowCounter, "a", { timeout: "1h" }).incrementSlowly("slow");
    await settled();
    const hasty = [1, 2].map(() => codeOf(runtime.get(SlowCounter, "a", { timeout: 100 }).increment()));
    expect(await codeOf(runtime.get(SlowCounter, "a").increment())).toBe("MAILBOX_FULL");
    await clock.advance(200);
    expect(await Promise.all(hasty)).toEqual(["CALL_TIMEOUT", "CALL_TIMEOUT"]);
    const patient = runtime.get(SlowCounter, "a").increment();
    slow.open();
    expect([await running, await patient]).toEqual([1, 2]);
  });

  test("a refused call under an idempotency key has not used it up", async () => {
    const slow = gate();
    const SlowCounter = defineCounter({ slow });
    const runtime = await start({ objects: [SlowCounter], store: (await stores.create()).open(), mailboxLimit: 1 });
    const running = runtime.get(SlowCounter, "a").incrementSlowly("slow");
    await settled();
    const waiting = runtime.get(SlowCounter, "a").increment();
    const keyed = runtime.get(SlowCounter, "a", { idempotencyKey: "k" });
    expect(await codeOf(keyed.increment())).toBe("MAILBOX_FULL");
    slow.open();
    await Promise.all([running, waiting]);
    expect(await keyed.increment()).toBe(3);
    expect(await keyed.increment()).toBe(3);
  });

  test("a node takes as many calls as it is allowed to, and says OVERLOADED to the next", async () => {
    const slow = gate();
    const SlowCounter = defineCounter({ slow });
    const runtime = await start({
      objects: [SlowCounter],
      store: (await stores.create()).open(),
      maxPendingCalls: 3,
    });
    const running = ["a", "b", "c"].map((id) => runtime.get(SlowCounter, id).incrementSlowly("slow"));
    const error = await errorOf(runtime.get(SlowCounter, "d").increment());
    expect(error).toMatchObject({ code: "OVERLOADED", retryable: true, outcome: "not-applied" });
    expect(runtime.locate(SlowCounter, "d")).toBeNull();
    slow.open();
    expect(await Promise.all(running)).toEqual([1, 1, 1]);
    expect(await runtime.get(SlowCounter, "d").increment()).toBe(1);
  });

  test("whatever a call ends with, it leaves its place", async () => {
    const runtime = await start({ objects: [Box, Counter], store: (await stores.create()).open(), maxPendingCalls: 2 });
    const cyclic: Record<string, unknown> = {};
    cyclic["self"] = cyclic;
    const getter = {
      get text(): string {
        throw new Error("no text");
      },
    };
    const gone = AbortSignal.abort();
    for (let round = 0; round < 3; round++) {
      const codes = [
        await codeOf(async () => await runtime.get(Counter, "a").crash()),
        await codeOf(async () => await runtime.get(Counter, "a").refuse()),
        await codeOf(async () => await runtime.get(Counter, "a", { signal: gone }).increment()),
        await codeOf(async () => await runtime.get(Box, "a").checked(cyclic as unknown as string)),
        await codeOf(async () => await runtime.get(Box, "a").put(getter as unknown as string)),
        await codeOf(async () => await runtime.get(Box, "a").put(5n as unknown as string)),
        await codeOf(async () => await runtime.call("box", "a", "nothing", [])),
      ];
      expect(codes).toEqual([
        "HANDLER_CRASHED",
        "HANDLER_FAILED",
        "CALL_ABORTED",
        "INVALID_ARGUMENTS",
        "INVALID_ARGUMENTS",
        "INVALID_ARGUMENTS",
        "UNKNOWN_HANDLER",
      ]);
    }
    expect(await Promise.all([runtime.get(Counter, "a").increment(), runtime.get(Counter, "b").increment()])).toEqual([
      1, 1,
    ]);
  });

  test("arguments have a size limit, counted in bytes of JSON", async () => {
    const runtime = await start({ objects: [Box], store: (await stores.create()).open(), maxArgumentBytes: 1_000 });
    const box = runtime.get(Box, "a");
    const error = await errorOf(box.put("x".repeat(1_000)));
    expect(error).toMatchObject({ code: "ARGUMENTS_TOO_LARGE", retryable: false, outcome: "not-applied" });
    expect(await codeOf(box.put("x".repeat(996)))).toBe("ok");
    expect(await codeOf(box.put("x".repeat(997)))).toBe("ARGUMENTS_TOO_LARGE");
    // Bytes, not characters: 4 of them for each of these.
    expect(await codeOf(box.put("😀".repeat(249)))).toBe("ok");
    expect(await codeOf(box.put("😀".repeat(250)))).toBe("ARGUMENTS_TOO_LARGE");
    expect(await codeOf(box.put('"'.repeat(499)))).toBe("ARGUMENTS_TOO_LARGE");
    // All of them together.
    expect(await codeOf(box.measure("x".repeat(400), "x".repeat(400)))).toBe("ok");
    expect(await codeOf(box.measure("x".repeat(400), "x".repeat(400), "x".repeat(400)))).toBe("ARGUMENTS_TOO_LARGE");
    expect(await box.get()).toBe("😀".repeat(249));
  });

  test("states have a size limit, counted in bytes of JSON; a larger one is not saved, and the object goes on", async () => {
    const runtime = await start({ objects: [Box], store: (await stores.create()).open(), maxStateBytes: 1_000 });
    const box = runtime.get(Box, "a");
    // {"text":"…","list":[]} has 21 characters beside the text.
    await box.put("x".repeat(979));
    const error = await errorOf(box.put("x".repeat(980)));
    expect(error).toMatchObject({ code: "STATE_TOO_LARGE", retryable: false, outcome: "not-applied" });
    expect(error.message).toContain("1001");
    expect(await codeOf(box.put("😀".repeat(245)))).toBe("STATE_TOO_LARGE");
    expect(await codeOf(box.put("😀".repeat(244)))).toBe("ok");
    expect(await box.get()).toBe("😀".repeat(244));
    expect(await runtime.peek(Box, "a")).toEqual({ text: "😀".repeat(244), list: [] });
  });

  test("ids and tenants have a length in bytes, types in characters, keys in characters", async () => {
    const runtime = await start({ objects: [Counter], store: (await stores.create()).open() });
    expect(await runtime.get(Counter, "ü".repeat(128)).increment()).toBe(1);
    expect(await codeOf(() => runtime.get(Counter, `${"ü".repeat(128)}x`))).toBe("INVALID_ADDRESS");
    expect(await codeOf(() => runtime.get(Counter, "a", { tenant: "t".repeat(257) }))).toBe("INVALID_ADDRESS");
    expect(await runtime.get(Counter, "a", { idempotencyKey: "k".repeat(255) }).increment()).toBe(1);
    expect(await codeOf(() => runtime.get(Counter, "a", { idempotencyKey: "k".repeat(256) }))).toBe("INVALID_OPTION");
    expect(await codeOf(() => runtime.get(Counter, "a", { idempotencyKey: "" }))).toBe("INVALID_OPTION");
    // Not every database takes them, or tells them apart.
    for (const idempotencyKey of ["a\0b", "\ud800"]) {
      expect(await codeOf(() => runtime.get(Counter, "a", { idempotencyKey }))).toBe("INVALID_OPTION");
    }
    const define = (type: string) => defineObject({ type, state: {}, handlers: {} });
    expect(define("t".repeat(64)).type).toHaveLength(64);
    expect(await codeOf(() => define("t".repeat(65)))).toBe("INVALID_DEFINITION");
  });
});
