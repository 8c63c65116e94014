/**
 * A look into the database beside the library: plain SQL on a connection of its own, which can only read. It
 * works while the shop runs and while it does not, and shows that what was acknowledged really is in the file.
 */

import { DatabaseSync } from "node:sqlite";

/** What a file holds. */
export interface ShopSummary {
  readonly counters: number;
  /** The sum of all counters. */
  readonly counted: number;
  readonly carts: number;
  readonly orders: number;
}

function query<Row>(file: string, sql: string): Row[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    // A state is JSON in a column.
    return database.prepare(sql).all() as Row[];
  } finally {
    database.close();
  }
}

/** What there is in the file. */
export function summarise(file: string): ShopSummary {
  const [summary] = query<ShopSummary>(
    file,
    `SELECT count(*) FILTER (WHERE type = 'counter') AS counters,
            coalesce(sum(state ->> 'count'), 0) AS counted,
            count(*) FILTER (WHERE type = 'cart') AS carts,
            coalesce(sum(state ->> '$.receipt.number'), 0) AS orders
       FROM durable_objects WHERE deleted_at IS NULL`,
  );
  return summary ?? { counters: 0, counted: 0, carts: 0, orders: 0 };
}

/** The counters in the file, by their id. */
export function readCounters(file: string): ReadonlyMap<string, number> {
  const rows = query<{ id: string; count: number }>(
    file,
    `SELECT id, state ->> 'count' AS count FROM durable_objects WHERE type = 'counter' AND deleted_at IS NULL`,
  );
  return new Map(rows.map(({ id, count }) => [id, count]));
}
