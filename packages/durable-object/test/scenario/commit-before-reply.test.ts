/**
 * Promise 3, the output gate: no caller and no other object learns of a state that could still be lost.
 * The commit is held, and everything that could tell of it must stay silent.
 */

import { expect, test } from "vitest";
import { defineObject, fail, noreply, read, reply } from "../../src/index.ts";
import { Counter } from "../support/counter.ts";
import { settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf, errorOf, watch } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

const Witness = defineObject({
  type: "witness",
  state: { seen: -1, times: 0 },
  handlers: {
    see: ({ state }, count: number) => {
      executed.push(count);
      return reply(count, { seen: count, times: state.times + 1 });
    },
    report: ({ state }) => reply(state),
    look: read(({ state }) => reply(state)),
  },
});

const Teller = defineObject({
  type: "teller",
  state: { count: 0 },
  handlers: {
    increment: ({ state }) => reply(state.count + 1, { count: state.count + 1 }),
    /** Changes nothing and tells what it sees, without waiting. */
    tell: ({ state, get }) => {
      get(Witness, "w")
        .see(state.count)
        .catch(() => undefined);
      return reply(state.count);
    },
    tellAndRead: ({ state, get }, answers: string) => {
      answered.set(answers, get(Witness, "w").look());
      return reply(state.count);
    },
    tellAndRefuse: ({ state, get }) => {
      get(Witness, "w")
        .see(state.count)
        .catch(() => undefined);
      return fail({ seen: state.count });
    },
  },
});
const answered = new Map<string, Promise<unknown>>();
/** What the witness was told, whether or not that is committed. */
const executed: number[] = [];

async function warmCounter(stores: TestStores) {
  const store = new FaultyStore((await stores.create()).open());
  const runtime = await start({ objects: [Counter, Teller, Witness], store });
  const counter = runtime.get(Counter, "a");
  // Functions prove by their first call that they are synchronous.
  for (const handler of ["increment", "get", "refuse", "crash", "remind", "reset", "look"] as const) {
    await runtime.call("counter", "warm", handler, handler === "remind" ? [3_600_000] : []).catch(() => undefined);
  }
  await counter.increment(10);
  return { store, runtime, counter };
}

onEveryStore("commit before reply", (stores) => {
  test("the reply of a write waits for its commit", async () => {
    const { store, counter } = await warmCounter(stores);
    const held = store.holdNextCommit();
    const call = counter.increment();
    const watched = watch(call);
    await held.reached;
    await settled();
    expect(watched.settled).toBe(false);
    held.release();
    expect(await call).toBe(11);
  });

  test("so does an answer of every other kind that saw the undurable state", async () => {
    const { store, counter } = await warmCounter(stores);
    const held = store.holdNextCommit();
    const write = counter.increment();
    await held.reached;
    const unchanged = counter.get();
    const refusal = errorOf(counter.refuse());
    const crash = errorOf(counter.crash());
    const wrong = codeOf(counter.remind(-1));
    const noop = counter.increment(0);
    const reset = counter.reset();
    const after = counter.get();
    const watched = [write, unchanged, refusal, crash, wrong, noop, reset, after].map(watch);
    await settled();
    expect(watched.map(({ settled: is }) => is)).toEqual(watched.map(() => false));
    held.release();
    expect(await unchanged).toBe(11);
    expect(await refusal).toMatchObject({ code: "HANDLER_FAILED", reason: { seen: 11 } });
    expect((await crash).message).toContain("crashed at 11");
    expect(await wrong).toBe("INVALID_OUTCOME");
    expect(await noop).toBe(11);
    expect(await after).toBe(0);
  });

  test("read handlers, peek and list show what is committed, and wait for nothing", async () => {
    const { store, runtime, counter } = await warmCounter(stores);
    const held = store.holdNextCommit();
    const write = counter.increment();
    const created = runtime.get(Counter, "new").increment();
    await held.reached;
    expect(await counter.look()).toBe(10);
    expect(await runtime.peek(Counter, "a")).toEqual({ count: 10 });
    if (stores.name === "memory") {
      expect((await runtime.list(Counter)).objects.map(({ id }) => id)).toEqual(["a", "warm"]);
    }
    held.release();
    await Promise.all([write, created]);
    expect(await counter.look()).toBe(11);
  });

  test("a call that a handler sends to another object is not executed before", async () => {
    const { store, runtime } = await warmCounter(stores);
    const teller = runtime.get(Teller, "t");
    await teller.increment();
    await teller.tell();
    await settled();
    const held = store.holdNextCommit();
    const write = teller.increment();
    await held.reached;
    executed.length = 0;
    const told = teller.tell();
    await settled();
    expect(executed).toEqual([]);
    expect(await runtime.get(Witness, "w").look()).toEqual({ seen: 1, times: 1 });
    held.release();
    await Promise.all([write, told]);
    await settled();
    expect(executed).toEqual([2]);
    expect(await runtime.get(Witness, "w").report()).toEqual({ seen: 2, times: 2 });
  });

  test("not even a read of another object leaves before", async () => {
    const { store, runtime } = await warmCounter(stores);
    const teller = runtime.get(Teller, "t");
    await teller.increment();
    await teller.tellAndRead("warm");
    const held = store.holdNextCommit();
    const write = teller.increment();
    await held.reached;
    const told = teller.tellAndRead("held");
    const read1 = watch(answered.get("held")!);
    await settled();
    expect(read1.settled).toBe(false);
    held.release();
    await Promise.all([write, told, answered.get("held")]);
  });

  test("if the commit fails, what was sent on its basis is never executed", async () => {
    const { store, runtime } = await warmCounter(stores);
    const teller = runtime.get(Teller, "t");
    await teller.increment();
    await teller.tell();
    await codeOf(teller.tellAndRefuse());
    // What was told is on the disk: the commit that is held next is the teller's.
    await runtime.deactivate(Witness, "w");
    const before = await runtime.get(Witness, "w").report();
    const held = store.holdNextCommit("before", "refused");
    const write = codeOf(teller.increment());
    await held.reached;
    const told = codeOf(teller.tell());
    const refused = codeOf(teller.tellAndRefuse());
    executed.length = 0;
    await settled();
    held.release();
    expect([await write, await told, await refused]).toEqual(["COMMIT_FAILED", "COMMIT_FAILED", "COMMIT_FAILED"]);
    await settled();
    expect(executed).toEqual([]);
    expect(await runtime.get(Witness, "w").report()).toEqual(before);
    expect(await runtime.peek(Teller, "t")).toEqual({ count: 1 });
  });

  test("the reply of the callee reaches the caller's handler only when the callee's commit is durable", async () => {
    const Chain = defineObject({
      type: "chain",
      state: { got: 0 },
      handlers: {
        pull: async ({ get }) => {
          const got = await get(Counter, "a").increment();
          return reply(got, { got });
        },
        idle: () => noreply(),
      },
    });
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter, Chain], store });
    await runtime.get(Counter, "a").increment();
    const held = store.holdNextCommit();
    const pulled = runtime.get(Chain, "c").pull();
    const watched = watch(pulled);
    await held.reached;
    await settled();
    expect(watched.settled).toBe(false);
    expect(store.sent.at(-1)?.writes.map(({ address }) => address.type)).toEqual(["counter"]);
    held.release();
    expect(await pulled).toBe(2);
  });
});
