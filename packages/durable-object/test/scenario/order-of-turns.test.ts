/** Promise 2: turns of one object run one at a time, in order of arrival, across awaits; reads run beside them. */

import { expect, test } from "vitest";
import { defineObject, noreply, read, reply } from "../../src/index.ts";
import { settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate, type Gate } from "../support/gate.ts";
import { onEveryStore, start } from "../support/stores.ts";

/** A log that says when its turns start and end; slow turns wait at the gate of their name. */
function defineLog(trace: string[], gates: Readonly<Record<string, Gate>> = {}) {
  const initial: { entries: string[] } = { entries: [] };
  return defineObject({
    type: "log",
    state: initial,
    handlers: {
      add: ({ state }, entry: string) => {
        trace.push(entry);
        return reply(state.entries.length, { entries: [...state.entries, entry] });
      },
      addSlowly: async ({ state }, entry: string) => {
        trace.push(`${entry} starts`);
        await gates[entry]?.passed;
        trace.push(`${entry} ends`);
        return reply(state.entries.length, { entries: [...state.entries, entry] });
      },
      entries: ({ state }) => reply(state.entries),
      look: read(({ state }) => reply(state.entries)),
      tell: ({ state, get }, to: string, entry: string) => {
        void get(Hearer, to).hear(entry);
        return noreply({ entries: [...state.entries, entry] });
      },
      tellSlowly: async ({ state, get }, to: string, entry: string) => {
        await get(Hearer, to).hear(entry);
        return noreply({ entries: [...state.entries, entry] });
      },
    },
  });
}

const noEntries: { heard: string[] } = { heard: [] };
const Hearer = defineObject({
  type: "hearer",
  state: noEntries,
  handlers: {
    hear: ({ state }, entry: string) => noreply({ heard: [...state.heard, entry] }),
    heard: ({ state }) => reply(state.heard),
  },
});

