/**
 * What a developer would write by hand on `pg`: a pool of so many connections, and one prepared statement for each
 * call, each a commit of its own. And what fewer commits make possible: calls that share upserts on one connection.
 */

import { setImmediate as soon } from "node:timers/promises";
import { Client, Pool } from "pg";

/** How many connections the pools have. */
export const poolSizes = [1, 10, 20] as const;

/** Counters, states and alarms without the library, on one pool. */
export class RowsByHand {
  readonly #pool: Pool;
  readonly #table: string;
  readonly connections: number;

  private constructor(pool: Pool, connections: number, table: string) {
    this.#pool = pool;
    this.connections = connections;
    this.#table = table;
  }

  /** Makes a table of its own with these rows. */
  static async create(url: string, connections: number, table: string, ids: readonly string[]): Promise<RowsByHand> {
    const pool = new Pool({ connectionString: url, max: connections });
    await pool.query(`
      CREATE TABLE ${table} (id text PRIMARY KEY, n bigint NOT NULL);
      CREATE TABLE ${table}_due (id text PRIMARY KEY, due_at bigint NOT NULL);
      CREATE INDEX ON ${table}_due (due_at)`);
    await pool.query(`INSERT INTO ${table} SELECT id, 0 FROM unnest($1::text[]) AS id`, [ids]);
    await pool.query(`ANALYZE ${table}`);
    return new RowsByHand(pool, connections, table);
  }

  /** One statement, which is what a counter needs. */
  async increment(id: string, amount: number): Promise<number> {
    const text = `UPDATE ${this.#table} SET n = n + $1 WHERE id = $2 RETURNING n`;
    return numberIn(
      await this.#pool.query<{ n: string }>({ name: `${this.#table} update`, text, values: [amount, id] }),
    );
  }

  /** Read, think, write: what anything needs that SQL cannot say. */
  async readModifyWrite(id: string, amount: number): Promise<number> {
    const client = await this.#pool.connect();
    try {
      await client.query({ name: "begin", text: "BEGIN" });
      const select = `SELECT n FROM ${this.#table} WHERE id = $1 FOR UPDATE`;
      const n = numberIn(
        await client.query<{ n: string }>({ name: `${this.#table} lock`, text: select, values: [id] }),
      );
      const update = `UPDATE ${this.#table} SET n = $1 WHERE id = $2`;
      await client.query({ name: `${this.#table} set`, text: update, values: [n + amount, id] });
      await client.query({ name: "commit", text: "COMMIT" });
      return n + amount;
    } finally {
      client.release();
    }
  }

  /** The number of a row. */
  async read(id: string): Promise<number> {
    const text = `SELECT n FROM ${this.#table} WHERE id = $1`;
    return numberIn(await this.#pool.query<{ n: string }>({ name: `${this.#table} read`, text, values: [id] }));
  }

  /** Makes a row due. */
  async schedule(id: string, dueAtMs: number): Promise<void> {
    const text = `INSERT INTO ${this.#table}_due VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at`;
    await this.#pool.query({ name: `${this.#table} schedule`, text, values: [id, dueAtMs] });
  }

  /** Makes rows due, all in one statement. */
  async scheduleAll(ids: readonly string[]): Promise<void> {
    await this.#pool.query(`INSERT INTO ${this.#table}_due SELECT id, 0 FROM unnest($1::text[]) AS id`, [ids]);
  }

  /** Handles all rows that are due, on all connections, each in a commit of its own. Returns how many. */
  async handleDue(nowMs: number): Promise<number> {
    const due = `SELECT id FROM ${this.#table}_due WHERE due_at <= $1 ORDER BY due_at LIMIT 500`;
    const handle = `
      WITH due AS (DELETE FROM ${this.#table}_due WHERE id = $1 RETURNING id)
      UPDATE ${this.#table} AS t SET n = n + 1 FROM due WHERE t.id = due.id`;
    for (let handled = 0; ;) {
      const { rows } = await this.#pool.query<{ id: string }>({
        name: `${this.#table} due`,
        text: due,
        values: [nowMs],
      });
      if (rows.length === 0) return handled;
      const one = { name: `${this.#table} handle`, text: handle };
      await Promise.all(rows.map(({ id }) => this.#pool.query({ ...one, values: [id] })));
      handled += rows.length;
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

function numberIn({ rows }: { readonly rows: readonly { readonly n: string }[] }): number {
  return Number(rows[0]?.n);
}

/**
 * Counters in memory whose calls share upserts: what has come while one upsert was on its way is in the next. It is
 * what remains of the library without everything that it promises: no fence, no revision, no mailbox, nothing
 * that loads, fails or times out.
 */
export class BatchedUpserts {
  readonly #client: Client;
  readonly #upsert: string;
  readonly #counts = new Map<string, number>();
  /** Who waits for a row to be written. */
  #waiting = new Map<string, (() => void)[]>();
  #isWriting = false;

  private constructor(client: Client, upsert: string) {
    this.#client = client;
    this.#upsert = upsert;
  }

  /** Makes a table with these rows, written by one connection. */
  static async create(url: string, table: string, ids: readonly string[]): Promise<BatchedUpserts> {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query(`CREATE TABLE ${table} (id text PRIMARY KEY, state jsonb NOT NULL)`);
    const upsert = `
      INSERT INTO ${table} SELECT * FROM unnest($1::text[], $2::jsonb[])
      ON CONFLICT (id) DO UPDATE SET state = excluded.state`;
    const batched = new BatchedUpserts(client, upsert);
    await Promise.all(ids.map((id) => batched.increment(id, 0)));
    await client.query(`ANALYZE ${table}`);
    return batched;
  }

  async increment(id: string, amount: number): Promise<number> {
    const n = (this.#counts.get(id) ?? 0) + amount;
    this.#counts.set(id, n);
    await new Promise<void>((resolve) => {
      const others = this.#waiting.get(id);
      if (others === undefined) this.#waiting.set(id, [resolve]);
      else others.push(resolve);
      if (!this.#isWriting) void this.#write();
    });
    return n;
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    for (;;) {
      // Everybody who is ready to call has called.
      await soon();
      const batch = this.#waiting;
      if (batch.size === 0) break;
      this.#waiting = new Map();
      const ids = [...batch.keys()];
      const states = ids.map((id) => JSON.stringify({ n: this.#counts.get(id) }));
      await this.#client.query({ name: "upsert", text: this.#upsert, values: [ids, states] });
      for (const resolves of batch.values()) for (const resolve of resolves) resolve();
    }
    this.#isWriting = false;
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}
