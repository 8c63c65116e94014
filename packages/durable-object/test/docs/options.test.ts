/** docs/options.md names every option of the code, with the default that the code has. */

import { describe, expect, onTestFinished, test } from "vitest";
import { maxIdBytes, maxTypeLength } from "../../src/core/address.ts";
import { parseDuration } from "../../src/core/duration.ts";
import { createRuntime, defineObject, noreply, type AnyDefinition, type Runtime } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { reservedHandlerNames } from "../../src/object/stub.ts";
import { resolveOptions } from "../../src/runtime/options.ts";
import { nats } from "../../src/nats/index.ts";
import { resolveOptions as resolveNatsOptions } from "../../src/nats/nats-options.ts";
import { peers } from "../../src/peers/index.ts";
import { resolveOptions as resolvePeersOptions } from "../../src/peers/peers-options.ts";
import { postgres } from "../../src/postgres/index.ts";
import { resolveOptions as resolvePostgresOptions } from "../../src/postgres/postgres-options.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import { resolveOptions as resolveSqliteOptions } from "../../src/sqlite/sqlite-options.ts";
import { codeIn, fieldsOf, rowsUnder } from "./page.ts";

const page = "docs/options.md";

/** What the page says of each option under a heading: its name, and its default as it is written there. */
function documented(heading: string): [name: string, fallback: string][] {
  return rowsUnder(page, heading, "option").map((row) => [codeIn(row["option"])[0] ?? "", row["default"] ?? ""]);
}

/** A default that is written as code, as the value it stands for. */
function valueOf(fallback: string): unknown {
  const [code] = codeIn(fallback);
  return code === undefined ? fallback : (JSON.parse(code) as unknown);
}

