/**
 * The connections of one open store: to whom a statement is given, and when a connection is not used again.
 *
 * With a URL there are two small pools. Writing has its own, so that a commit or a sign of life never waits
 * behind reads; at most one commit, one renewal of the lease and, in a cluster, one change of ownership use it at a
 * time. With a pool of the
 * application everything goes through that one, and closing leaves it open.
 *
 * Nothing is kept in a session: every statement stands for itself, or is part of a transaction that is begun
 * and ended here. So a pooler in transaction mode may stand in between. Prepared statements are the
 * exception that such poolers know; where one turns out not to, they are given up.
 */

import type { RunSql } from "../ports/object-store.ts";
import { StoreFailure } from "../ports/object-store.ts";
import type { ResolvedPostgresOptions } from "./postgres-options.ts";
import {
  textTypes,
  type PostgresClient,
  type PostgresPool,
  type PostgresQuery,
  type Row,
  type Run,
  type Statement,
  type Value,
} from "./postgres-pool.ts";
import {
  connectionSurvived,
  isSeverityUnknown,
  isStatementUnknown,
  leavesConnectionUsable,
  sqlState,
} from "./postgres-failure.ts";

/** How long a new connection may take, in ms. */
const connectionTimeoutMs = 5_000;

const ignore = (): void => {};

export class PostgresConnections {
  readonly #reading: PostgresPool;
  readonly #writing: PostgresPool;
  readonly #end: () => Promise<void>;
  readonly statementTimeoutMs: number;
  /** Those that are at work. */
  readonly #busy = new Set<PostgresClient>();
  #prepares: boolean;
  #rowsWritten = 0;

  private constructor(
    reading: PostgresPool,
    writing: PostgresPool,
    end: () => Promise<void>,
    { statementTimeoutMs, prepare }: ResolvedPostgresOptions,
  ) {
    this.#reading = reading;
    this.#writing = writing;
    this.#end = end;
    this.statementTimeoutMs = statementTimeoutMs;
    this.#prepares = prepare;
    // What breaks while it is idle is replaced by the pool; without a listener it would end the process.
    for (const pool of new Set([reading, writing])) pool.on("error", ignore);
  }

  /**
   * Connects to nothing yet.
   *
   * @param writers - how many connections writing may take
   */
  static async create(options: ResolvedPostgresOptions, writers = 2): Promise<PostgresConnections> {
    const { database, readConnections } = options;
    if (typeof database !== "string") return new PostgresConnections(database, database, async () => {}, options);
    const { default: pg } = await import("pg").catch(withoutDriver);
    const pool = (max: number) =>
      new pg.Pool({
        connectionString: database,
        max,
        connectionTimeoutMillis: connectionTimeoutMs,
        keepAlive: true,
        // No timers for idle connections, and they do not keep the process alive.
        idleTimeoutMillis: 0,
        allowExitOnIdle: true,
        fallback_application_name: "durable-object",
      });
    const reading = pool(readConnections);
    const writing = pool(writers);
    const end = async (): Promise<void> => {
      await Promise.all([reading.end(), writing.end()]);
    };
    return new PostgresConnections(reading, writing, end, options);
  }

  /** A read. */
  readonly read: Run = (statement, values, timeoutMs) => this.#run(this.#reading, statement, values, timeoutMs);

  /** A write that stands for itself. */
  readonly write: Run = (statement, values, timeoutMs) => this.#run(this.#writing, statement, values, timeoutMs);

