/**
 * The survey: who owns what, read beside the library, in plain SQL on a connection of its own.
 * It is the database that decides who owns a slot, so this is the truth and not some node's opinion.
 */

import { Pool } from "pg";
import { schema } from "./application.ts";

/** How many slots there are. */
export const slotCount = 1_024;

/** A node, as the database knows it. */
export interface Member {
  readonly name: string;
  readonly pid: number;
  /** How long ago it has renewed its lease, in ms. */
  readonly silentMs: number;
  readonly slots: readonly number[];
}

/** Reads the database. */
export class Survey {
  readonly #pool: Pool;

  constructor(database: string) {
    this.#pool = new Pool({ connectionString: database, max: 1 });
    // The server may go away between two looks; the next one says so.
    this.#pool.on("error", () => {});
  }

  /** The nodes there are, with the slots of each. */
  async members(): Promise<Member[]> {
    const { rows } = await this.#pool.query<Member>(
      `SELECT split_part(name, '.', 1) AS name, pid,
              (lease_ms - extract(epoch FROM expires_at - now()) * 1000)::float8 AS "silentMs",
              ARRAY(SELECT slot FROM ${schema}.durable_object_slots WHERE owner = node) AS slots
         FROM ${schema}.durable_object_nodes ORDER BY since, name`,
    );
    return rows;
  }

  /** The counts in the database, by id. */
  async counts(): Promise<ReadonlyMap<string, number>> {
    const { rows } = await this.#pool.query<{ id: string; count: number }>(
      `SELECT id, (state ->> 'count')::integer AS count
         FROM ${schema}.durable_objects WHERE type = 'counter' AND deleted_at IS NULL`,
    );
    return new Map(rows.map(({ id, count }) => [id, count]));
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}
