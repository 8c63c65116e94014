/**
 * Every error code is provoked by a real situation. The table has an entry for each of them: the compiler
 * misses none, and a test compares the two lists.
 */

import { promises as fs, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { errorCodes, type ErrorCode } from "../../src/core/errors.ts";
import {
  cluster,
  createRuntime,
  defineObject,
  fail,
  handler,
  noreply,
  reply,
  schedule,
  sql,
  type AnyDefinition,
  type Reply,
  type Runtime,
  type RuntimeOptions,
  type Transport,
} from "../../src/index.ts";
import { memory, memoryTransport } from "../../src/memory/index.ts";
import { TransportFailure } from "../../src/ports/index.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import { createTestRuntime } from "../../src/testing/index.ts";
import { storeFailure } from "../../src/sqlite/sqlite-failure.ts";
import { z } from "zod";
import { defineCounter } from "../support/counter.ts";
import { FakeClock, settled } from "../support/fake-clock.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { gate } from "../support/gate.ts";
import { errorOf } from "../support/outcome-of.ts";
import { start } from "../support/stores.ts";

const slow = gate();
const Counter = defineCounter({ slow });
const Thing = defineObject({
  type: "thing",
  state: { text: "" },
  handlers: {
    put: (_context, text: string) => reply(text, { text }),
    checked: handler({ args: z.tuple([z.number()]) }, (_context, value) => reply(value)),
    odd: () => 5 as unknown as Reply<number, never>,
    badResult: () => reply(5n),
    badState: () => noreply({ text: Number.NaN as unknown as string }),
    badAlarm: ({ state }, name: string) => noreply(state, schedule(name, 1)),
    order: ({ state }) => noreply(state, sql("INSERT INTO orders VALUES (1)")),
  },
});
const Closed = defineObject({
  type: "closed",
  state: {},
  afterLoad: () => fail("closed"),
  handlers: { go: () => noreply() },
});

async function world(options: Partial<RuntimeOptions> = {}) {
  const clock = new FakeClock();
  const store = new FaultyStore(memory());
  const runtime = await start({
    objects: [Counter, Thing, Closed],
    store,
    environment: clock.environment,
    stopTimeout: 0,
    ...options,
  });
  return { clock, store, runtime, counter: runtime.get(Counter, "a"), thing: runtime.get(Thing, "a") };
}

async function temporaryFile(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "durable-object-codes-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return join(directory, "app.db");
}

const openAt = async (path: string): Promise<unknown> =>
  await createRuntime({ objects: [Counter], store: sqlite(path, { lockTimeout: 0 }) });

/** What SQLite itself throws in a situation that cannot be made on any disk. */
async function sqliteError(situation: "full" | "read-only"): Promise<Error> {
  const path = await temporaryFile();
  const made = new DatabaseSync(path);
  made.exec("CREATE TABLE t (text TEXT); PRAGMA max_page_count = 2");
  const database = situation === "full" ? made : new DatabaseSync(path, { readOnly: true });
  try {
    database.prepare("INSERT INTO t VALUES (?)").run("x".repeat(100_000));
  } catch (error) {
    return error as Error;
  } finally {
    made.close();
  }
  throw new Error("SQLite wrote");
}

async function commitThatMeets(situation: "full" | "read-only"): Promise<unknown> {
  const { store, counter } = await world();
  store.failNextCommitWith(storeFailure(await sqliteError(situation), "write", "app.db"));
  return await counter.increment();
}

/** Two nodes of a cluster; returns the one that was there first, and the other one. */
async function twoNodes(
  transports: readonly [Transport, Transport],
  objects: readonly (readonly AnyDefinition[])[] = [
    [Counter, Thing],
    [Counter, Thing],
  ],
): Promise<[Runtime, Runtime]> {
  const store = memory();
  const nodeOf = (index: number): Promise<Runtime> => {
    const transport = transports[index] as Transport;
    return start({ objects: objects[index] ?? [], store, cluster: cluster({ transport, lease: "1m" }) });
  };
  return [await nodeOf(0), await nodeOf(1)];
}

/** The id of an object that another node owns. */
function idElsewhere(node: Runtime, definition: AnyDefinition): string {
  for (let number = 0; ; number++) {
    const owner = node.locate(definition, `${number}`)?.node;
    if (owner !== undefined && owner !== node.node) return `${number}`;
  }
}

const provocations: Record<ErrorCode, () => Promise<unknown>> = {
  INVALID_DEFINITION: async () => defineObject({ type: "", state: {}, handlers: {} }),
  INVALID_OPTION: async () => await createRuntime({ objects: [Counter], store: memory(), maxActive: 0 }),
  INVALID_ADDRESS: async () => (await world()).runtime.get(Counter, " "),
  INVALID_ARGUMENTS: async () => await (await world()).thing.checked("x" as unknown as number),
  ARGUMENTS_TOO_LARGE: async () => await (await world({ maxArgumentBytes: 10 })).thing.put("a longer text"),
  INVALID_OUTCOME: async () => await (await world()).thing.odd(),
  INVALID_RESULT: async () => await (await world()).thing.badResult(),
  INVALID_STATE: async () => await (await world()).thing.badState(),
  STATE_TOO_LARGE: async () => await (await world({ maxStateBytes: 20 })).thing.put("a longer text"),
  UNKNOWN_TYPE: async () => await (await world()).runtime.list("nothing"),
  UNKNOWN_HANDLER: async () => await (await world()).runtime.call("thing", "a", "nothing", []),
  UNKNOWN_ALARM: async () => await (await world()).thing.badAlarm("nothing"),
  IDEMPOTENCY_KEY_REUSED: async () => {
    const { runtime } = await world();
    await runtime.get(Thing, "a", { idempotencyKey: "k" }).put("1");
    return await runtime.get(Thing, "a", { idempotencyKey: "k" }).put("2");
  },
  RESULT_NOT_RECORDED: async () => {
    const { runtime } = await world();
    await runtime.get(Thing, "a", { idempotencyKey: "k" }).put("x".repeat(70_000));
    return await runtime.get(Thing, "a", { idempotencyKey: "k" }).put("x".repeat(70_000));
  },
  HANDLER_FAILED: async () => await (await world()).counter.refuse(),
  HANDLER_CRASHED: async () => await (await world()).counter.crash(),
  CALL_TIMEOUT: async () => {
    const { clock, counter } = await world();
    const call = counter.incrementSlowly("slow");
    void settled().then(async () => await clock.advance("6s"));
    return await call;
  },
  CALL_ABORTED: async () => {
    const { runtime } = await world();
    const controller = new AbortController();
    const call = runtime.get(Counter, "a", { signal: controller.signal }).incrementSlowly("slow");
    void settled().then(() => controller.abort());
    return await call;
  },
  CALL_CYCLE: async () => {
    const codes: Promise<unknown>[] = [];
    const Cycle = defineObject({
      type: "cycle",
      state: {},
      handlers: {
        go: async () => {
          codes.push(runtime.call("cycle", "a", "go", []));
          await Promise.allSettled(codes);
          return noreply();
        },
      },
    });
    const { runtime } = await world({ objects: [Cycle, Counter, Thing] });
    await runtime.call("cycle", "a", "go", []);
    return await codes[0];
  },
  MAILBOX_FULL: async () => {
    const { counter } = await world({ mailboxLimit: 1 });
    const calls = ["slow", "slow", "slow"].map((name) => counter.incrementSlowly(name));
    for (const call of calls) call.catch(() => undefined);
    return await calls[1];
  },
  OVERLOADED: async () => {
    const { runtime, counter } = await world({ maxPendingCalls: 1 });
    counter.incrementSlowly("slow").catch(() => undefined);
    return await runtime.get(Counter, "b").get();
  },
  REPLY_LOST: async () => {
    const tested = await createTestRuntime({ objects: [Counter] });
    tested.faults.crashAfter("commit");
    return await tested.get(Counter, "a").increment();
  },
  RUNTIME_STOPPED: async () => {
    const { runtime, counter } = await world();
    await runtime.stop();
    return await counter.get();
  },
  OWNER_UNREACHABLE: async () => {
    // Nodes on two transports share a store, and do not reach each other.
    const [, late] = await twoNodes([memoryTransport(), memoryTransport()]);
    return await late.get(Counter, idElsewhere(late, Counter)).get();
  },
  TYPE_NOT_SERVED: async () => {
    const transport = memoryTransport();
    const [, late] = await twoNodes([transport, transport], [[Counter], [Thing]]);
    return await late.get(Thing, idElsewhere(late, Thing)).put("a");
  },
  MESSAGE_TOO_LARGE: async () => {
    const transport = memoryTransport({ maxMessageBytes: 2_000 });
    const [, late] = await twoNodes([transport, transport]);
    return await late.get(Thing, idElsewhere(late, Thing)).put("x".repeat(3_000));
  },
  TRANSPORT_UNAVAILABLE: async () => {
    const transport = memoryTransport();
    const open = async (): Promise<never> => {
      throw new TransportFailure("unreachable", "nobody listens at nats://127.0.0.1:4222");
    };
    return await start({ objects: [], store: memory(), cluster: cluster({ transport: { ...transport, open } }) });
  },
  LOAD_FAILED: async () => {
    const { store, counter } = await world();
    store.failLoads("retry");
    return await counter.get();
  },
  ACTIVATION_FAILED: async () => await (await world()).runtime.get(Closed, "a").go(),
  STATE_UNREADABLE: async () => {
    const { store, counter } = await world();
    await store.changeByStranger({ tenant: "", type: "counter", id: "a" }, "no object");
    return await counter.get();
  },
  STATE_TOO_NEW: async () => {
    const store = memory();
    const Newer = defineObject({
      type: "thing",
      state: { text: "" },
      version: 2,
      migrate: { 1: (old: unknown) => old },
      handlers: { put: (_context, text: string) => noreply({ text }) },
    });
    const newer = await start({ objects: [Newer], store });
    await newer.get(Newer, "a").put("new");
    await newer.stop();
    const older = await start({ objects: [Thing], store });
    return await older.get(Thing, "a").put("old");
  },
  COMMIT_FAILED: async () => {
    const { store, counter } = await world();
    store.poison("a");
    return await counter.increment();
  },
  SQL_FAILED: async () => {
    const runtime = await start({ objects: [Thing], store: sqlite(await temporaryFile()) });
    await runtime.get(Thing, "a").order();
    return undefined;
  },
  COMMIT_UNKNOWN: async () => {
    const { clock, store, counter } = await world();
    for (let round = 0; round < 20; round++) store.loseNextAnswer();
    const call = counter.increment();
    void settled().then(async () => await clock.advance("6s"));
    return await call;
  },
  LEASE_LAPSED: async () => {
    const { clock, store, counter } = await world();
    await counter.increment();
    store.leaseUntilMs = -Infinity;
    const call = counter.get();
    void settled().then(async () => await clock.advance("2s"));
    return await call;
  },
  STALE_REVISION: async () => {
    const { store, counter } = await world();
    await counter.increment();
    await store.changeByStranger({ tenant: "", type: "counter", id: "a" }, { count: 9 });
    return await counter.increment();
  },
  STORE_LOCKED: async () => {
    const path = await temporaryFile();
    await start({ objects: [Counter], store: sqlite(path) });
    return await openAt(path);
  },
  STORE_TAKEN_OVER: async () => {
    const path = await temporaryFile();
    const runtime = await start({ objects: [Counter], store: sqlite(path) });
    const other = new DatabaseSync(path);
    other.exec("UPDATE durable_object_owner SET epoch = epoch + 1");
    other.close();
    return await runtime.get(Counter, "a").increment();
  },
  STORE_FULL: async () => await commitThatMeets("full"),
  STORE_READ_ONLY: async () => await commitThatMeets("read-only"),
  STORE_CORRUPT: async () => {
    const path = await temporaryFile();
    writeFileSync(path, "This is no database. ".repeat(500));
    return await openAt(path);
  },
  STORE_TOO_NEW: async () => {
    const path = await temporaryFile();
    await (await createRuntime({ objects: [Counter], store: sqlite(path) })).stop();
    const other = new DatabaseSync(path);
    other.exec("INSERT INTO durable_object_migrations VALUES (999, 'to come', 0, 'x')");
    other.close();
    return await openAt(path);
  },
  STORE_UNAVAILABLE: async () => await openAt(join(await temporaryFile(), "missing", "app.db")),
  // No network file system can be mounted here; what the system says of the disk is all that is replaced.
  STORE_ON_NETWORK_FILE_SYSTEM: async () => {
    const path = await temporaryFile();
    const { statfs } = fs;
    onTestFinished(() => {
      fs.statfs = statfs;
      syncBuiltinESMExports();
    });
    fs.statfs = (async (of: string) => Object.assign(await statfs(of), { type: 0x6969 })) as typeof statfs;
    syncBuiltinESMExports();
    return await openAt(path);
  },
};

test("every code has a situation, and every situation a code", () => {
  expect(Object.keys(provocations).toSorted()).toEqual(Object.keys(errorCodes).toSorted());
});

const whereLinuxSays: ReadonlySet<string> = new Set(["STORE_ON_NETWORK_FILE_SYSTEM"]);
const here = Object.entries(provocations).filter(([code]) => process.platform === "linux" || !whereLinuxSays.has(code));

test.each(here)("%s", async (code, provoke) => {
  const error = await errorOf(provoke);
  expect(error.code).toBe(code);
  expect(error.name).toBe("DurableObjectError");
  // It says what happened, in a sentence, without the code: that is a field.
  expect(error.message.length).toBeGreaterThan(20);
  expect(error.message).not.toMatch(/undefined|\[object|NaN\b.*NaN/);
  expect(typeof error.retryable).toBe("boolean");
  expect(["not-applied", "unknown"]).toContain(error.outcome);
  if (!("address" in error) || error.address === undefined) return;
  expect(error.message).toContain(`${error.address.type}/${error.address.id}`);
});
