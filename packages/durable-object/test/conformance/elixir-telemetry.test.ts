/**
 * What the Elixir library `durable_object` tells of its work, row by row (area TEL), and the weakness of it (W-TE-1): the
 * same here, or what this library does instead. Its events are `[:durable_object, :storage, :save | :load | :delete]`
 * with `:start`, `:stop` and `:exception`; here they are tracing channels with `start`, `asyncEnd` and `error`.
 */

import { expect, test } from "vitest";
import { Counter } from "../support/counter.ts";
import { listen } from "../support/channels.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

type Event = Readonly<Record<string, unknown>>;

async function observed(stores: TestStores) {
  const clock = new FakeClock();
  const store = new FaultyStore((await stores.create()).open());
  const runtime = await start({ objects: [Counter], store, environment: clock.environment });
  return { clock, store, runtime, counter: runtime.get(Counter, "a", { tenant: "acme" }) };
}

function steps(name: string) {
  const step = (which: string) => listen<Event>(`tracing:durable-object:${name}:${which}`);
  return { start: step("start"), end: step("asyncEnd"), error: step("error") };
}

onEveryStore("what is told of storage", (stores) => {
  test("TEL-1 the start of a load, a save, a deletion: a time, the store, and the object", async () => {
    const { clock, runtime, counter } = await observed(stores);
    const started = ["storage.load", "storage.save", "storage.delete"].map((name) => steps(name).start);
    await counter.increment();
    await runtime.delete(Counter, "a", { tenant: "acme" });
    // With the tenant, which is part of the identity here; the store's name is what the repo is there.
    const about = { store: stores.name, tenant: "acme", type: "counter", id: "a", systemTimeMs: clock.nowMs };
    expect(started).toEqual([[about], [about], [about]]);
  });

  test("TEL-2 the end: the same, with a duration in ms", async () => {
    const { clock, store, runtime, counter } = await observed(stores);
    const ended = ["storage.load", "storage.save", "storage.delete"].map((name) => steps(name).end);
    const held = store.holdNextCommit();
    const writing = counter.increment();
    await held.reached;
    const systemTimeMs = clock.nowMs;
    await clock.advance(12);
    held.release();
    await writing;
    await runtime.delete(Counter, "a", { tenant: "acme" });
    const about = { store: stores.name, tenant: "acme", type: "counter", id: "a" };
    expect(ended).toEqual([
      [{ ...about, systemTimeMs, durationMs: 0 }],
      [{ ...about, systemTimeMs, durationMs: 12 }],
      [{ ...about, systemTimeMs: systemTimeMs + 12, durationMs: 0 }],
    ]);
  });

  test("TEL-3 what fails: the error itself, with its kind, its code, its cause and its stack", async () => {
    const { store, runtime, counter } = await observed(stores);
    const { error, end } = steps("storage.save");
    const [load, deletion] = [steps("storage.load"), steps("storage.delete")];
    store.failLoads("retry");
    expect(await codeOf(counter.increment())).toBe("LOAD_FAILED");
    expect(load.error).toMatchObject([{ tenant: "acme", id: "a", error: { kind: "retry" } }]);
    store.failLoads(null);
    store.failNextCommit("refused");
    expect(await codeOf(counter.increment())).toBe("COMMIT_FAILED");
    const [failed] = error;
    expect(failed).toMatchObject({ tenant: "acme", id: "a", durationMs: 0, error: { kind: "refused" } });
    expect((failed?.["error"] as Error | undefined)?.stack).toContain("at ");
    // An end follows, so that whoever measures durations misses none.
    expect(end).toHaveLength(1);
    await counter.increment();
    store.failNextCommit("refused");
    expect(await codeOf(runtime.delete(Counter, "a", { tenant: "acme" }))).toBe("COMMIT_FAILED");
    expect(deletion.error).toMatchObject([{ tenant: "acme", id: "a", error: { kind: "refused" } }]);
  });

  test("TEL-4 whoever listens changes nothing about the result", async () => {
    const { counter } = await observed(stores);
    steps("storage.save");
    steps("call");
    expect([await counter.increment(), await counter.increment(4)]).toEqual([1, 5]);
  });

  test("TEL-5 what a handler throws is the error of its call, and none of the storage", async () => {
    const { counter } = await observed(stores);
    const call = steps("call");
    const save = steps("storage.save");
    expect(await codeOf(counter.crash())).toBe("HANDLER_CRASHED");
    expect(call.error).toMatchObject([{ handler: "crash", error: { code: "HANDLER_CRASHED" } }]);
    expect([...save.start, ...save.error]).toEqual([]);
  });

  // There it was told as a success, because nothing was raised.
  test("TEL-6 a save that the store refuses is told as a failure", async () => {
    const { store, counter } = await observed(stores);
    const { error } = steps("storage.save");
    const commit = steps("commit");
    store.failNextCommit("refused");
    expect(await codeOf(counter.increment())).toBe("COMMIT_FAILED");
    expect([error.length, commit.error.length]).toEqual([1, 1]);
  });

  // There was nothing for calls, activation, hibernation, alarms, the scheduler, the cluster.
  test("TEL-7 calls, turns, commits, alarms and the life of objects are told as well", async () => {
    const { clock, counter } = await observed(stores);
    const [call, turn, commit, alarm] = ["call", "turn", "commit", "alarm"].map((name) => steps(name).end);
    const phases = listen<Event>("durable-object:activation");
    await counter.increment();
    await counter.alarms.schedule("ring", "1m");
    await clock.advance("10m");
    expect(call?.map(({ handler }) => handler)).toEqual(["increment", "alarms.schedule"]);
    expect(turn?.map(({ handler, from, waitMs }) => [handler, from, waitMs])).toEqual([
      ["increment", "caller", 0],
      ["alarms.schedule", "caller", 0],
      ["ring", "alarm", 0],
    ]);
    expect(commit?.map(({ objects, stale }) => [objects, stale])).toEqual([
      [1, 0],
      [1, 0],
      [1, 0],
    ]);
    expect(alarm).toMatchObject([{ alarm: "ring", attempt: 1, becomes: "done", tenant: "acme" }]);
    expect(phases.map(({ to }) => to)).toEqual(["active", "hibernated"]);
  });

  test("W-TE-1 everything that is told of an object names its tenant; a refusal is no success", async () => {
    const { clock, runtime, counter } = await observed(stores);
    const heard = ["call", "turn", "alarm", "storage.load", "storage.save", "storage.delete"].flatMap((name) => {
      const { start: begun, end, error } = steps(name);
      return [begun, end, error];
    });
    const phases = listen<Event>("durable-object:activation");
    await counter.increment();
    await codeOf(counter.crash());
    await counter.alarms.schedule("ring", "1m");
    await clock.advance("2m");
    await runtime.delete(Counter, "a", { tenant: "acme" });
    const events = [...heard.flat(), ...phases];
    expect(events.length).toBeGreaterThan(20);
    expect(new Set(events.map(({ tenant }) => tenant))).toEqual(new Set(["acme"]));
  });
});
