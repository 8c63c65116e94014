/** Three nodes of one process, on the store and the transport in memory. */

import { afterEach, expect, test, vi } from "vitest";
import { cluster, createRuntime, defineObject, noreply, reply, schedule, type Runtime } from "../../src/index.ts";
import { memory, memoryTransport } from "../../src/memory/index.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import type { Transport } from "../../src/ports/transport.ts";

const Counter = defineObject({
  type: "counter",
  state: { n: 0, rings: 0 },
  handlers: {
    increment: ({ state }, by = 1) => reply(state.n + by, { ...state, n: state.n + by }),
    get: ({ state }) => reply(state.n),
    rings: ({ state }) => reply(state.rings),
    ringIn: ({ state }, ms: number) => reply(null, state, schedule("ring", ms)),
    nothing: () => noreply(),
    broken() {
      throw new TypeError("this handler is broken");
    },
  },
  alarms: { ring: ({ state }) => noreply({ ...state, rings: state.rings + 1 }) },
});

/** Calls an object from inside of a turn. */
const Relay = defineObject({
  type: "relay",
  state: {},
  handlers: {
    async relay(context, to: string) {
      return reply(await context.get(Counter, to).increment());
    },
  },
});

const eventually = (check: () => unknown): Promise<unknown> => vi.waitFor(check, { timeout: 10_000, interval: 20 });

const open: Runtime[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((runtime) => runtime.stop()));
});

async function start(store: ObjectStore, transport: Transport, name: string): Promise<Runtime> {
  const runtime = await createRuntime({
    objects: [Counter, Relay],
    store,
    cluster: cluster({ transport, name, lease: "1s" }),
  });
  open.push(runtime);
  return runtime;
}

async function three(): Promise<[Runtime, Runtime, Runtime]> {
  const store = memory();
  const transport = memoryTransport();
  const runtimes = [
    await start(store, transport, "a"),
    await start(store, transport, "b"),
    await start(store, transport, "c"),
  ];
  await balanced(runtimes);
  return runtimes as [Runtime, Runtime, Runtime];
}

async function balanced(runtimes: readonly Runtime[]): Promise<void> {
  await eventually(() => {
    for (const runtime of runtimes) {
      const { nodes } = runtime.cluster.status();
      const counts = nodes.map(({ slots }) => slots);
      expect(nodes.length).toBe(runtimes.length);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      expect(counts.reduce((sum, each) => sum + each, 0)).toBe(1_024);
    }
  });
}

test("slots are shared evenly, and every node takes every call", async () => {
  const runtimes = await three();
  const ids = Array.from({ length: 60 }, (_, index) => `object-${index}`);
  for (const runtime of runtimes) {
    await Promise.all(ids.map((id) => runtime.get(Counter, id).increment()));
  }
  const [first] = runtimes;
  expect(await Promise.all(ids.map((id) => first.get(Counter, id).get()))).toEqual(ids.map(() => 3));
  const owners = new Set(ids.map((id) => first.locate(Counter, id)?.node));
  owners.delete(undefined);
  expect(runtimes.every((runtime) => runtime.activeCount > 0)).toBe(true);
  expect(runtimes.reduce((sum, { activeCount }) => sum + activeCount, 0)).toBe(60);
});

test("a node that stops hands everything over: no call fails", async () => {
  const runtimes = await three();
  const [first, second, third] = runtimes;
  const ids = Array.from({ length: 30 }, (_, index) => `object-${index}`);
  let calls = 0;
  const clock = { stopped: false };
  const clients = [second, third].map(async (runtime) => {
    while (!clock.stopped) {
      await Promise.all(ids.map((id) => runtime.get(Counter, id).increment()));
      calls += ids.length;
    }
  });
  await eventually(() => expect(calls).toBeGreaterThan(300));
  await first.stop();
  const before = calls;
  await eventually(() => expect(calls).toBeGreaterThan(before + 300));
  clock.stopped = true;
  await Promise.all(clients);
  const sum = await Promise.all(ids.map((id) => second.get(Counter, id).get()));
  expect(sum.reduce((a, b) => a + b, 0)).toBe(calls);
});

test("errors, nothing, alarms and deletion work from another node", async () => {
  const [first, second] = await three();
  const id = Array.from({ length: 100 }, (_, index) => `x-${index}`).find(
    (each) => first.locate(Counter, each)?.phase === null && first.locate(Counter, each)?.node === second.node,
  );
  if (id === undefined) throw new Error("no object of the second node");
  const stub = first.get(Counter, id);
  await expect(stub.broken()).rejects.toMatchObject({ code: "HANDLER_CRASHED", message: /this handler is broken/ });
  await expect(stub.nothing()).resolves.toBeUndefined();
  await stub.increment(3);
  await stub.alarms.schedule("ring", "1h");
  expect((await stub.alarms.list()).map(({ name }) => name)).toEqual(["ring"]);
  expect(await stub.alarms.cancel("ring")).toBe(true);
  await stub.ringIn(0);
  await eventually(async () => expect(await stub.rings()).toBe(1));
  await first.deactivate(Counter, id);
  expect(second.locate(Counter, id)).toBe(null);
  await first.delete(Counter, id);
  expect(await stub.get()).toBe(0);
});
