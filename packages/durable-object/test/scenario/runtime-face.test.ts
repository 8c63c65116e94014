/** The face of the runtime: get, call, activate, deactivate, locate, peek, list, delete, and their mistakes. */

import { expect, test } from "vitest";
import {
  createRuntime,
  defineObject,
  DurableObjectError,
  noreply,
  reply,
  type RuntimeOptions,
} from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { Counter, defineCounter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate } from "../support/gate.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start } from "../support/stores.ts";

onEveryStore("the runtime", (stores) => {
  test("a stub costs nothing until it is called, and can be kept across everything", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store });
    const counter = runtime.get(Counter, "a");
    expect([runtime.activeCount, store.loads, runtime.locate(Counter, "a")]).toEqual([0, 0, null]);
    expect(await counter.increment()).toBe(1);
    await runtime.deactivate(Counter, "a");
    expect(await counter.increment()).toBe(2);
    await runtime.delete(Counter, "a");
    expect(await counter.increment()).toBe(1);
    const { increment } = counter;
    expect(typeof increment).toBe("function");
    expect(Object.keys(counter)).toEqual([]);
    // It is no promise, so it can be returned from an async function.
    expect(await (async () => counter)()).toBe(counter);
  });

  test("call is the generic form, by definition or by type", async () => {
    const runtime = await start({ objects: [Counter], store: (await stores.create()).open() });
    const typed: number = await runtime.call(Counter, "a", "increment", [5]);
    expect(typed).toBe(5);
    expect(await runtime.call("counter", "a", "increment", [2])).toBe(7);
    expect(await runtime.call("counter", "a", "increment", [1], { tenant: "t" })).toBe(1);
    expect(await runtime.call("counter", "a", "increment", [1], { idempotencyKey: "k" })).toBe(8);
    expect(await runtime.call("counter", "a", "increment", [1], { idempotencyKey: "k" })).toBe(8);
    expect(await codeOf(runtime.call("counter", "a", "crash", []))).toBe("HANDLER_CRASHED");
  });

  test("call reaches handlers and nothing else, and rejects for everything that is wrong", async () => {
    const runtime = await start({ objects: [Counter], store: (await stores.create()).open() });
    const names = [
      "nothing",
      "ring",
      "alarms",
      "safe",
      "constructor",
      "toString",
      "__proto__",
      "then",
      "afterLoad",
      "",
    ];
    for (const name of [...names, "delete", "activate", "deactivate", "alarms.schedule"]) {
      const error = await errorOf(runtime.call("counter", "a", name, []));
      expect(error, name).toMatchObject({ code: "UNKNOWN_HANDLER", outcome: "not-applied", retryable: false });
    }
    const error = await errorOf(runtime.call("counter", "a", "incremnt", []));
    expect(error.message).toContain('"incremnt"');
    expect(error.message).toContain("increment");
    expect(await codeOf(runtime.call("counter", "a", "get", "no list" as unknown as []))).toBe("INVALID_ARGUMENTS");
    expect(await codeOf(runtime.call("counter", " ", "get", []))).toBe("INVALID_ADDRESS");
    expect(await codeOf(runtime.call("counter", "a", "get", [], { timeout: "x" as "1s" }))).toBe("INVALID_OPTION");
    expect(await codeOf(runtime.call(undefined as unknown as string, "a", "get", []))).toBe("UNKNOWN_TYPE");
    expect(await runtime.get(Counter, "a").get()).toBe(0);
  });

  test("activate brings an object to life, again does nothing; deactivate has it leave, again does nothing", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store });
    await runtime.activate(Counter, "a");
    await runtime.activate("counter", "a");
    expect([store.loads, store.sent.length, runtime.activeCount]).toEqual([1, 0, 1]);
    expect(runtime.locate(Counter, "a")).toEqual({ node: runtime.node, epoch: 1, phase: "active" });
    expect(await runtime.get(Counter, "a").increment()).toBe(1);
    await runtime.deactivate(Counter, "a");
    expect(runtime.locate(Counter, "a")).toBeNull();
    await runtime.deactivate(Counter, "a");
    await runtime.deactivate("counter", "never there");
    expect([store.loads, runtime.activeCount]).toEqual([1, 0]);
  });

  test("deactivate waits for the turns and commits before it, and for nothing behind it", async () => {
    const slow = gate();
    const SlowCounter = defineCounter({ slow });
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [SlowCounter], store });
    const turn = runtime.get(SlowCounter, "a").incrementSlowly("slow");
    const deactivated = runtime.deactivate(SlowCounter, "a");
    await settled();
    slow.open();
    await deactivated;
    expect(await turn).toBe(1);
    expect(store.applied).toHaveLength(1);
    expect(runtime.locate(SlowCounter, "a")).toBeNull();
  });

  test("locate tells the phase and never brings to life", async () => {
    const runtime = await start({ objects: [Counter], store: (await stores.create()).open() });
    expect(runtime.locate("counter", "a", { tenant: "t" })).toBeNull();
    await runtime.get(Counter, "a").increment();
    expect(runtime.locate(Counter, "a")?.phase).toBe("active");
    expect(runtime.locate(Counter, "a", { tenant: "t" })).toBeNull();
    expect(runtime.activeCount).toBe(1);
  });

  test("peek: the last committed state, without bringing to life; a copy; null where nothing is stored", async () => {
    const store = new FaultyStore((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store });
    expect(await runtime.peek(Counter, "a")).toBeNull();
    await runtime.get(Counter, "a").look();
    // It is alive with its defaults, and nothing is stored.
    expect(await runtime.peek(Counter, "a")).toBeNull();
    await runtime.get(Counter, "a").increment(3);
    const first = await runtime.peek(Counter, "a");
    expect(first).toEqual({ count: 3 });
    first!.count = 99;
    expect(await runtime.peek(Counter, "a")).toEqual({ count: 3 });
    await runtime.deactivate(Counter, "a");
    expect(await runtime.peek("counter", "a")).toEqual({ count: 3 });
    expect(runtime.activeCount).toBe(0);
    expect(await codeOf(runtime.peek(Counter, ""))).toBe("INVALID_ADDRESS");
    store.failLoads("retry");
    expect(await errorOf(runtime.peek(Counter, "a"))).toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true });
  });

  test("list: pages in order of the ids, of one type and tenant, with revisions and times", async () => {
    const clock = new FakeClock();
    const store = (await stores.create()).open();
    const runtime = await start({ objects: [Counter], store, environment: clock.environment });
    const ids = ["b", "a", "a1", "B", "é", "😀", "～", "10", "9", "a b", "a/b"];
    const startedAt = clock.nowMs;
    for (const id of ids) await runtime.get(Counter, id).increment();
    await runtime.get(Counter, "z", { tenant: "t" }).increment();
    await clock.advance("1s");
    await runtime.get(Counter, "a").increment();
    const sorted = ids.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
    const all = await runtime.list(Counter);
    expect(all.objects.map(({ id }) => id)).toEqual(sorted);
    expect(all.next).toBeNull();
    expect(all.objects.find(({ id }) => id === "a")).toEqual({
      id: "a",
      revision: 2,
      createdAt: new Date(startedAt),
      updatedAt: new Date(startedAt + 1_000),
    });
    const paged: string[] = [];
    let after: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof runtime.list>> = await runtime.list("counter", {
        limit: 4,
        ...(after === null ? {} : { after }),
      });
      expect(page.objects.length).toBeLessThanOrEqual(4);
      paged.push(...page.objects.map(({ id }) => id));
      after = page.next;
    } while (after !== null);
    expect(paged).toEqual(sorted);
    expect((await runtime.list(Counter, { tenant: "t" })).objects.map(({ id }) => id)).toEqual(["z"]);
    expect((await runtime.list(Counter, { limit: 11 })).next).toBeNull();
    expect((await runtime.list(Counter, { after: "😀" })).objects).toEqual([]);
  });

  test.each<[string, object, string]>([
    ["limit 0", { limit: 0 }, "INVALID_OPTION"],
    ["limit 1001", { limit: 1_001 }, "INVALID_OPTION"],
    ["limit 1.5", { limit: 1.5 }, "INVALID_OPTION"],
    ["a tenant that is no text", { tenant: 5 }, "INVALID_ADDRESS|INVALID_OPTION"],
    ["an after that is no text", { after: 5 }, "INVALID_ADDRESS|INVALID_OPTION"],
  ])("list refuses %s", async (_what, options, code) => {
    const runtime = await start({ objects: [Counter], store: (await stores.create()).open() });
    expect(await codeOf(runtime.list(Counter, options))).toMatch(new RegExp(code));
  });

  test.each(["", " ", "\n", "\t \u00a0", "a\u0000b", "a\nb", "\ud800", "x".repeat(257), 5, null, undefined, {}])(
    "the id %j is refused by everything, before the store is asked",
    async (id) => {
      const store = new FaultyStore((await stores.create()).open());
      const runtime = await start({ objects: [Counter], store });
      const bad = id as string;
      const calls = [
        () => runtime.get(Counter, bad),
        () => runtime.call("counter", bad, "get", []),
        () => runtime.activate(Counter, bad),
        () => runtime.deactivate(Counter, bad),
        () => runtime.delete(Counter, bad),
        () => runtime.peek(Counter, bad),
        () => runtime.locate(Counter, bad),
      ];
      expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => "INVALID_ADDRESS"));
      expect(store.loads).toBe(0);
    },
  );

  test.each(["user:123:session:abc-def", "a/b/../c", "'; DROP TABLE x; --", "%", "_", "😀", " a ", "null", "0", "ﬀ"])(
    "the id %j is as good as any other",
    async (id) => {
      const disk = await stores.create();
      const runtime = await start({ objects: [Counter], store: disk.open() });
      expect(await runtime.get(Counter, id).increment()).toBe(1);
      await runtime.stop();
      const again = await start({ objects: [Counter], store: disk.open() });
      expect(await again.get(Counter, id).increment()).toBe(2);
      expect((await again.list(Counter)).objects.map((object) => object.id)).toEqual([id]);
    },
  );
});