  /**
   * Runs a transaction: committed if `work` resolves, rolled back if it rejects.
   *
   * @param begin - what begins it
   * @throws what `work` throws, or what the server said; then nothing was done, unless it was the commit that
   *   was not answered
   */
  async transaction<Result>(work: (run: Run, runSql: RunSql) => Promise<Result>, begin = "BEGIN"): Promise<Result> {
    return await this.#using(this.#writing, async (client) => {
      const run: Run = (statement, values, timeoutMs) => this.#send(client, statement, values, timeoutMs);
      const runSql: RunSql = async (text, values = []) => {
        const query = { text, values: [...values], query_timeout: this.statementTimeoutMs };
        const results = [await client.query(query)].flat();
        return { rows: (results.at(-1)?.rows ?? []) as Readonly<Record<string, unknown>>[] };
      };
      await run(begin);
      let result: Result;
      try {
        result = await work(run, runSql);
      } catch (error) {
        // If that fails as well, the connection is ended, and the transaction with it.
        if (leavesConnectionUsable(error)) await run("ROLLBACK").catch(ignore);
        throw error;
      }
      await run("COMMIT");
      return result;
    });
  }

  /**
   * So many rows were written. Each time they are eight times as many, prepared statements get other names, and are
   * planned anew: what is best for a table of one page is not for one that has grown since, and until the next
   * ANALYZE, a minute later or more, nothing else would tell the server.
   */
  wrote(rows: number): void {
    this.#rowsWritten += rows;
  }

  /** Ends the connections that are ours, and those of a pool that are at work for us. */
  async close(): Promise<void> {
    for (const client of this.#busy) void client.end?.().catch(ignore);
    try {
      await this.#end();
    } finally {
      for (const pool of new Set([this.#reading, this.#writing])) pool.removeListener("error", ignore);
    }
  }

  #run(pool: PostgresPool, ...what: Parameters<Run>): Promise<readonly Row[]> {
    return this.#using(pool, (client) => this.#send(client, ...what));
  }

  /** Gives `work` a connection, and gives it back, or ends it if it is of no use any more. */
  async #using<Result>(pool: PostgresPool, work: (client: PostgresClient) => Promise<Result>): Promise<Result> {
    const client = await pool.connect();
    // A connection that breaks says so here and to the query; the query is what is listened to.
    client.on("error", ignore);
    this.#busy.add(client);
    let usable = true;
    try {
      return await work(client);
    } catch (error) {
      usable = leavesConnectionUsable(error);
      throw error;
    } finally {
      this.#busy.delete(client);
      client.removeListener("error", ignore);
      client.release(!usable);
    }
  }

  #growth(): number {
    return Math.floor(Math.log2(1 + this.#rowsWritten / 64) / 3);
  }

  async #send(
    client: PostgresClient,
    statement: Statement | string,
    values: readonly Value[] = [],
    timeoutMs = this.statementTimeoutMs,
  ): Promise<readonly Row[]> {
    const { text, name } = typeof statement === "string" ? { text: statement, name: null } : statement;
    const isPrepared = name !== null && this.#prepares;
    const query: PostgresQuery = {
      text,
      values: values as unknown[],
      rowMode: "array",
      types: textTypes,
      query_timeout: timeoutMs,
      ...(isPrepared
        ? { name: `${name}_${this.#growth()}` }
        : typeof statement === "string"
          ? {}
          : { queryMode: "extended" }),
    };
    try {
      // Several statements in one text have several results, of which the last one counts.
      const results = [await client.query(query)].flat();
      return (results.at(-1)?.rows ?? []) as readonly Row[];
    } catch (error) {
      if (isSeverityUnknown(error) && (await answers(client, timeoutMs))) connectionSurvived(error);
      // A pooler that gives each transaction another connection, and knows nothing of prepared statements.
      if (isPrepared && isStatementUnknown(error)) this.#prepares = false;
      throw error;
    }
  }
}

/** Opening fails where the package is missing, as it does for whatever else is missing. */
function withoutDriver(cause: unknown): never {
  if ((cause as { readonly code?: unknown } | null)?.code !== "ERR_MODULE_NOT_FOUND") throw cause;
  const message = "postgres() with a URL needs the package pg, which is not installed: npm install pg";
  throw new StoreFailure("lost", "STORE_UNAVAILABLE", message, { cause });
}

const inFailedTransaction = "25P02";

/** Whether a connection still answers, if only that it wants its transaction to be rolled back first. */
async function answers(client: PostgresClient, timeoutMs: number): Promise<boolean> {
  try {
    await client.query({ text: "SELECT 1", values: [], rowMode: "array", types: textTypes, query_timeout: timeoutMs });
    return true;
  } catch (error) {
    return sqlState(error) === inFailedTransaction;
  }
}
