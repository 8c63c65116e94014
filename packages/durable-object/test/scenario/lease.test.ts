/** A node that could not renew its lease in time: what it answers from memory waits, and is told or not. */

import { expect, test } from "vitest";
import { defineCounter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { DurableObjectError } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { start } from "../support/stores.ts";

const Counter = defineCounter();

async function world() {
  const clock = new FakeClock();
  const store = new FaultyStore(memory());
  const runtime = await start({ objects: [Counter], store, environment: clock.environment });
  const counter = runtime.get(Counter, "a");
  await counter.increment();
  store.leaseUntilMs = clock.environment.monotonic() - 1;
  return { clock, store, runtime, counter };
}

/** Whether a call has its answer, and which. */
function watch(call: Promise<unknown>): { answer: unknown } {
  const seen = { answer: undefined as unknown };
  call.then(
    (value) => (seen.answer = value),
    (error: unknown) => (seen.answer = error instanceof DurableObjectError ? error.code : error),
  );
  return seen;
}

test("an answer from memory waits for the renewal, and was true all the time", async () => {
  const { clock, store, counter } = await world();
  const seen = watch(counter.get());
  await clock.advance("500ms");
  expect(seen.answer).toBeUndefined();
  store.leaseUntilMs = clock.environment.monotonic() + 1_000;
  await clock.advance("20ms");
  expect(seen.answer).toBe(1);
  expect(await counter.get()).toBe(1);
});

test("without a renewal it is LEASE_LAPSED after a second; what is committed needs no lease", async () => {
  const { clock, counter } = await world();
  const seen = watch(counter.get());
  expect(await counter.increment()).toBe(2);
  await clock.advance("1s");
  await clock.advance("20ms");
  expect(seen.answer).toBe("LEASE_LAPSED");
});

test("a runtime that stops keeps nobody waiting, and leaves no timer", async () => {
  const { clock, runtime, counter } = await world();
  const seen = watch(counter.get());
  await settled();
  const stopped = runtime.stop();
  await settled();
  await stopped;
  expect(seen.answer).toBe("LEASE_LAPSED");
  expect(clock.timers).toBe(0);
});