test.each<[string, unknown]>([
  ["no objects", { store: memory() }],
  ["objects that are none", { objects: [{}], store: memory() }],
  ["objects that are functions", { objects: [defineObject], store: memory() }],
  ["one that is undefined", { objects: [undefined], store: memory() }],
  ["two of one type", { objects: [Counter, Counter], store: memory() }],
  ["no store", { objects: [Counter] }],
  ["a store that is none", { objects: [Counter], store: "app.db" }],
  ["a bad timeout", { objects: [Counter], store: memory(), callTimeout: "5 s" }],
  ["a negative timeout", { objects: [Counter], store: memory(), callTimeout: -1 }],
  ["a stop that never ends", { objects: [Counter], store: memory(), stopTimeout: "never" }],
  ["a table for nobody", { objects: [Counter], store: memory(), maxActive: 0 }],
  ["half a mailbox", { objects: [Counter], store: memory(), mailboxLimit: 0.5 }],
  ["a limit that is NaN", { objects: [Counter], store: memory(), maxStateBytes: Number.NaN }],
  ["an option that is misspelt", { objects: [Counter], store: memory(), maxActiv: 5 }],
])("createRuntime refuses %s with INVALID_OPTION", async (_what, options) => {
  const error = await errorOf(createRuntime(options as RuntimeOptions));
  expect(error).toMatchObject({ code: "INVALID_OPTION", retryable: false, outcome: "not-applied" });
});

