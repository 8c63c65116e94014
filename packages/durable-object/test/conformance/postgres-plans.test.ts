/** The plans that the statements rely on, asked from PostgreSQL itself: no statement reads a whole table. */

import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { postgres } from "../../src/postgres/index.ts";
import { commitText, shapeLists, type CommitShape } from "../../src/postgres/postgres-commit-text.ts";
import { statementsIn, type Statements } from "../../src/postgres/postgres-statements.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { freshSchema, hasPostgres, postgresUrl } from "../support/postgres-place.ts";

const schema = freshSchema();
const statements = statementsIn(schema);
const rows = 20_000;

describe.skipIf(!hasPostgres)("plans", () => {
  let client: Client;

  beforeAll(async () => {
    const store = postgres(postgresUrl(), { schema });
    await (await store.open({ environment: systemEnvironment, node: "tester" })).close();
    client = new Client({ connectionString: postgresUrl() });
    await client.connect();
    // As for a statement that was prepared a while ago: planned once, for values that are not known.
    await client.query("SET plan_cache_mode = force_generic_plan");
  });

  afterAll(() => client.end());

  async function fill(): Promise<void> {
    await client.query(`
      INSERT INTO ${schema}.durable_objects (tenant, type, id, slot, state_version, revision, created_at, updated_at, deleted_at, state)
        SELECT '', 'counter', 'user-' || n, n % 1024, 1, 1, n, n, CASE WHEN n % 100 = 0 THEN n END, '{}'
        FROM generate_series(1, ${rows}) AS n;
      INSERT INTO ${schema}.durable_object_alarms (tenant, type, id, name, slot, due_at, scheduled_at, generation, status)
        SELECT 't' || n % 5, 'counter', 'user-' || n, 'ring', n % 1024, n, n, 1, CASE WHEN n % 100 = 0 THEN 'dead' ELSE 'set' END
        FROM generate_series(1, ${rows}) AS n;
      INSERT INTO ${schema}.durable_object_replies (tenant, type, id, key, fingerprint, expires_at)
        SELECT '', 'counter', 'user-' || n, 'k', 'f', n FROM generate_series(1, ${rows}) AS n;
      ANALYZE ${schema}.durable_objects, ${schema}.durable_object_alarms, ${schema}.durable_object_replies`);
  }

  /** The plan of a statement with `@schema` for the schema, as text. */
  async function planOf(text: string): Promise<string> {
    await client.query(`PREPARE planned AS ${text.replaceAll("@schema", schema)}`);
    try {
      const found = await client.query<{ count: number }>(
        "SELECT cardinality(parameter_types) AS count FROM pg_prepared_statements WHERE name = 'planned'",
      );
      const nulls = Array<string>(found.rows[0]?.count ?? 0).fill("NULL");
      const values = nulls.length === 0 ? "" : `(${nulls.join(", ")})`;
      const plan = await client.query<{ "QUERY PLAN": string }>(`EXPLAIN EXECUTE planned${values}`);
      return plan.rows.map((row) => row["QUERY PLAN"]).join("\n");
    } finally {
      await client.query("DEALLOCATE planned");
    }
  }

  const wholeTable = /Seq Scan on durable_object(?:s|_alarms|_replies)/;
  const shapes = Object.keys(shapeLists) as CommitShape[];

  // What is prepared while a table is empty is used for a while after that.
  test.each(shapes)("a commit of %s on tables that are new finds each object by its key", async (shape) => {
    const plan = await planOf(commitText(shape));
    expect(plan).toMatch(/Index Scan using durable_objects_pkey on durable_objects o/);
    expect(plan).not.toMatch(/Seq Scan on durable_objects/);
  });

  describe("on tables with rows", () => {
    beforeAll(fill);

    test.each(shapes)("a commit of %s reads no table as a whole", async (shape) => {
      const plan = await planOf(commitText(shape));
      expect(plan).toMatch(/Index Scan using durable_objects_pkey on durable_objects o/);
      expect(plan).not.toMatch(wholeTable);
    });

    test.each<[keyof Statements, string]>([
      ["loadObjects", "durable_objects_pkey"],
      ["listObjects", "durable_objects_pkey"],
      ["findReply", "durable_object_replies_pkey"],
      ["listAlarms", "durable_object_alarms_pkey"],
      ["dueAlarms", "durable_object_alarms_due"],
      ["dueAlarmsOfTenant", "durable_object_alarms_due_by_tenant"],
      ["nextDueAfter", "durable_object_alarms_due"],
      ["dueTenants", "durable_object_alarms_due_by_tenant"],
      ["alarmTypes", "durable_object_alarms_due"],
      ["deadAlarms", "durable_object_alarms_dead"],
    ])("%s reads %s, and what it returns", async (name, index) => {
      const plan = await planOf(statements[name].text);
      expect(plan).toContain(`using ${index} on`);
      expect(plan).not.toMatch(wholeTable);
      // One object has few alarms; everything else comes in order.
      if (name !== "listAlarms") expect(plan).not.toContain("Sort");
    });

    // Slots are few, and read as a whole; what is sorted is one page, of what came in order from each slot.
    test.each<[keyof Statements, string]>([
      ["ownDueAlarms", "durable_object_alarms_due_by_slot"],
      ["ownDueAlarmsOfTenant", "durable_object_alarms_due_by_tenant"],
      ["ownNextDueAfter", "durable_object_alarms_due_by_slot"],
      ["ownDueTenants", "durable_object_alarms_due_by_tenant"],
      ["suspectDueAlarmsOf", "durable_object_alarms_due_by_slot"],
    ])("%s of one node reads %s, and no table of objects as a whole", async (name, index) => {
      const plan = await planOf(statements[name].text);
      expect(plan).toContain(`using ${index} on`);
      expect(plan).not.toMatch(wholeTable);
    });

    test("a sweep reads only what it may forget", async () => {
      const plan = await planOf(statements.sweep.text);
      for (const index of ["durable_object_replies_expiry", "durable_objects_deleted"]) expect(plan).toContain(index);
      expect(plan).not.toMatch(wholeTable);
    });
  });

  test("loads of one object and of many are planned once, and not each time", async () => {
    await client.query("SET plan_cache_mode = auto");
    try {
      await client.query(`PREPARE loading AS ${statements.loadObjects.text}`);
      for (let load = 0; load < 20; load++) {
        const ids = Array.from({ length: load % 3 === 0 ? 50 : 1 }, (_, index) => `user-${index}`);
        const list = (text: (id: string) => string): string => `ARRAY[${ids.map((id) => `'${text(id)}'`).join(", ")}]`;
        const lists = [list(() => ""), list(() => "counter"), list((id) => id)];
        await client.query(`EXECUTE loading(${lists.join(", ")})`);
      }
      const { rows: plans } = await client.query(
        "SELECT generic_plans::int AS generic, custom_plans::int AS custom FROM pg_prepared_statements WHERE name = 'loading'",
      );
      expect(plans).toEqual([{ generic: 15, custom: 5 }]);
    } finally {
      await client.query("DEALLOCATE ALL; SET plan_cache_mode = force_generic_plan");
    }
  });

  test("an update of an object stays in its page, and touches no index", async () => {
    const before = await hotUpdates();
    for (let round = 0; round < 3; round++) {
      await client.query(`UPDATE ${schema}.durable_objects SET state = '{"n": ${round}}', revision = revision + 1,
        updated_at = updated_at + 1, deleted_at = NULL WHERE id IN ('user-1', 'user-2', 'user-3')`);
    }
    await expect.poll(hotUpdates).toBe(before + 9);
  });

  /** How many updates of objects this connection has made in place. */
  async function hotUpdates(): Promise<number> {
    await client.query("SELECT pg_stat_force_next_flush()").catch(() => undefined);
    const { rows: found } = await client.query<{ n: string }>(
      "SELECT n_tup_hot_upd AS n FROM pg_stat_all_tables WHERE relid = $1::regclass",
      [`${schema}.durable_objects`],
    );
    return Number(found[0]?.n);
  }
});
