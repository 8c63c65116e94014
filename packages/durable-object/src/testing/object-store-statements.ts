/** The application's own SQL: executed with the write it belongs to, once, or not at all. */

import assert from "node:assert/strict";
import type { SqlStatement, SqlValue } from "../core/sql-statement.ts";
import type { CommitBatch } from "../ports/object-store.ts";
import type { NumberedStore, ObjectStoreCase, TestedStore } from "./object-store-case.ts";
import { assertFails, write } from "./object-store-case.ts";

/** A table of the application in the database of a store, and the store. */
interface Orders {
  readonly store: NumberedStore;
  /** Adds an order; the ids are unique. */
  insert(id: number, note?: string): SqlStatement;
  statement(text: string, params?: readonly SqlValue[]): SqlStatement;
  /** The orders, as `id:note`, in the order of their ids. */
  all(): Promise<readonly string[]>;
}

/** A case for stores with SQL. In the texts of statements `orders` is the table. */
function withOrders(name: string, run: (orders: Orders) => Promise<void>): ObjectStoreCase {
  return {
    name,
    async run(tested: TestedStore) {
      const { subject } = tested;
      if (subject.query === undefined) return;
      const query = subject.query.bind(subject);
      const store = await tested.open();
      // Where several stores share a database, so do their applications' tables.
      const table = `orders_${tested.environment.uniqueId().replaceAll("-", "")}`;
      await query(`CREATE TABLE ${table} (id BIGINT PRIMARY KEY, note TEXT NOT NULL)`);
      const statement = (text: string, params: readonly SqlValue[] = []): SqlStatement => ({
        text: text.replaceAll("orders", table),
        params,
      });
      try {
        await run({
          store,
          statement,
          insert: (id, note = "new") => statement("INSERT INTO orders (id, note) VALUES ($1, $2)", [id, note]),
          all: async () => {
            const rows = (await query(`SELECT id, note FROM ${table} ORDER BY id`)) as readonly Record<
              string,
              unknown
            >[];
            return rows.map(({ id, note }) => `${String(id)}:${String(note)}`);
          },
        });
      } finally {
        await query(`DROP TABLE ${table}`);
      }
    },
  };
}

/** Checks that a batch is refused for the SQL of the write at this index. */
async function assertRefused({ store }: NumberedStore, batch: CommitBatch, index: number): Promise<void> {
  const { lastNumber } = store;
  const failure: unknown = await store.commit(batch).then(
    () => assert.fail("expected the batch to be refused"),
    (error: unknown) => error,
  );
  const { name, kind, code, write: culprit, cause } = failure as Record<string, unknown>;
  assert.deepEqual({ name, kind, code }, { name: "StoreFailure", kind: "refused", code: "SQL_FAILED" });
  assert.ok(
    culprit === index || culprit === null,
    `the write at fault is ${index} or not known, not ${String(culprit)}`,
  );
  assert.ok(cause instanceof Error, "the error of the database is the cause");
  assert.equal(store.lastNumber, lastNumber);
}

