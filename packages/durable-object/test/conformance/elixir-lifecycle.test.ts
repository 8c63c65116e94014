/**
 * What the Elixir library `durable_object` does when an object comes and goes, row by row (areas AFL and
 * LIFE): the same here, or what this library does instead; docs/decisions/0003-conformance-differences.md
 * lists the latter.
 */

import { expect, test } from "vitest";
import { defineObject, fail, noreply, reply, schedule, type Duration } from "../../src/index.ts";
import { Counter } from "../support/counter.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate, type Gate } from "../support/gate.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

interface Idle {
  readonly hibernateAfter?: Duration | "never";
  readonly shutdownAfter?: Duration | "never";
}

function defineIdle(idle: Idle, wait?: Gate) {
  return defineObject({
    type: "idle",
    state: { loads: 0, calls: 0 },
    ...idle,
    handlers: {
      call: ({ state }) => reply(state.calls + 1, { ...state, calls: state.calls + 1 }),
      work: async ({ state }) => {
        await wait?.passed;
        return reply("done", { ...state, calls: state.calls + 1 });
      },
      refuse: () => fail("no"),
      get: ({ state }) => reply(state),
    },
  });
}

async function startIdle(stores: TestStores, idle: Idle, wait?: Gate) {
  const clock = new FakeClock();
  const store = new FaultyStore((await stores.create()).open());
  const Definition = defineIdle(idle, wait);
  const runtime = await start({ objects: [Definition], store, environment: clock.environment, callTimeout: "never" });
  const phase = () => runtime.locate(Definition, "i")?.phase ?? null;
  return { clock, store, runtime, Definition, phase, idle: runtime.get(Definition, "i") };
}

async function startLoading(stores: TestStores, afterLoad: "count" | "nothing" | "alarm" | "fail" | "wrong" | "keep") {
  const seen: string[] = [];
  const Loading = defineObject({
    type: "loading",
    state: { loads: 0 },
    afterLoad: ({ state, id }) => {
      seen.push(id);
      switch (afterLoad) {
        case "count":
          return noreply({ loads: state.loads + 1 });
        case "alarm":
          return noreply({ loads: state.loads + 1 }, schedule("later", "1h"));
        case "fail":
          return fail("not today");
        case "wrong":
          return { ok: true } as unknown as ReturnType<typeof noreply<{ loads: number }>>;
        case "keep":
          return noreply({ ...state });
        default:
          return noreply();
      }
    },
    handlers: { get: ({ state }) => reply(state.loads) },
    alarms: { later: () => noreply() },
  });
  const store = new FaultyStore((await stores.create()).open());
  const runtime = await start({ objects: [Loading], store });
  return { seen, store, runtime, Loading, loading: runtime.get(Loading, "l") };
}

