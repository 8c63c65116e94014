/** Events on node:diagnostics_channel: what is told, with which fields, and when. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, onTestFinished, test } from "vitest";
import { Counter } from "../support/counter.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { listen } from "../support/channels.ts";
import { codeOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

async function startObserved(stores: TestStores) {
  const clock = new FakeClock();
  const store = new FaultyStore((await stores.create()).open());
  const runtime = await start({ objects: [Counter], store, environment: clock.environment });
  return { clock, store, runtime };
}

/** The messages of the three steps of an operation. */
function listenTo(name: string) {
  return {
    start: listen<Record<string, unknown>>(`tracing:durable-object:${name}:start`),
    end: listen<Record<string, unknown>>(`tracing:durable-object:${name}:asyncEnd`),
    error: listen<Record<string, unknown>>(`tracing:durable-object:${name}:error`),
  };
}

onEveryStore("events", (stores) => {
  test("load, save and delete: store, tenant, type, id, the time of the start, and the duration at the end", async () => {
    const { clock, store, runtime } = await startObserved(stores);
    const load = listenTo("storage.load");
    const save = listenTo("storage.save");
    const deletion = listenTo("storage.delete");
    const about = { store: stores.name, tenant: "acme", type: "counter", id: "a" };
    const startedAt = clock.nowMs;
    const counter = runtime.get(Counter, "a", { tenant: "acme" });
    await counter.get();
    expect(load.start).toEqual([{ ...about, systemTimeMs: startedAt }]);
    expect(load.end).toEqual([{ ...about, systemTimeMs: startedAt, durationMs: 0 }]);
    const held = store.holdNextCommit();
    const writing = counter.increment();
    await held.reached;
    expect(save.start).toEqual([{ ...about, systemTimeMs: startedAt }]);
    expect(save.end).toEqual([]);
    await clock.advance(30);
    held.release();
    await writing;
    expect(save.end).toEqual([{ ...about, systemTimeMs: startedAt, durationMs: 30 }]);
    await runtime.delete(Counter, "a", { tenant: "acme" });
    expect(deletion.end).toEqual([{ ...about, systemTimeMs: startedAt + 30, durationMs: 0 }]);
    expect([load.start.length, save.start.length, deletion.start.length]).toEqual([1, 1, 1]);
    expect([...load.error, ...save.error, ...deletion.error]).toEqual([]);
  });

  test("a save that fails: the error, and the end with its duration", async () => {
    const { store, runtime } = await startObserved(stores);
    await runtime.get(Counter, "a").get();
    const save = listenTo("storage.save");
    store.failNextCommit("refused");
    expect(await codeOf(runtime.get(Counter, "a").increment())).toBe("COMMIT_FAILED");
    expect(save.error).toHaveLength(1);
    expect(save.error[0]).toMatchObject({ id: "a", durationMs: 0, error: { kind: "refused" } });
    expect(save.end).toHaveLength(1);
    const load = listenTo("storage.load");
    store.failLoads("retry");
    expect(await codeOf(runtime.get(Counter, "b").increment())).toBe("LOAD_FAILED");
    expect(load.error[0]).toMatchObject({ id: "b", error: { code: "STORE_UNAVAILABLE" } });
  });

  test("a batch is one event for each object, and a hot object is one event for many calls", async () => {
    const { runtime } = await startObserved(stores);
    await Promise.all(["a", "b", "c"].map((id) => runtime.get(Counter, id).increment()));
    const save = listenTo("storage.save");
    await Promise.all(["a", "a", "a", "b", "c"].map((id) => runtime.get(Counter, id).increment()));
    expect(save.end.map(({ id }) => id)).toEqual(["a", "b", "c"]);
  });

  test("calls: the handler, whatever comes of them", async () => {
    const { clock, runtime } = await startObserved(stores);
    const call = listenTo("call");
    const counter = runtime.get(Counter, "a");
    await counter.increment();
    await counter.look();
    await codeOf(counter.crash());
    await codeOf(counter.increment(5n as unknown as number));
    await counter.alarms.schedule("ring", 1);
    const about = { tenant: "", type: "counter", id: "a", systemTimeMs: clock.nowMs };
    expect(call.start).toEqual(
      ["increment", "look", "crash", "increment", "alarms.schedule"].map((handler) => ({ ...about, handler })),
    );
    expect(call.end).toHaveLength(5);
    expect(call.error.map(({ handler, error }) => [handler, (error as { code: string }).code])).toEqual([
      ["crash", "HANDLER_CRASHED"],
      ["increment", "INVALID_ARGUMENTS"],
    ]);
  });

  test("activations: every change of phase", async () => {
    const { clock, runtime } = await startObserved(stores);
    const phases = listen<Record<string, unknown>>("durable-object:activation");
    await runtime.get(Counter, "a", { tenant: "t" }).increment();
    await clock.advance("6m");
    await runtime.get(Counter, "a", { tenant: "t" }).vanish();
    const about = { tenant: "t", type: "counter", id: "a" };
    expect(phases).toEqual([
      { ...about, from: "activating", to: "active" },
      { ...about, from: "active", to: "hibernated" },
      { ...about, from: "hibernated", to: "active" },
      { ...about, from: "active", to: "deactivating" },
      { ...about, from: "deactivating", to: "gone" },
    ]);
  });

  test("activations: whoever hears of a phase finds the object in it", async () => {
    const { clock, runtime } = await startObserved(stores);
    const seen: (string | undefined)[] = [];
    const look = (message: unknown): void => {
      const { id, to } = message as { readonly id: string; readonly to: string };
      if (to !== "gone") seen.push(`${to}: ${runtime.locate(Counter, id)?.phase}`);
    };
    subscribe("durable-object:activation", look);
    onTestFinished(() => void unsubscribe("durable-object:activation", look));
    await runtime.get(Counter, "seen").increment();
    await clock.advance("6m");
    expect(seen).toEqual(["active: active", "hibernated: hibernated"]);
  });

  test("warnings: a commit in doubt, a store that is lost", async () => {
    const { clock, store, runtime } = await startObserved(stores);
    const warnings = listen<{ warning: string; message: string; cause: unknown }>("durable-object:warning");
    store.loseNextAnswer();
    const call = runtime.get(Counter, "a").increment();
    await clock.advance("1s");
    await call;
    store.failNextCommit("lost");
    await codeOf(runtime.get(Counter, "a").increment());
    expect(warnings.map(({ warning }) => warning)).toEqual(["commit-in-doubt", "store-lost"]);
    for (const { message, cause } of warnings) {
      expect(message.length).toBeGreaterThan(10);
      expect(cause).toBeInstanceOf(Error);
    }
  });

  test("nobody listens, nothing is told; whoever stops listening hears no more", async () => {
    const { runtime } = await startObserved(stores);
    await runtime.get(Counter, "a").increment();
    const call = listenTo("call");
    expect(call.start).toEqual([]);
    await runtime.get(Counter, "a").increment();
    expect(call.start).toHaveLength(1);
  });
});
