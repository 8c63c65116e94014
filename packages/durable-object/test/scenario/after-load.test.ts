/** afterLoad: once per activation, before the first call, and a write only where it changed something. */

import { expect, test } from "vitest";
import { defineObject, destroy, fail, noreply, read, reply, schedule, type Context } from "../../src/index.ts";
import { Counter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { codeOf, errorOf, watch } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

const initial = { loads: 0, calls: 0 };
type State = typeof initial;
type AfterLoad = (
  context: Context<State>,
) => ReturnType<typeof noreply<State, string>> | ReturnType<typeof fail<unknown>>;

/** What afterLoad does, from test to test. */
const hook: { afterLoad: (context: Context<State>) => ReturnType<AfterLoad> | Promise<ReturnType<AfterLoad>> } = {
  afterLoad: () => noreply(),
};
const Hooked = defineObject({
  type: "hooked",
  state: initial,
  hibernateAfter: "10s",
  afterLoad: async (context) => await hook.afterLoad(context),
  handlers: {
    call: ({ state }) => reply(state.calls + 1, { ...state, calls: state.calls + 1 }),
    get: ({ state }) => reply(state),
    look: read(({ state }) => reply(state)),
  },
  alarms: { wake: () => noreply() },
});

async function startHooked(stores: TestStores, afterLoad: (typeof hook)["afterLoad"]) {
  hook.afterLoad = afterLoad;
  const clock = new FakeClock();
  const disk = await stores.create();
  const store = new FaultyStore(disk.open());
  const runtime = await start({ objects: [Hooked, Counter], store, environment: clock.environment });
  return { clock, disk, store, runtime };
}

onEveryStore("afterLoad", (stores) => {
  test("it runs on every activation, of new and of stored objects, and before the first call", async () => {
    const ran: string[] = [];
    const { store, runtime } = await startHooked(stores, ({ id, state }) => {
      ran.push(`${id} ${state.loads}`);
      return noreply({ ...state, loads: state.loads + 1 });
    });
    const hooked = runtime.get(Hooked, "a");
    const first = await Promise.all([hooked.get(), hooked.look(), hooked.call()]);
    expect(first).toEqual([{ loads: 1, calls: 0 }, { loads: 1, calls: 0 }, 1]);
    await runtime.deactivate(Hooked, "a");
    expect(await hooked.get()).toEqual({ loads: 2, calls: 1 });
    expect(ran).toEqual(["a 0", "a 1"]);
    expect(store.applied.map(({ writes }) => writes[0]?.state)).toEqual([
      '{"loads":1,"calls":0}',
      '{"loads":1,"calls":1}',
      '{"loads":2,"calls":1}',
    ]);
  });

  test("nothing is written where it changed nothing: not for a new object, not at a re-activation", async () => {
    const { store, runtime } = await startHooked(stores, ({ state }) => noreply({ ...state }));
    await runtime.get(Hooked, "a").get();
    await runtime.deactivate(Hooked, "a");
    await runtime.get(Hooked, "a").get();
    expect(store.sent).toEqual([]);
    await runtime.get(Hooked, "a").call();
    await runtime.deactivate(Hooked, "a");
    await runtime.get(Hooked, "a").get();
    expect(store.sent).toHaveLength(1);
  });

  test("waking from hibernation is no activation", async () => {
    let ran = 0;
    const { clock, runtime } = await startHooked(stores, () => {
      ran += 1;
      return noreply();
    });
    await runtime.get(Hooked, "a").get();
    await clock.advance("15s");
    expect(runtime.locate(Hooked, "a")?.phase).toBe("hibernated");
    await runtime.get(Hooked, "a").get();
    expect(ran).toBe(1);
  });

  test("its state and its alarms are one commit, and no call runs before that is durable", async () => {
    const { store, runtime } = await startHooked(stores, ({ state }) =>
      noreply({ ...state, loads: 1 }, schedule("wake", "1h")),
    );
    const held = store.holdNextCommit();
    const call = runtime.get(Hooked, "a").get();
    const look = runtime.get(Hooked, "a").look();
    const watched = [watch(call), watch(look)];
    const batch = await held.reached;
    expect(batch.writes[0]).toMatchObject({
      state: '{"loads":1,"calls":0}',
      alarms: [{ change: "set", name: "wake" }],
    });
    await settled();
    expect(watched.map(({ settled: is }) => is)).toEqual([false, false]);
    expect(runtime.locate(Hooked, "a")?.phase).toBe("activating");
    held.release();
    expect([await call, await look]).toEqual([
      { loads: 1, calls: 0 },
      { loads: 1, calls: 0 },
    ]);
    expect((await runtime.get(Hooked, "a").alarms.list()).map(({ name }) => name)).toEqual(["wake"]);
  });

  test("it may call other objects, and be asynchronous", async () => {
    const { runtime } = await startHooked(stores, async ({ state, get }) => {
      const loads = await get(Counter, "c").increment();
      return noreply({ ...state, loads });
    });
    expect(await Promise.all(["a", "b"].map((id) => runtime.get(Hooked, id).get()))).toEqual(
      expect.arrayContaining([
        { loads: 1, calls: 0 },
        { loads: 2, calls: 0 },
      ]),
    );
    expect(await runtime.get(Counter, "c").get()).toBe(2);
  });

  test("it may see the id, the type, the tenant and a signal", async () => {
    const seen: unknown[] = [];
    const { runtime } = await startHooked(stores, ({ id, type, tenant, signal }) => {
      seen.push(id, type, tenant, signal.aborted);
      return noreply();
    });
    await runtime.get(Hooked, "a", { tenant: "acme" }).get();
    expect(seen).toEqual(["a", "hooked", "acme", false]);
  });

  test.each<[string, (typeof hook)["afterLoad"], string]>([
    [
      "throws",
      () => {
        throw new Error("no database");
      },
      "no database",
    ],
    [
      "rejects",
      async () => {
        await settled();
        throw new Error("no network");
      },
      "no network",
    ],
    ["returns nothing", () => undefined as unknown as ReturnType<AfterLoad>, "instead of an outcome"],
    ["returns a state that is no JSON", ({ state }) => noreply({ ...state, loads: Number.NaN }), "state.loads"],
    ["sets an alarm that does not exist", ({ state }) => noreply(state, schedule("nothing", 1)), "nothing"],
  ])(
    "if it %s, the activation fails for everybody who waits, nothing is kept, and the next call tries again",
    async (_what, afterLoad, message) => {
      const { store, runtime } = await startHooked(stores, afterLoad);
      const calls = [runtime.get(Hooked, "a").call(), runtime.get(Hooked, "a").get(), runtime.activate(Hooked, "a")];
      for (const error of await Promise.all(calls.map(errorOf))) {
        expect(error).toMatchObject({ code: "ACTIVATION_FAILED", outcome: "not-applied", retryable: false });
        expect(error.message).toContain("hooked/a");
        expect(error.message).toContain(message);
      }
      expect(runtime.locate(Hooked, "a")).toBeNull();
      expect(store.sent).toEqual([]);
      hook.afterLoad = () => noreply();
      expect(await runtime.get(Hooked, "a").call()).toBe(1);
    },
  );

  test("fail(reason) fails the activation with that reason", async () => {
    const { runtime } = await startHooked(stores, () => fail({ closed: true }));
    const error = await errorOf(runtime.get(Hooked, "a").call());
    expect(error).toMatchObject({ code: "ACTIVATION_FAILED", reason: { closed: true } });
  });

  test("while it runs, calls may time out; they never run", async () => {
    let finish = (): void => {};
    const { clock, runtime } = await startHooked(stores, async () => {
      await new Promise<void>((resolve) => (finish = resolve));
      return noreply();
    });
    const late = errorOf(runtime.get(Hooked, "a").call());
    await clock.advance("6s");
    expect(await late).toMatchObject({ code: "CALL_TIMEOUT", outcome: "not-applied" });
    const patient = runtime.get(Hooked, "a").call();
    finish();
    expect(await patient).toBe(1);
  });

  test("it may destroy the object: the calls that wait meet a fresh one", async () => {
    const { store, runtime } = await startHooked(stores, ({ state }) =>
      state.calls > 2 ? noreply(state, destroy()) : noreply(),
    );
    const hooked = runtime.get(Hooked, "a");
    await Promise.all([hooked.call(), hooked.call(), hooked.call()]);
    await runtime.deactivate(Hooked, "a");
    expect(await Promise.all([hooked.call(), hooked.get(), hooked.call()])).toEqual([1, { loads: 0, calls: 1 }, 2]);
    expect(store.applied.filter(({ writes }) => writes.some(({ deleted }) => deleted))).toHaveLength(1);
  });

  test("a load that fails is LOAD_FAILED for everybody who waits, and no activation is left", async () => {
    let ran = 0;
    const { store, runtime } = await startHooked(stores, () => {
      ran += 1;
      return noreply();
    });
    store.failLoads("retry");
    const calls = [runtime.get(Hooked, "a").call(), runtime.get(Hooked, "a").look(), runtime.activate(Hooked, "a")];
    for (const error of await Promise.all(calls.map(errorOf))) {
      expect(error).toMatchObject({ code: "LOAD_FAILED", outcome: "not-applied", retryable: true });
      expect(error.address?.id).toBe("a");
      expect(error.cause).toBeInstanceOf(Error);
    }
    expect([ran, runtime.locate(Hooked, "a"), runtime.activeCount]).toEqual([0, null, 0]);
    store.failLoads(null);
    expect(await codeOf(runtime.get(Hooked, "a").call())).toBe("ok");
  });
});
