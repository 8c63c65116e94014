/** Promise 12: nothing is deleted because this process does not know it. */

import { expect, test } from "vitest";
import { defineObject, noreply, reply } from "../../src/index.ts";
import { Counter } from "../support/counter.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { onEveryStore, start } from "../support/stores.ts";

const Invoice = defineObject({
  type: "invoice",
  state: { total: 0 },
  handlers: { add: ({ state }, amount: number) => reply(state.total + amount, { total: state.total + amount }) },
  alarms: { due: () => noreply() },
});

onEveryStore("unknown types", (stores) => {
  test("objects and alarms of a type that is not known here wait until somebody knows it", async () => {
    const clock = new FakeClock();
    const { environment } = clock;
    const disk = await stores.create();
    const both = await start({ objects: [Counter, Invoice], store: disk.open(), environment });
    await both.get(Invoice, "i", { idempotencyKey: "k" }).add(7);
    await both.get(Invoice, "i").alarms.schedule("due", "1h");
    await both.stop();

    const one = await start({ objects: [Counter], store: disk.open(), environment });
    await one.get(Counter, "c").increment();
    await one.delete(Counter, "c");
    // Long enough for every sweep of the store, and for the alarm to be overdue.
    await clock.advance("3h");
    expect(await codeOf(one.get(Counter, "c").get())).toBe("ok");
    await one.stop();

    const again = await start({ objects: [Counter, Invoice], store: disk.open(), environment });
    expect(await again.peek(Invoice, "i")).toEqual({ total: 7 });
    expect((await again.get(Invoice, "i").alarms.list()).map(({ name }) => name)).toEqual(["due"]);
    expect(await again.get(Invoice, "i", { idempotencyKey: "k" }).add(7)).toBe(7);
    expect(await again.get(Invoice, "i").add(1)).toBe(8);
  });

  test("an alarm whose name the definition does not have any more stays too", async () => {
    const Renamed = defineObject({
      type: "invoice",
      state: { total: 0 },
      handlers: { add: ({ state }, amount: number) => reply(amount, { total: state.total + amount }) },
      alarms: { overdue: () => noreply() },
    });
    const disk = await stores.create();
    const before = await start({ objects: [Invoice], store: disk.open() });
    await before.get(Invoice, "i").alarms.schedule("due", "1h");
    await before.stop();
    const after = await start({ objects: [Renamed], store: disk.open() });
    await after.get(Renamed, "i").add(1);
    const alarms: readonly { name: string }[] = await after.get(Renamed, "i").alarms.list();
    expect(alarms.map(({ name }) => name)).toEqual(["due"]);
  });

  test("asking for an unknown type is UNKNOWN_TYPE, with the types that are known, and touches nothing", async () => {
    const runtime = await start({ objects: [Counter], store: (await stores.create()).open() });
    const error = await errorOf(() => runtime.get(Invoice, "i"));
    expect(error).toMatchObject({ code: "UNKNOWN_TYPE", outcome: "not-applied", retryable: false });
    expect(error.message).toContain('"invoice"');
    expect(error.message).toContain("counter");
    const calls = [
      () => runtime.call("invoice", "i", "add", [1]),
      () => runtime.activate("invoice", "i"),
      () => runtime.deactivate("invoice", "i"),
      () => runtime.delete("invoice", "i"),
      () => runtime.peek("invoice", "i"),
      () => runtime.list("invoice"),
      () => runtime.locate("invoice", "i"),
    ];
    expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => "UNKNOWN_TYPE"));
  });

  test("another definition of a type that is known is not taken for it", async () => {
    const Impostor = defineObject({ type: "counter", state: { count: 0 }, handlers: { steal: () => noreply() } });
    const runtime = await start({ objects: [Counter], store: (await stores.create()).open() });
    const error = await errorOf(() => runtime.get(Impostor, "a"));
    expect(error.code).toBe("UNKNOWN_TYPE");
    expect(error.message).toContain("another definition");
    expect(await codeOf(() => runtime.call(Impostor, "a", "steal", []))).toBe("UNKNOWN_TYPE");
  });
});