/** The defaults of a heading that are written as values, with durations in ms and `never` as `Infinity`. */
function defaults(heading: string, durations: readonly string[]): Record<string, unknown> {
  const entries = documented(heading)
    .filter(([, fallback]) => /^`(?:"|\d|true|false)/.test(fallback))
    .map(([name, fallback]) => {
      const value = valueOf(fallback);
      if (!durations.includes(name)) return [name, value];
      return [`${name}Ms`, value === "never" ? Infinity : parseDuration(value)];
    });
  return Object.fromEntries(entries) as Record<string, unknown>;
}

async function startRuntime(definition: AnyDefinition): Promise<Runtime> {
  const runtime = await createRuntime({ objects: [definition], store: memory() });
  onTestFinished(() => runtime.stop());
  return runtime;
}

describe.each([
  ["createRuntime", "runtime/options.ts", "RuntimeOptions"],
  ["defineObject", "object/define-object.ts", "DefinitionInput"],
  ["A stub", "object/stub.ts", "StubOptions"],
  ["sqlite", "sqlite/sqlite-options.ts", "SqliteOptions"],
  ["postgres", "postgres/postgres-options.ts", "PostgresOptions"],
  ["nats", "nats/nats-options.ts", "NatsOptions"],
  ["cluster", "cluster/cluster-options.ts", "ClusterOptions"],
  ["peers", "peers/peers-options.ts", "PeersOptions"],
  ["An alarm", "object/effect.ts", "ScheduleOptions"],
  ["pgBoss", "pg-boss/pg-boss-queue.ts", "PgBossOptions"],
  ["graphileWorker", "graphile-worker/graphile-queue.ts", "GraphileWorkerOptions"],
])("%s", (heading, file, name) => {
  test("has exactly these options, required where the page says so", () => {
    const inCode = fieldsOf(file, name).map((field) => [field.name, field.optional] as const);
    const onPage = documented(heading).map(([option, fallback]) => [option, fallback !== "required"] as const);
    expect(onPage.length).toBeGreaterThan(0);
    expect(onPage).toEqual(inCode);
  });
});

test("list has exactly these options", () => {
  const inCode = [
    ...fieldsOf("runtime/object-page.ts", "TenantOption"),
    ...fieldsOf("runtime/object-page.ts", "ListOptions"),
  ];
  expect(documented("list").map(([option]) => option)).toEqual(inCode.map((field) => field.name));
});

describe("defaults", () => {
  test("of createRuntime", () => {
    const resolved = resolveOptions({ objects: [], store: memory() });
    const onPage = defaults("createRuntime", ["callTimeout", "stopTimeout"]);
    expect(Object.keys(onPage)).toHaveLength(8);
    expect(resolved).toMatchObject(onPage);
  });

  test("of defineObject", () => {
    const definition = defineObject({ type: "any", state: {}, handlers: {} });
    const { version, ...onPage } = defaults("defineObject", ["hibernateAfter", "shutdownAfter"]);
    expect(Object.keys(onPage)).toHaveLength(2);
    expect(definition).toMatchObject(onPage);
    expect(definition.codec.version).toBe(version);
  });

  test("of sqlite()", () => {
    const onPage = defaults("sqlite", ["lockTimeout"]);
    expect(Object.keys(onPage)).toHaveLength(4);
    expect(resolveSqliteOptions("app.db", {})).toMatchObject(onPage);
    expect(sqlite("app.db").name).toBe("sqlite");
  });

  test("of postgres()", () => {
    const onPage = defaults("postgres", ["lockTimeout", "connectTimeout", "statementTimeout", "lease"]);
    expect(Object.keys(onPage)).toHaveLength(8);
    expect(resolvePostgresOptions("postgres://localhost/app", {})).toMatchObject(onPage);
    expect(postgres("postgres://localhost/app").name).toBe("postgres");
  });

  test("of nats()", () => {
    const { servers, ...onPage } = defaults("nats", ["connectTimeout"]);
    expect(Object.keys(onPage)).toHaveLength(2);
    expect(resolveNatsOptions({})).toMatchObject({ ...onPage, servers: [servers] });
    expect(nats().name).toBe("nats");
  });

  test("of peers()", () => {
    const { insecure, ...onPage } = defaults("peers", ["connectTimeout", "pingInterval", "idleTimeout"]);
    expect(Object.keys(onPage)).toHaveLength(6);
    expect(insecure).toBe(false);
    expect(resolvePeersOptions({})).toMatchObject(onPage);
    expect(peers().name).toBe("peers");
  });

  test("of list", async () => {
    const Many = defineObject({ type: "many", state: { n: 0 }, handlers: { touch: () => noreply({ n: 1 }) } });
    const runtime = await startRuntime(Many);
    const { limit, tenant } = defaults("list", []);
    await Promise.all(Array.from({ length: Number(limit) + 1 }, (_, index) => runtime.get(Many, `${index}`).touch()));
    const listed = await runtime.list(Many);
    expect(listed.objects).toHaveLength(Number(limit));
    expect(await runtime.list(Many, { tenant: String(tenant) })).toEqual(listed);
  });
});

describe("limits", () => {
  const limits = Object.fromEntries(
    rowsUnder(page, "Limits that are no options", "what").map((row) => [row["what"], row["limit"] ?? ""]),
  );

  test("of names", () => {
    expect(limits["type"]).toContain(`${maxTypeLength} letters`);
    expect(limits["id, tenant"]).toContain(`${maxIdBytes} bytes`);
    expect(codeIn(limits["names that a handler may not have"])).toEqual([...reservedHandlerNames]);
  });

  test("of idempotency keys", async () => {
    const Any = defineObject({ type: "any", state: {}, handlers: {} });
    const runtime = await startRuntime(Any);
    const longest = Number.parseInt(limits["idempotency key"] ?? "", 10);
    expect(() => runtime.get(Any, "a", { idempotencyKey: "x".repeat(longest) })).not.toThrow();
    expect(() => runtime.get(Any, "a", { idempotencyKey: "x".repeat(longest + 1) })).toThrow(`1 to ${longest}`);
  });
});
