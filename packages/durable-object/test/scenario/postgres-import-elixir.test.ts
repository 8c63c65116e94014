/** What the Elixir library has stored is taken over: states, alarms with their times, and nothing twice. */

import { beforeEach, describe, expect, test } from "vitest";
import { slotOf } from "../../src/core/slot.ts";
import { defineObject, noreply, read, reply, type Runtime } from "../../src/index.ts";
import { importElixir, migrate, postgres } from "../../src/postgres/index.ts";
import { eventually } from "../../src/testing/index.ts";
import { elixirTables, type ElixirTables } from "../fixtures/elixir-tables.ts";
import { failureOf, openedIn } from "../support/postgres-opened.ts";
import { borrowedSchema, hasPostgres, sharedPool, sql } from "../support/postgres-place.ts";
import { start } from "../support/stores.ts";

const Counter = defineObject({
  type: "counter",
  state: { count: 0, label: "", rung: [] as string[] },
  handlers: {
    increment: ({ state }, amount: number = 1) =>
      reply(state.count + amount, { ...state, count: state.count + amount }),
    look: read(({ state }) => reply(state)),
  },
  alarms: {
    ring: ({ state }) => noreply({ ...state, rung: [...state.rung, "ring"] }),
    chime: ({ state }) => noreply(state),
  },
});

const counterThere = "Elixir.MyApp.Counter";
const types = { [counterThere]: "counter" };
const later = "2999-12-31 23:59:59.999999";

