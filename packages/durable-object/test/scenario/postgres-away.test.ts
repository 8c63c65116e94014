/** A server that is away for a while, or comes back as a standby: what waits, what is told, and how much may wait. */

import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { defineObject, reply } from "../../src/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { listen } from "../support/channels.ts";
import { Counter } from "../support/counter.ts";
import { codeOf, watch } from "../support/outcome-of.ts";
import { failureOf, opened } from "../support/postgres-opened.ts";
import { sqlAt } from "../support/postgres-place.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { start } from "../support/stores.ts";

const programs = inject("postgresPrograms");

const Log = defineObject({
  type: "log",
  state: { lines: 0 },
  handlers: { add: ({ state }) => reply(state.lines, { lines: state.lines + 1 }) },
});

interface Warning {
  readonly warning: string;
  readonly message: string;
}

describe.skipIf(programs === null)("a server that is away", () => {
  let server: PostgresServer;
  beforeAll(async () => void (server = await PostgresServer.create(programs ?? "")));
  afterAll(() => server.dispose());

  test("when the store is opened: it is tried until the server is there", async () => {
    await server.stop("fast");
    const opening = start({
      objects: [Counter],
      store: postgres(server.url(), { connectTimeout: "60s", schema: "later" }),
    });
    const watched = watch(opening);
    await new Promise((resolve) => setImmediate(resolve));
    expect(watched.settled).toBe(false);
    await server.start();
    expect(await (await opening).get(Counter, "a").increment()).toBe(1);
  });

  test("under load: what can wait does, so much and no more, and all of it is done when it is back", async () => {
    const store = postgres(server.url(), { schema: "pressure" });
    const limits = { mailboxLimit: 20, maxPendingCalls: 60, callTimeout: "never" } as const;
    const runtime = await start({ objects: [Log], store, ...limits });
    const ids = Array.from({ length: 5 }, (_, index) => `log-${index}`);
    await Promise.all(ids.map((id) => runtime.get(Log, id).add()));
    const warnings = listen<Warning>("durable-object:warning");
    await server.stop("immediate");

    const first = ids.map((id) => runtime.get(Log, id).add());
    await expect.poll(() => warnings.some(({ warning }) => warning === "commit-in-doubt")).toBe(true);
    const calls = Array.from({ length: 200 }, (_, index) => runtime.get(Log, ids[index % 5] ?? "").add());
    const codes = Promise.all(calls.map((call) => codeOf(call)));
    const refused = calls.slice(limits.maxPendingCalls - first.length);
    // At once, although nothing of what waits has an answer.
    expect(new Set(await Promise.all(refused.map((call) => codeOf(call))))).toEqual(new Set(["OVERLOADED"]));

    await server.start();
    await Promise.all(first);
    const applied = (await codes).filter((code) => code === "ok").length;
    expect(applied).toBe(limits.maxPendingCalls - first.length);
    const rows = await sqlAt(
      server.url(),
      "SELECT sum((state ->> 'lines')::int)::int AS lines FROM pressure.durable_objects",
    );
    expect(rows).toEqual([{ lines: ids.length + first.length + applied }]);
  });

  test("an object that is not in memory cannot be loaded meanwhile, and can afterwards", async () => {
    const runtime = await start({ objects: [Counter], store: postgres(server.url(), { schema: "cold" }) });
    await runtime.get(Counter, "a").increment();
    await runtime.deactivate(Counter, "a");
    await server.stop("immediate");
    expect(await codeOf(runtime.get(Counter, "a").get())).toBe("LOAD_FAILED");
    await server.start();
    expect(await runtime.get(Counter, "a").increment()).toBe(2);
  });

  test("and comes back as a standby: commits wait until it is promoted, reads go on", async () => {
    const runtime = await start({ objects: [Counter], store: postgres(server.url(), { schema: "standby" }) });
    const counter = runtime.get(Counter, "a", { timeout: "never" });
    await counter.increment();
    await server.stop("fast");
    await server.start("standby");
    const warnings = listen<Warning>("durable-object:warning");
    const call = counter.increment();
    const watched = watch(call);
    await expect
      .poll(() => warnings.filter(({ message }) => message.includes("takes no writes")).length)
      .toBeGreaterThan(1);
    expect(watched.settled).toBe(false);
    expect(await runtime.peek(Counter, "a")).toEqual({ count: 1 });
    // Whoever wants to open it hears why it cannot.
    const failure = await failureOf(opened(postgres(server.url(), { schema: "other", connectTimeout: 300 })));
    expect(failure).toMatchObject({ kind: "retry", code: "STORE_READ_ONLY" });
    await sqlAt(server.url(), "SELECT pg_promote()");
    expect(await call).toBe(2);
  });
});