onEveryStore("order of turns", (stores) => {
  test("a call waits until the turn before it is over, across its awaits", async () => {
    const trace: string[] = [];
    const gates = { a: gate(), b: gate() };
    const Log = defineLog(trace, gates);
    const runtime = await start({ objects: [Log], store: (await stores.create()).open() });
    const log = runtime.get(Log, "x");
    const calls = [log.addSlowly("a"), log.add("1"), log.addSlowly("b"), log.add("2")];
    await settled();
    expect(trace).toEqual(["a starts"]);
    gates.b.open();
    await settled();
    expect(trace).toEqual(["a starts"]);
    gates.a.open();
    expect(await Promise.all(calls)).toEqual([0, 1, 2, 3]);
    expect(trace).toEqual(["a starts", "a ends", "1", "b starts", "b ends", "2"]);
    expect(await log.entries()).toEqual(["a", "1", "b", "2"]);
  });

  test("1,000 calls at once run in the order in which they were made, whoever makes them", async () => {
    const trace: string[] = [];
    const Log = defineLog(trace);
    const runtime = await start({ objects: [Log], store: (await stores.create()).open() });
    const calls = Array.from({ length: 1_000 }, (_, index) => {
      const log = runtime.get(Log, "x");
      return index % 10 === 3 ? log.addSlowly(`${index}`) : log.add(`${index}`);
    });
    expect(await Promise.all(calls)).toEqual(calls.map((_, index) => index));
    expect(await runtime.get(Log, "x").entries()).toEqual(calls.map((_, index) => `${index}`));
  });

  test("turns of different objects run beside each other", async () => {
    const trace: string[] = [];
    const gates = { a: gate(), b: gate() };
    const Log = defineLog(trace, gates);
    const runtime = await start({ objects: [Log], store: (await stores.create()).open() });
    const a = runtime.get(Log, "x").addSlowly("a");
    const b = runtime.get(Log, "y").addSlowly("b");
    gates.b.open();
    await b;
    expect(trace).toEqual(["a starts", "b starts", "b ends"]);
    gates.a.open();
    await a;
  });

  test("read handlers run beside a turn, on the last committed state", async () => {
    const trace: string[] = [];
    const gates = { b: gate() };
    const Log = defineLog(trace, gates);
    const runtime = await start({ objects: [Log], store: (await stores.create()).open() });
    const log = runtime.get(Log, "x");
    await log.add("a");
    const slow = log.addSlowly("b");
    const entries = log.entries();
    expect(await log.look()).toEqual(["a"]);
    gates.b.open();
    expect(await entries).toEqual(["a", "b"]);
    await slow;
  });

  test("a handler that fails, crashes or is given up does not hold up those behind it", async () => {
    const Fragile = defineObject({
      type: "fragile",
      state: { count: 0 },
      handlers: {
        crash: async () => {
          await settled();
          throw new Error("no");
        },
        // @ts-expect-error -- a handler without an outcome does not compile
        shapeless: async () => 5,
        increment: ({ state }) => reply(state.count + 1, { count: state.count + 1 }),
      },
    });
    const runtime = await start({ objects: [Fragile], store: (await stores.create()).open() });
    const call = (handler: string) => runtime.call("fragile", "x", handler, []).catch(() => "failed");
    const results = await Promise.all(["crash", "increment", "shapeless", "crash", "increment"].map(call));
    expect(results).toEqual(["failed", 1, "failed", "failed", 2]);
  });

  test("synchronous handlers run on a state whose commit is in flight; all of them are in two commits", async () => {
    const trace: string[] = [];
    const Log = defineLog(trace);
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Log], store });
    const log = runtime.get(Log, "x");
    await log.add("warm");
    const held = store.holdNextCommit();
    const first = log.add("1");
    await held.reached;
    const rest = [log.add("2"), log.add("3"), log.add("4")];
    await settled();
    expect(trace).toEqual(["warm", "1", "2", "3", "4"]);
    held.release();
    expect(await Promise.all([first, ...rest])).toEqual([1, 2, 3, 4]);
    expect(store.applied).toHaveLength(3);
    expect(store.applied[2]?.writes[0]?.state).toBe('{"entries":["warm","1","2","3","4"]}');
  });

  test("an asynchronous handler starts only when everything before it is durable", async () => {
    const trace: string[] = [];
    const Log = defineLog(trace);
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Log], store });
    const log = runtime.get(Log, "x");
    await log.add("warm");
    const held = store.holdNextCommit();
    const calls = [log.add("1"), log.addSlowly("2"), log.add("3")];
    await held.reached;
    await settled();
    expect(trace).toEqual(["warm", "1"]);
    held.release();
    await Promise.all(calls);
    expect(trace).toEqual(["warm", "1", "2 starts", "2 ends", "3"]);
  });

  test("a function that is not declared async is taken for one until it has returned once", async () => {
    const trace: string[] = [];
    const Shy = defineObject({
      type: "shy",
      state: { count: 0 },
      handlers: {
        plain: ({ state }) => {
          trace.push("plain");
          return reply(0, { count: state.count + 1 });
        },
        // Returns a promise without being an async function.
        promising: ({ state }) => {
          trace.push("promising");
          return Promise.resolve(reply(0, { count: state.count + 1 }));
        },
      },
    });
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Shy], store });
    const shy = runtime.get(Shy, "x");
    await shy.plain();
    for (let round = 0; round < 2; round++) {
      trace.length = 0;
      const held = store.holdNextCommit();
      const calls = [shy.plain(), shy.promising()];
      await held.reached;
      await settled();
      expect(trace).toEqual(["plain"]);
      held.release();
      await Promise.all(calls);
      expect(trace).toEqual(["plain", "promising"]);
    }
  });

  test("what one object says to another arrives in the order in which it was said", async () => {
    const Log = defineLog([]);
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Log, Hearer], store });
    const log = runtime.get(Log, "x");
    await log.tell("y", "warm");
    await runtime.get(Hearer, "y").heard();
    const held = store.holdNextCommit();
    const calls: Promise<unknown>[] = [log.add("-"), log.tell("y", "1"), log.tell("y", "2"), log.tellSlowly("y", "3")];
    await held.reached;
    calls.push(log.tell("y", "4"));
    held.release();
    await Promise.all(calls);
    await settled();
    expect(await runtime.get(Hearer, "y").heard()).toEqual(["warm", "1", "2", "3", "4"]);
  });
});
