/**
 * Whether there is a pooler between this machine and the server, and whether it gives every transaction another
 * connection. Nobody says so; it shows:
 *
 * - A server tells each connection the number of the process that serves it. A pooler tells a number of its own.
 * - While a connection is open, a server process serves no other. If two connections that are open at the same time
 *   are served by one process, or one connection by two, connections are given to transactions.
 */

import type { StoreFinding } from "../ports/store-inspector.ts";
import { isStatementUnknown } from "./postgres-failure.ts";
import type { ResolvedPostgresOptions } from "./postgres-options.ts";

/** What is used of a connection of pg that belongs to nobody else. */
export interface PooledConnection {
  /** The process that the server says it is served by. */
  readonly processID?: number | null;
  query(query: { readonly text: string; readonly name?: string }): Promise<{ readonly rows: readonly unknown[] }>;
}

/** How connections are given out, as far as can be seen. */
export interface Pooling {
  readonly mode: "none" | "session" | "transaction";
  /** Whether statements that are prepared by name are found again. */
  readonly prepares: boolean;
}

/** Looks for a pooler. A pool that is not one of pg's does not say how to connect, so nothing is found. */
export async function poolerFinding(options: ResolvedPostgresOptions): Promise<StoreFinding | null> {
  const settings = settingsOf(options);
  if (settings === null) return null;
  const { default: pg } = await import("pg");
  const connections = [new pg.Client(settings), new pg.Client(settings)] as const;
  try {
    for (const connection of connections) {
      connection.on("error", () => {});
      await connection.connect();
    }
    return describePooling(await findPooling(...connections), options.prepare);
  } finally {
    await Promise.allSettled(connections.map((connection) => connection.end()));
  }
}

function settingsOf({ database }: ResolvedPostgresOptions): Readonly<Record<string, unknown>> | null {
  const limits = { connectionTimeoutMillis: 5_000, query_timeout: 5_000 };
  if (typeof database === "string") return { connectionString: database, ...limits };
  const { options } = database as { readonly options?: { readonly password?: unknown } };
  // A pool hides its password from whoever copies its options.
  return options === undefined ? null : { ...options, password: options.password, ...limits };
}

/** Asks by two connections, which are open and have been idle so far. */
export async function findPooling(first: PooledConnection, second: PooledConnection): Promise<Pooling> {
  const before = await servedBy(first);
  // The second may meet the process that knows the statement already, and after that the first one that does not.
  let prepares = (await preparesByName(first)) && (await preparesByName(second));
  await second.query({ text: "BEGIN" });
  // While it is in a transaction, its process is not to be had.
  const other = await servedBy(second);
  const after = await servedBy(first);
  prepares &&= await preparesByName(first);
  await second.query({ text: "ROLLBACK" });
  if (before === other || before !== after) return { mode: "transaction", prepares };
  const told = first.processID;
  return { mode: told === before || typeof told !== "number" ? "none" : "session", prepares };
}

async function servedBy(connection: PooledConnection): Promise<number> {
  const { rows } = await connection.query({ text: "SELECT pg_backend_pid() AS pid" });
  return Number((rows[0] as { readonly pid: unknown }).pid);
}

async function preparesByName(connection: PooledConnection): Promise<boolean> {
  try {
    await connection.query({ name: "durable_object_doctor", text: "SELECT 1" });
    return true;
  } catch (error) {
    if (isStatementUnknown(error)) return false;
    throw error;
  }
}

function describePooling({ mode, prepares }: Pooling, prepare: boolean): StoreFinding {
  const check = "pooler";
  if (mode === "none")
    return { check, level: "ok", message: "No pooler: connections lead to the server.", advice: null };
  const given =
    mode === "transaction" ? "each transaction a connection of the server" : "each connection one for itself";
  if (prepares || !prepare) {
    return { check, level: "ok", message: `A pooler gives ${given}, which is fine.`, advice: null };
  }
  return {
    check,
    level: "warning",
    message: `A pooler gives ${given}, and does not know statements that are prepared by name.`,
    advice: "Say postgres(…, { prepare: false }), or set max_prepared_statements of PgBouncer 1.21 or newer.",
  };
}