describe.skipIf(!hasPostgres)("import of the Elixir library's tables", () => {
  let there: ElixirTables;
  let schema: string;
  beforeEach(async () => {
    there = await elixirTables();
    schema = borrowedSchema();
  });

  const open = (): Promise<Runtime> =>
    start({ objects: [Counter], store: postgres(sharedPool(), { schema, lockTimeout: 0 }) });
  const bring = (more: { readonly tenant?: string } = {}) =>
    importElixir(sharedPool(), { from: there.schema, schema, types, ...more });

  test("objects go on with the state they had", async () => {
    await there.save(counterThere, "user-1", { count: 41, label: "déjà “vu” \\ {1,2}", gone: true });
    await there.save(counterThere, 'user:2 {x}, "y"', { count: 7 });
    expect(await bring()).toEqual({ objects: 2, alarms: 0, existing: 0, refused: [], otherTypes: [] });

    const runtime = await open();
    expect(await runtime.get(Counter, "user-1").look()).toEqual({ count: 41, label: "déjà “vu” \\ {1,2}", rung: [] });
    expect(await runtime.get(Counter, "user-1").increment()).toBe(42);
    expect(await runtime.get(Counter, 'user:2 {x}, "y"').increment(3)).toBe(10);
    const { objects } = await runtime.list(Counter);
    expect(objects.map(({ id }) => id)).toEqual(["user-1", 'user:2 {x}, "y"']);
  });

  test("a row is as if the library had written it, with the times of the original", async () => {
    await there.save(counterThere, "ünïcode-😀", {
      count: 1,
      deep: { list: [1.5, null, "x"], big: 12_345_678_901_234 },
    });
    await bring({ tenant: "acme" });
    const rows = await sql(
      `SELECT h.*, h.state = t.state AS same FROM ${schema}.durable_objects h, ${there.schema}.durable_objects t`,
    );
    expect(rows).toMatchObject([
      {
        tenant: "acme",
        type: "counter",
        id: "ünïcode-😀",
        slot: slotOf({ tenant: "acme", type: "counter", id: "ünïcode-😀" }),
        same: true,
        state_version: 1,
        revision: "1",
        created_at: String(Date.UTC(2025, 2, 1, 8, 0, 0, 123)),
        updated_at: String(Date.UTC(2025, 5, 1, 9, 30, 0, 654)),
        deleted_at: null,
      },
    ]);
  });

  test("alarms keep their times, never earlier, also of objects that never ran", async () => {
    await there.save(counterThere, "a", { count: 1 });
    await there.schedule(counterThere, "a", "ring", "2999-01-01 10:00:00.000001");
    await there.schedule(counterThere, "a", "chime", later);
    await there.schedule(counterThere, "never ran", "ring", "2999-06-01 00:00:00");
    expect(await bring()).toMatchObject({ objects: 2, alarms: 3 });

    const runtime = await open();
    const times = async (id: string) =>
      (await runtime.get(Counter, id).alarms.list()).map(({ name, at }) => [name, at.toISOString()]);
    expect(await times("a")).toEqual([
      ["ring", "2999-01-01T10:00:00.001Z"],
      ["chime", "3000-01-01T00:00:00.000Z"],
    ]);
    expect(await times("never ran")).toEqual([["ring", "2999-06-01T00:00:00.000Z"]]);
    expect(await runtime.get(Counter, "never ran").look()).toEqual({ count: 0, label: "", rung: [] });
    // They are alarms like any other.
    expect(await runtime.get(Counter, "a").alarms.cancel("chime")).toBe(true);
    const slots = await sql(`SELECT DISTINCT id, slot FROM ${schema}.durable_object_alarms ORDER BY id`);
    expect(slots).toEqual(["a", "never ran"].map((id) => ({ id, slot: slotOf({ tenant: "", type: "counter", id }) })));
  });

  test("what was overdue fires, once, and a claim that nobody finished counts for nothing", async () => {
    await there.save(counterThere, "late", { count: 5 });
    await there.schedule(counterThere, "late", "ring", "2025-06-01 10:00:00");
    await sql(`UPDATE ${there.schema}.durable_object_alarms SET claimed_at = '2025-06-01 10:00:30'`);
    await bring();
    const runtime = await open();
    await eventually(async () => expect((await runtime.get(Counter, "late").look()).rung).toEqual(["ring"]));
    await runtime.stop();

    // Over here it was handled; over there it still stands. A second run does not bring it back.
    expect(await bring()).toEqual({ objects: 0, alarms: 0, existing: 1, refused: [], otherTypes: [] });
    expect(await sql(`SELECT * FROM ${schema}.durable_object_alarms`)).toEqual([]);
  });

  test("twice is the same, and what is there is not overwritten", async () => {
    const before = await open();
    await before.get(Counter, "kept").increment(1_000);
    await before.get(Counter, "deleted").increment();
    await before.delete(Counter, "deleted");
    await before.stop();
    for (const id of ["kept", "deleted", "new"]) {
      await there.save(counterThere, id, { count: 1 });
      await there.schedule(counterThere, id, "ring", later);
    }
    expect(await bring()).toEqual({ objects: 1, alarms: 1, existing: 2, refused: [], otherTypes: [] });
    const tables = async () => [
      await sql(`SELECT * FROM ${schema}.durable_objects ORDER BY id`),
      await sql(`SELECT * FROM ${schema}.durable_object_alarms ORDER BY id`),
    ];
    const once = await tables();
    expect(await bring()).toEqual({ objects: 0, alarms: 0, existing: 3, refused: [], otherTypes: [] });
    expect(await tables()).toEqual(once);

    const runtime = await open();
    expect((await runtime.get(Counter, "kept").look()).count).toBe(1_000);
    expect(await runtime.get(Counter, "kept").alarms.list()).toEqual([]);
    expect(await runtime.peek(Counter, "deleted")).toBeNull();
    expect((await runtime.get(Counter, "new").look()).count).toBe(1);
  });

  test("more than a page of them", async () => {
    await sql(
      `INSERT INTO ${there.schema}.durable_objects (object_type, object_id, state, inserted_at, updated_at)
       SELECT $1, 'c-' || n, jsonb_build_object('count', n), now(), now() FROM generate_series(1, 2500) n`,
      [counterThere],
    );
    await sql(
      `INSERT INTO ${there.schema}.durable_object_alarms
         (object_type, object_id, alarm_name, scheduled_at, inserted_at, updated_at)
       SELECT $1, 'c-' || n, name, '2999-01-01', now(), now()
       FROM generate_series(2000, 3500) n, unnest(ARRAY['ring', 'chime']) name`,
      [counterThere],
    );
    expect(await bring()).toMatchObject({ objects: 3_500, alarms: 3_002, existing: 0 });
    const [row] = await sql(
      `SELECT count(*)::int AS n, sum((state ->> 'count')::int)::int AS sum FROM ${schema}.durable_objects`,
    );
    expect(row).toEqual({ n: 3_500, sum: (2_500 * 2_501) / 2 });
  });

  test("each prefix can become a tenant of its own", async () => {
    const other = await elixirTables();
    await there.save(counterThere, "same", { count: 1 });
    await other.save(counterThere, "same", { count: 2 });
    await bring({ tenant: "a" });
    await importElixir(sharedPool(), { from: other.schema, schema, types, tenant: "b" });
    const runtime = await open();
    expect((await runtime.get(Counter, "same", { tenant: "a" }).look()).count).toBe(1);
    expect((await runtime.get(Counter, "same", { tenant: "b" }).look()).count).toBe(2);
    expect(await runtime.peek(Counter, "same")).toBeNull();
  });

  test("what is not imported is named", async () => {
    await there.save(counterThere, "good", { count: 1 });
    await there.save(counterThere, "two\nlines", { count: 1 });
    await there.save(counterThere, "é".repeat(200), { count: 1 });
    await there.save("Elixir.MyApp.Room", "hall", {});
    await there.schedule("Elixir.MyApp.Sweeper", "all", "sweep", later);
    expect(await bring()).toEqual({
      objects: 1,
      alarms: 0,
      existing: 0,
      refused: [
        { type: counterThere, id: "two\nlines", problem: "an id may not contain control characters" },
        { type: counterThere, id: "é".repeat(200), problem: "an id has at most 256 bytes" },
      ],
      otherTypes: ["Elixir.MyApp.Room", "Elixir.MyApp.Sweeper"],
    });
  });

  test("not while a runtime has the store open", async () => {
    await there.save(counterThere, "a", { count: 1 });
    await openedIn(schema);
    const failure = await failureOf(bring());
    expect(failure).toMatchObject({ kind: "retry", code: "STORE_LOCKED" });
    expect(failure.message).toContain(`is used by pid ${process.pid} `);
    expect(await sql(`SELECT * FROM ${schema}.durable_objects`)).toEqual([]);
  });

  test("of an import that fails nothing is left", async () => {
    await migrate(sharedPool(), { schema });
    await there.save(counterThere, "a", { count: 1 });
    await there.schedule("Elixir.MyApp.Room", "hall", "close", "infinity");
    const failure = await failureOf(
      importElixir(sharedPool(), { from: there.schema, schema, types: { ...types, "Elixir.MyApp.Room": "room" } }),
    );
    expect(failure).toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(await sql(`SELECT * FROM ${schema}.durable_objects`)).toEqual([]);
    expect(await bring()).toMatchObject({ objects: 1, otherTypes: ["Elixir.MyApp.Room"] });
  });

  test("an owner that died is fenced first", async () => {
    await there.save(counterThere, "a", { count: 1 });
    const store = await openedIn(schema);
    await sql(`UPDATE ${schema}.durable_object_nodes SET expires_at = now() - interval '1 s'`);
    expect(await bring()).toMatchObject({ objects: 1 });
    expect(await failureOf(store.store.sweep({ now: 0, tombstonesBefore: 0, limit: 1 }))).toMatchObject({
      kind: "lost",
      code: "STORE_TAKEN_OVER",
    });
  });

  test.each([
    [{ from: "same", schema: "same" }, "both"],
    [{ from: "" }, "from is the schema"],
    [{ from: "nowhere_at_all" }, 'the schema "nowhere_at_all" has no tables'],
    [{ types: {} }, "at least one type"],
    [{ types: { "Elixir.A": "a b" } }, "letters, digits"],
    [{ types: { "Elixir.A": "a", "Elixir.B": "a" } }, 'two of them become "a"'],
    [{ tenant: " " }, "a tenant may not be blank"],
  ])("refuses %j", async (wrong, message) => {
    await migrate(sharedPool(), { schema });
    const importing = importElixir(sharedPool(), { from: there.schema, schema, types, ...wrong });
    await expect(importing).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining(message) as string,
    });
  });
});
