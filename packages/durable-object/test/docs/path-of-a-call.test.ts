/**
 * ARCHITECTURE.md says in which order a call passes the steps of the engine. This makes such calls, and
 * holds the page to what telemetry tells.
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { existsSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  createRuntime,
  defineObject,
  fail,
  noreply,
  read,
  reply,
  type AnyDefinition,
  type Runtime,
} from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { codeIn, pathOf, rowsUnder, textOf } from "./page.ts";

const operations = ["call", "storage.load", "storage.save", "storage.delete"];
const steps = ["start", "end", "asyncStart", "asyncEnd", "error"];

/** Everything that happens on the way of calls, in order, until the test is over. */
function listenToAll(): string[] {
  const heard: string[] = [];
  const listen = (channel: string, told: (message: { from?: string; to?: string }) => string): void => {
    const hear = (message: unknown): void => void heard.push(told(message as { from?: string; to?: string }));
    subscribe(channel, hear);
    onTestFinished(() => void unsubscribe(channel, hear));
  };
  for (const operation of operations) {
    for (const step of steps) listen(`tracing:durable-object:${operation}:${step}`, () => `${operation}:${step}`);
  }
  listen("durable-object:activation", ({ from, to }) => `${from} → ${to}`);
  return heard;
}

/** A counter that tells when its handlers run. */
function defineObserved(heard: string[]) {
  return defineObject({
    type: "observed",
    state: { count: 0 },
    handlers: {
      increment: ({ state }) => {
        heard.push("the handler runs");
        return reply(state.count + 1, { count: state.count + 1 });
      },
      look: read(({ state }) => {
        heard.push("the handler runs");
        return reply(state.count);
      }),
      refuse: () => {
        heard.push("the handler runs");
        return fail("no");
      },
    },
    afterLoad: () => {
      heard.push("afterLoad runs");
      return noreply();
    },
  });
}

async function startRuntime(definition: AnyDefinition): Promise<Runtime> {
  const runtime = await createRuntime({ objects: [definition], store: memory() });
  onTestFinished(() => runtime.stop());
  return runtime;
}

describe("a call passes the steps in the order that ARCHITECTURE.md gives", () => {
  const path = rowsUnder("ARCHITECTURE.md", "The path of a call", "step");

  test("the first call of an object, which changes it", async () => {
    const heard = listenToAll();
    const Observed = defineObserved(heard);
    const runtime = await startRuntime(Observed);
    expect(await runtime.get(Observed, "a").increment()).toBe(1);

    const documented = path.flatMap(({ event }) => codeIn(event));
    expect(documented).toContain("the handler runs");
    expect(heard.filter((event) => event !== "afterLoad runs")).toEqual(documented);
    expect(heard.indexOf("afterLoad runs")).toBeGreaterThan(heard.indexOf("storage.load:asyncEnd"));
    expect(heard.indexOf("afterLoad runs")).toBeLessThan(heard.indexOf("activating → active"));
  });

  test("a call of an object that is active neither loads nor comes to life", async () => {
    const heard = listenToAll();
    const Observed = defineObserved(heard);
    const runtime = await startRuntime(Observed);
    const observed = runtime.get(Observed, "a");
    await observed.increment();
    heard.length = 0;
    expect(await observed.increment()).toBe(2);
    expect(heard).toEqual([
      "call:start",
      "the handler runs",
      "storage.save:start",
      "storage.save:asyncEnd",
      "call:asyncEnd",
    ]);
  });

  test("a call that changes nothing does not reach the committer", async () => {
    const heard = listenToAll();
    const Observed = defineObserved(heard);
    const runtime = await startRuntime(Observed);
    const observed = runtime.get(Observed, "a");
    await observed.increment();
    heard.length = 0;
    expect(await observed.look()).toBe(1);
    expect(heard).toEqual(["call:start", "the handler runs", "call:asyncEnd"]);
  });

  test("a call that fails leaves at the turn", async () => {
    const heard = listenToAll();
    const Observed = defineObserved(heard);
    const runtime = await startRuntime(Observed);
    const observed = runtime.get(Observed, "a");
    await observed.increment();
    heard.length = 0;
    await expect(observed.refuse()).rejects.toMatchObject({ code: "HANDLER_FAILED" });
    expect(heard).toEqual(["call:start", "the handler runs", "call:error", "call:asyncEnd"]);
  });

  test("a call that is refused at the router gets no further", async () => {
    const heard = listenToAll();
    const Observed = defineObserved(heard);
    const runtime = await startRuntime(Observed);
    await runtime.stop();
    await expect(runtime.get(Observed, "b").increment()).rejects.toMatchObject({ code: "RUNTIME_STOPPED" });
    expect(heard).toEqual(["call:start", "call:error", "call:asyncEnd"]);
  });
});

test("every file that ARCHITECTURE.md names exists", () => {
  const files = new Set(codeIn(textOf("ARCHITECTURE.md")).filter((code) => /^[\w-]+\/(?:[\w-]+\.ts)?$/.test(code)));
  const missing = [...files].filter(
    (file) => !existsSync(pathOf(`packages/durable-object/src/${file}`)) && !existsSync(pathOf(file)),
  );
  expect(files.size).toBeGreaterThan(30);
  expect(missing).toEqual([]);
});
