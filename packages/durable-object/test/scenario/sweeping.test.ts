/** What has expired is forgotten, however much of it there is. */

import { describe, expect, test } from "vitest";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { Counter } from "../support/counter.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { start, stores as allStores } from "../support/stores.ts";

/** The store, and how many records each of its sweeps forgot. */
function counted(inner: ObjectStore): { readonly store: ObjectStore; readonly forgotten: number[] } {
  const forgotten: number[] = [];
  const store: ObjectStore = {
    name: inner.name,
    async open(opening) {
      const opened = await inner.open(opening);
      const { sweep } = opened;
      opened.sweep = async (query) => {
        const count = await sweep.call(opened, query);
        forgotten.push(count);
        return count;
      };
      return opened;
    },
  };
  return { store, forgotten };
}

// What is swept is the store's, and tested there; when it is, is not.
describe.each(allStores.filter(({ name }) => name !== "postgres"))("sweeping ($name)", (stores) => {
  test("more than one sweep takes is forgotten at once, and not a sweep a minute", async () => {
    const clock = new FakeClock();
    const { store, forgotten } = counted((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store, environment: clock.environment });
    const keys = Array.from({ length: 2_300 }, (_, index) => `key ${index}`);
    for (let from = 0; from < keys.length; from += 500) {
      const calls = keys
        .slice(from, from + 500)
        .map((idempotencyKey) => runtime.get(Counter, "a", { idempotencyKey }).increment());
      await Promise.all(calls);
    }
    // Nothing has expired when the store is swept for the last time.
    await clock.advance("23h");
    await runtime.get(Counter, "b").increment();
    await clock.advance("59m");
    forgotten.length = 0;
    await clock.advance("2m");
    await runtime.get(Counter, "b").increment();
    await clock.advance("63s");
    await expect.poll(() => forgotten.reduce((sum, count) => sum + count, 0)).toBe(2_300);
    expect(forgotten.filter((count) => count >= 1_000)).toHaveLength(2);
  });

  test("a runtime that stops between two sweeps does not wait for the next", async () => {
    const clock = new FakeClock();
    const { store, forgotten } = counted((await stores.create()).open());
    const runtime = await start({ objects: [Counter], store, environment: clock.environment });
    const calls = Array.from({ length: 1_500 }, (_, index) => index).map((index) =>
      runtime.get(Counter, `${index % 500}`, { idempotencyKey: `key ${index}` }).increment(),
    );
    await Promise.all(calls);
    await clock.advance("25h");
    await expect.poll(() => forgotten.some((count) => count > 0)).toBe(true);
    await runtime.stop();
  });
});