export const statementCases: readonly ObjectStoreCase[] = [
  withOrders("executes the statements of a write, in their order, together with the others", async (orders) => {
    const { store, insert, statement } = orders;
    await store.apply(
      write("a", {
        state: "1",
        statements: [insert(1), statement("UPDATE orders SET note = $2 WHERE id = $1", [1, "paid"])],
      }),
      write("b", { state: "1" }),
      write("c", { state: "1", statements: [insert(3), insert(2)] }),
    );
    assert.deepEqual(await orders.all(), ["1:paid", "2:new", "3:new"]);
    await store.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
    // The same texts with other values.
    await store.apply(write("a", { baseRevision: 1, state: "2", statements: [insert(4, "again")] }));
    assert.deepEqual(await orders.all(), ["1:paid", "2:new", "3:new", "4:again"]);
  }),
  withOrders("executes the statements of a write without a state, and of a deletion", async (orders) => {
    const { store, insert } = orders;
    await store.apply(write("a", { state: "1" }));
    await store.apply(write("a", { baseRevision: 1, state: null, statements: [insert(1)] }));
    await store.apply(write("a", { baseRevision: 2, deleted: true, statements: [insert(2)] }));
    await store.apply(write("b", { deleted: true, statements: [insert(3)] }));
    assert.deepEqual(await orders.all(), ["1:new", "2:new", "3:new"]);
    await store.assertStored("a", { revision: 3, state: null, stateVersion: 1 });
  }),
  withOrders("executes no statement of a stale write", async (orders) => {
    const { store, insert } = orders;
    await store.apply(write("a"));
    const stale = await store.commit([
      write("a", { statements: [insert(1)] }),
      write("b", { statements: [insert(2)] }),
      write("c", { baseRevision: 3, statements: [insert(3), insert(2)] }),
    ]);
    assert.deepEqual(stale, [0, 2]);
    assert.deepEqual(await orders.all(), ["2:new"]);
  }),
  withOrders("executes the statements of a batch once, however often it is sent", async (orders) => {
    const { store, insert, statement } = orders;
    const batch = store.batch([
      write("a", { statements: [insert(1, "x"), statement("UPDATE orders SET note = note || 'x'")] }),
      write("b", { baseRevision: 9, statements: [insert(2)] }),
    ]);
    for (let attempt = 0; attempt < 3; attempt++) {
      assert.deepEqual([...(await store.store.commit(batch)).stale], [1]);
      assert.deepEqual(await orders.all(), ["1:xx"]);
    }
  }),
  withOrders("refuses a batch with a statement that fails, and applies nothing of it", async (orders) => {
    const { store, insert, statement } = orders;
    await store.apply(write("old", { statements: [insert(1)] }));
    const alarms = [{ change: "set", name: "ring", dueAt: 5, payload: null, rule: null }] as const;
    const good = write("good", { state: "1", alarms, statements: [insert(2)] });
    const failing: readonly SqlStatement[] = [
      insert(1),
      statement("INSERT INTO orders (id, note) VALUES ($1, $2)", [7, null]),
      statement("INSERT INTO orders (id, nothing) VALUES ($1, $2)", [7, ""]),
      statement("INSERT INTO no_such_table VALUES (1)"),
      statement("INSERT INTO orders"),
    ];
    for (const bad of failing) {
      const batch = store.batch([
        good,
        write("old", { baseRevision: 1 }),
        write("bad", { statements: [insert(3), bad] }),
      ]);
      await assertRefused(store, batch, 2);
      await store.assertStored("good", null);
      await store.assertStored("bad", null);
      await store.assertStored("old", { revision: 1, state: "{}", stateVersion: 1 });
      assert.deepEqual(await orders.all(), ["1:new"]);
    }
    // The number is not used up.
    await store.apply(good, write("old", { baseRevision: 1 }));
    assert.deepEqual(await orders.all(), ["1:new", "2:new"]);
  }),
  withOrders("refuses a statement with too few values or too many, and more than one statement", async (orders) => {
    const { store, statement } = orders;
    const text = "INSERT INTO orders (id, note) VALUES ($1, $2)";
    const wrong: readonly SqlStatement[] = [
      statement(text, [1]),
      statement(text, [1, "new", "more"]),
      statement(text),
      statement("INSERT INTO orders (id, note) VALUES (1, 'new'); DELETE FROM orders"),
      statement("UPDATE orders SET note = 'x'; UPDATE orders SET note = 'y'"),
    ];
    for (const bad of wrong) await assertRefused(store, store.batch([write("a", { statements: [bad] })]), 0);
    assert.deepEqual(await orders.all(), []);
    await store.assertStored("a", null);
    // What follows the statement is no other one.
    await store.apply(write("a", { statements: [statement(`${text}; -- the end`, [1, "$1; $2"])] }));
    assert.deepEqual(await orders.all(), ["1:$1; $2"]);
  }),
  {
    name: "takes values of every kind for the placeholders of a statement",
    async run(tested) {
      const { subject } = tested;
      if (subject.query === undefined) return;
      const query = subject.query.bind(subject);
      const store = await tested.open();
      const table = `kinds_${tested.environment.uniqueId().replaceAll("-", "")}`;
      const columns = "words TEXT, whole BIGINT, part DOUBLE PRECISION, yes BOOLEAN, missing TEXT, bytes BYTEA";
      await query(`CREATE TABLE ${table} (${columns})`);
      try {
        const text = `INSERT INTO ${table} VALUES ($1, $2, $3, $4, $5, $6)`;
        const params = ["naïve “x” $1 ?", 9_007_199_254_740_993n, 0.1, true, null, new Uint8Array([0, 1, 255])];
        const others = ["", -5, -1e300, false, null, new Uint8Array(0)];
        await store.apply(
          write("a", {
            statements: [
              { text, params },
              { text, params: others },
            ],
          }),
        );
        const matches = async (condition: string): Promise<number> => {
          const [row] = await query(`SELECT count(*) AS found FROM ${table} WHERE missing IS NULL AND ${condition}`);
          return Number((row as Record<string, unknown> | undefined)?.["found"]);
        };
        assert.equal(await matches("words = 'naïve “x” $1 ?' AND whole = 9007199254740993 AND part = 0.1"), 1);
        assert.equal(await matches("words = '' AND whole = -5 AND part = -1e300"), 1);
        assert.equal(await matches("yes AND length(bytes) = 3"), 1);
        assert.equal(await matches("NOT yes AND length(bytes) = 0"), 1);
      } finally {
        await query(`DROP TABLE ${table}`);
      }
    },
  },
  {
    name: "refuses SQL where there is none",
    async run(tested) {
      if (tested.subject.query !== undefined) return;
      const store = await tested.open();
      const batch = store.batch([write("a"), write("b", { statements: [{ text: "SELECT 1", params: [] }] })]);
      await assertFails(store.store.commit(batch), "refused", "SQL_FAILED");
      await store.assertStored("a", null);
      await store.apply(write("a"));
    },
  },
];
