/**
 * A look into the database beside the library: plain SQL on a connection of its own, which can only read. It
 * works while the shop runs and while it does not, and shows that what was acknowledged really is in there.
 *
 * A state is JSON in a column, and this SQL is the same in SQLite and in PostgreSQL.
 */

import { DatabaseSync } from "node:sqlite";
import { Client } from "pg";
import { isDatabase, schema } from "./store.ts";

/** What a shop has stored. */
export interface ShopSummary {
  readonly counters: number;
  /** The sum of all counters. */
  readonly counted: number;
  readonly carts: number;
  readonly orders: number;
}

/** What there is at a place. */
export async function summarise(place: string): Promise<ShopSummary> {
  const [summary] = await query<ShopSummary>(
    place,
    `SELECT CAST(count(*) FILTER (WHERE type = 'counter') AS integer) AS counters,
            CAST(coalesce(sum(CAST(state ->> 'count' AS integer)), 0) AS integer) AS counted,
            CAST(count(*) FILTER (WHERE type = 'cart') AS integer) AS carts,
            CAST(coalesce(sum(CAST(state -> 'receipt' ->> 'number' AS integer)), 0) AS integer) AS orders
       FROM durable_objects WHERE deleted_at IS NULL`,
  );
  return summary ?? { counters: 0, counted: 0, carts: 0, orders: 0 };
}

/** The counters at a place, by their id. */
export async function readCounters(place: string): Promise<ReadonlyMap<string, number>> {
  const rows = await query<{ id: string; count: number }>(
    place,
    `SELECT id, CAST(state ->> 'count' AS integer) AS count
       FROM durable_objects WHERE type = 'counter' AND deleted_at IS NULL`,
  );
  return new Map(rows.map(({ id, count }) => [id, count]));
}

async function query<Row>(place: string, sql: string): Promise<Row[]> {
  return isDatabase(place) ? await queryDatabase<Row>(place, sql) : queryFile<Row>(place, sql);
}

function queryFile<Row>(path: string, sql: string): Row[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return database.prepare(sql).all() as Row[];
  } finally {
    database.close();
  }
}

async function queryDatabase<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`BEGIN READ ONLY; SET LOCAL search_path = ${schema}`);
    const { rows } = await client.query(sql);
    return rows as Row[];
  } finally {
    await client.end();
  }
}