onEveryStore("coming and going", (stores) => {
  test("AFL-1 afterLoad runs on every activation, new or stored, before the first call, and sees the id", async () => {
    const { seen, runtime, Loading, loading } = await startLoading(stores, "count");
    expect(await loading.get()).toBe(1);
    await runtime.deactivate(Loading, "l");
    expect(await loading.get()).toBe(2);
    expect(seen).toEqual(["l", "l"]);
  });

  test("AFL-2 what it returns is installed, and saved only if it is another state", async () => {
    const { runtime, Loading, loading, store } = await startLoading(stores, "keep");
    await loading.get();
    await runtime.deactivate(Loading, "l");
    await loading.get();
    expect(store.sent).toEqual([]);
  });

  test("AFL-3 an alarm it sets and its state are one commit", async () => {
    const { loading, store } = await startLoading(stores, "alarm");
    expect(await loading.get()).toBe(1);
    expect(store.applied).toHaveLength(1);
    expect(store.applied[0]?.writes[0]).toMatchObject({ state: '{"loads":1}', alarms: [{ name: "later" }] });
  });

  test("AFL-4 its save fails: the activation is rejected", async () => {
    const { loading, store, runtime, Loading } = await startLoading(stores, "count");
    store.failNextCommit("refused");
    expect(await codeOf(loading.get())).toBe("COMMIT_FAILED");
    expect(runtime.locate(Loading, "l")).toBeNull();
  });

  test("AFL-5 anything else it returns, and fail(): ACTIVATION_FAILED, typed", async () => {
    const wrong = await startLoading(stores, "wrong");
    expect(await codeOf(wrong.loading.get())).toBe("ACTIVATION_FAILED");
    const failing = await startLoading(stores, "fail");
    expect(await errorOf(failing.loading.get())).toMatchObject({ code: "ACTIVATION_FAILED", reason: "not today" });
  });

  test("AFL-6 without it nothing runs and nothing is written", async () => {
    const { idle, store } = await startIdle(stores, {});
    expect(await idle.get()).toEqual({ loads: 0, calls: 0 });
    expect(store.sent).toEqual([]);
  });

  test("AFL-7 leaving runs nothing and writes nothing: whatever was acknowledged is saved already", async () => {
    const { idle, store, runtime, Definition } = await startIdle(stores, {});
    await idle.call();
    await runtime.deactivate(Definition, "i");
    await runtime.stop();
    expect(store.sent).toHaveLength(1);
  });

  test("LIFE-1 the defaults: hibernate after 5 minutes, never leave", async () => {
    const { clock, idle, phase } = await startIdle(stores, {});
    expect([Counter.hibernateAfterMs, Counter.shutdownAfterMs]).toEqual([300_000, Infinity]);
    await idle.call();
    await clock.advance("310s");
    expect(phase()).toBe("hibernated");
    await clock.advance("3h");
    expect(phase()).toBe("hibernated");
  });

  test("LIFE-2 shutdownAfter 50: gone after 100 ms", async () => {
    const { clock, idle, phase } = await startIdle(stores, { shutdownAfter: 50 });
    await idle.call();
    await clock.advance(100);
    expect(phase()).toBeNull();
  });

  test("LIFE-3 it is the definition that says so, and no call can say otherwise", async () => {
    const { clock, idle, phase } = await startIdle(stores, { shutdownAfter: 200 });
    await idle.call();
    await clock.advance(100);
    expect(phase()).toBe("active");
    await clock.advance(151);
    expect(phase()).toBeNull();
  });

  test("LIFE-4 every call makes it stay, also one that fails", async () => {
    const { clock, idle, phase, runtime, Definition } = await startIdle(stores, { shutdownAfter: 100 });
    await idle.call();
    for (const call of [
      () => idle.get(),
      () => idle.refuse(),
      () => runtime.call(Definition, "i", "get", []),
      () => runtime.activate(Definition, "i"),
    ]) {
      await clock.advance(70);
      expect(phase()).toBe("active");
      await codeOf(call());
    }
    await clock.advance(130);
    expect(phase()).toBeNull();
  });

  test("LIFE-5 without shutdownAfter it never leaves by itself", async () => {
    const { clock, idle, phase } = await startIdle(stores, { hibernateAfter: "never" });
    await idle.call();
    await clock.advance("6h");
    expect(phase()).toBe("active");
  });

  test("LIFE-6 after it has left it is located nowhere, and the next call finds its state", async () => {
    const { clock, idle, phase } = await startIdle(stores, { shutdownAfter: 100 });
    await idle.call();
    await clock.advance(150);
    expect(phase()).toBeNull();
    expect(await idle.call()).toBe(2);
  });

  test("LIFE-7 nothing is saved when it leaves", async () => {
    const { clock, idle, store } = await startIdle(stores, { shutdownAfter: 100 });
    await idle.call();
    await clock.advance(500);
    expect(store.sent).toHaveLength(1);
  });

  test("LIFE-8 a hibernated object is located, and wakes with the next call, without the store", async () => {
    const { clock, idle, phase, store } = await startIdle(stores, { hibernateAfter: 1_000 });
    await idle.call();
    await clock.advance("2s");
    expect(phase()).toBe("hibernated");
    expect(await idle.call()).toBe(2);
    expect([phase(), store.loads]).toEqual(["active", 1]);
  });

  test("LIFE-9 after a loss the next call makes a new activation; nothing restarts by itself", async () => {
    const { idle, phase, store } = await startIdle(stores, {});
    await idle.call();
    await store.changeByStranger({ tenant: "", type: "idle", id: "i" }, { loads: 0, calls: 10 });
    expect(await codeOf(idle.call())).toBe("STALE_REVISION");
    expect(phase()).toBeNull();
    expect(await idle.call()).toBe(11);
  });

  test("LIFE-11 never leaving is allowed, and works from the first activation on", async () => {
    const { clock, idle, phase } = await startIdle(stores, { shutdownAfter: "never", hibernateAfter: "never" });
    expect(await idle.call()).toBe(1);
    await clock.advance("1h");
    expect(phase()).toBe("active");
    expect(await idle.call()).toBe(2);
  });

  test("LIFE-12 a handler longer than shutdownAfter, and a second call behind it: both are answered", async () => {
    const wait = gate();
    const { clock, idle, store } = await startIdle(stores, { shutdownAfter: 50 }, wait);
    const calls = [idle.work(), idle.call()];
    await clock.advance("10s");
    wait.open();
    expect(await Promise.all(calls)).toEqual(["done", 2]);
    expect(store.loads).toBe(1);
  });
});

test("LIFE-10 idle times: durations above zero, or never; anything else is INVALID_DEFINITION", async () => {
  for (const good of [1, 0.5, "250ms", "30s", "1.5m", "7d", "never"] as Duration[]) {
    expect(defineIdle({ hibernateAfter: good, shutdownAfter: good }).type).toBe("idle");
  }
  for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "5", "5 m", "-5m", "", "0s", null, {}, "forever"]) {
    expect(await codeOf(() => defineIdle({ hibernateAfter: bad as Duration }))).toBe("INVALID_DEFINITION");
    expect(await codeOf(() => defineIdle({ shutdownAfter: bad as Duration }))).toBe("INVALID_DEFINITION");
  }
});
