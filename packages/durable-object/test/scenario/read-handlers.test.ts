/** read(): runs at once on the last committed state, beside a running turn, and cannot write. */

import { expect, test } from "vitest";
import { z } from "zod";
import { cancel, defineObject, fail, noreply, read, reply, type ReadOutcome } from "../../src/index.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate, type Gate } from "../support/gate.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start, type TestStores } from "../support/stores.ts";

const gates = new Map<string, Gate>();
const wild: Record<string, (state: { count: number }) => unknown> = {
  "a next state": (state) => reply(1, { count: state.count + 1 }),
  "a next state without a result": (state) => noreply({ count: state.count + 1 }),
  "an effect": (state) => reply(1, state, cancel("ring")),
  nothing: () => undefined,
};
const Page = defineObject({
  type: "page",
  state: { count: 0 },
  handlers: {
    visit: ({ state }) => reply(state.count + 1, { count: state.count + 1 }),
    visitSlowly: async ({ state }, gateName: string) => {
      await gates.get(gateName)?.passed;
      return reply(state.count + 1, { count: state.count + 1 });
    },
    look: read(({ state }) => reply(state.count)),
    lookSlowly: read(async ({ state }, gateName: string) => {
      await gates.get(gateName)?.passed;
      return reply(state.count);
    }),
    add: read(({ state }, a: number, b: number) => reply(state.count + a + b)),
    checked: read({ args: z.tuple([z.coerce.number()]) }, ({ state }, by) => reply(state.count * by)),
    refuse: read(({ state }) => fail({ seen: state.count })),
    crash: read(() => {
      throw new Error("unreadable");
    }),
    sameState: read(({ state }) => reply(state.count, state as never)),
    wild: read(({ state }, what: string) => wild[what]!(state) as ReadOutcome),
  },
  alarms: { ring: () => noreply() },
});

async function startPages(stores: TestStores) {
  const clock = new FakeClock();
  const store = new FaultyStore((await stores.create()).open());
  const runtime = await start({ objects: [Page], store, environment: clock.environment });
  return { clock, store, runtime, page: runtime.get(Page, "p") };
}

onEveryStore("read handlers", (stores) => {
  test("arguments, schemas, results, reasons and crashes are those of any handler", async () => {
    const { page, runtime } = await startPages(stores);
    await page.visit();
    expect(await page.add(2, 3)).toBe(6);
    expect(await page.checked("4")).toBe(4);
    expect(await codeOf(page.checked("x"))).toBe("INVALID_ARGUMENTS");
    expect(await errorOf(page.refuse())).toMatchObject({ code: "HANDLER_FAILED", reason: { seen: 1 } });
    expect(await codeOf(page.crash())).toBe("HANDLER_CRASHED");
    expect(await page.sameState()).toBe(1);
    expect(await runtime.call("page", "p", "look", [])).toBe(1);
  });

  test.each(Object.keys(wild))("one that returns %s is INVALID_OUTCOME, and nothing is written", async (what) => {
    const { page, store } = await startPages(stores);
    expect(await codeOf(page.wild(what))).toBe("INVALID_OUTCOME");
    expect(await page.look()).toBe(0);
    expect(store.sent).toEqual([]);
  });

  test("many reads run at the same time, beside a turn and beside each other", async () => {
    const { page } = await startPages(stores);
    gates.set("turn", gate());
    gates.set("read", gate());
    await page.visit();
    const turn = page.visitSlowly("turn");
    const slow = Array.from({ length: 50 }, () => page.lookSlowly("read"));
    expect(await page.look()).toBe(1);
    gates.get("turn")?.open();
    expect(await turn).toBe(2);
    // A read keeps the state that it began with.
    gates.get("read")?.open();
    expect(new Set(await Promise.all(slow))).toEqual(new Set([1]));
    expect(await page.look()).toBe(2);
  });

  test("reads that arrive while the object is being loaded run before the turns that wait", async () => {
    const { page, store } = await startPages(stores);
    gates.set("first", gate());
    const release = store.holdLoads();
    const turn = page.visitSlowly("first");
    const look = page.look();
    await settled();
    release();
    expect(await look).toBe(0);
    gates.get("first")?.open();
    expect(await turn).toBe(1);
  });

  test("a read wakes a hibernated object and brings one to life, and writes nothing", async () => {
    const { page, store, clock, runtime } = await startPages(stores);
    expect(await page.look()).toBe(0);
    expect(runtime.locate(Page, "p")?.phase).toBe("active");
    await clock.advance("6m");
    expect(runtime.locate(Page, "p")?.phase).toBe("hibernated");
    expect(await page.look()).toBe(0);
    expect([store.loads, store.sent.length]).toEqual([1, 0]);
  });

  test("a read that runs long times out with outcome unknown, and holds up nobody", async () => {
    const { page, clock } = await startPages(stores);
    gates.set("never", gate());
    const late = errorOf(page.lookSlowly("never"));
    await settled();
    expect(await page.visit()).toBe(1);
    await clock.advance("6s");
    expect((await late).code).toBe("CALL_TIMEOUT");
    gates.get("never")?.open();
  });

  test("a read with an idempotency key is just a read", async () => {
    const { page, store, runtime } = await startPages(stores);
    const keyed = runtime.get(Page, "p", { idempotencyKey: "k" });
    expect(await keyed.look()).toBe(0);
    await page.visit();
    expect(await keyed.look()).toBe(1);
    expect(store.applied.flatMap(({ writes }) => writes.flatMap(({ replies }) => replies))).toEqual([]);
  });

  test("when the object is lost, a read that runs is told", async () => {
    const { page, store } = await startPages(stores);
    gates.set("lost", gate());
    const reading = errorOf(page.lookSlowly("lost"));
    await settled();
    store.failNextCommit("lost");
    expect(await codeOf(page.visit())).toBe("STORE_TAKEN_OVER");
    expect(await reading).toMatchObject({ code: "STORE_TAKEN_OVER", outcome: "not-applied" });
    gates.get("lost")?.open();
  });
});