test("a runtime that could not start has not taken the store", async () => {
  const store = memory();
  await errorOf(createRuntime({ objects: [Counter], store, maxActive: 0 }));
  const runtime = await start({ objects: [Counter], store });
  expect(await runtime.get(Counter, "a").increment()).toBe(1);
});

test(".safe resolves to a value or an error, for everything that can go wrong", async () => {
  const Shop = defineObject({
    type: "shop",
    state: { stock: 1 },
    handlers: { buy: ({ state }) => reply(state.stock, { stock: state.stock - 1 }), nothing: () => noreply() },
  });
  const runtime = await start({ objects: [Counter, Shop], store: memory() });
  const { safe } = runtime.get(Counter, "a");
  expect(await safe.increment(2)).toEqual({ ok: true, value: 2 });
  expect(await safe.reset()).toEqual({ ok: true, value: undefined });
  const refused = await safe.refuse();
  expect(refused.ok).toBe(false);
  if (!refused.ok) {
    expect(refused.error).toBeInstanceOf(DurableObjectError);
    expect(refused.error.code).toBe("HANDLER_FAILED");
    const seen: number | undefined = refused.error.reason?.seen;
    expect(seen).toBe(0);
  }
  expect(await safe.crash()).toMatchObject({ ok: false, error: { code: "HANDLER_CRASHED" } });
  expect(await safe.increment(5n as unknown as number)).toMatchObject({
    ok: false,
    error: { code: "INVALID_ARGUMENTS" },
  });
  await runtime.stop();
  expect(await safe.get()).toMatchObject({ ok: false, error: { code: "RUNTIME_STOPPED" } });
});
