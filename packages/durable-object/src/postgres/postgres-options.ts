/** The options of the PostgreSQL store, checked and resolved once. */

import type { Duration } from "../core/duration.ts";
import { parseDuration } from "../core/duration.ts";
import { DurableObjectError } from "../core/errors.ts";
import type { PostgresPool } from "./postgres-pool.ts";

/** How a PostgreSQL store is opened and used. */
export interface PostgresOptions {
  /**
   * The schema the tables are in. Default `"public"`. It is created if it is missing and the role may do so.
   * Two runtimes on two schemas of one database have nothing in common.
   */
  readonly schema?: string | undefined;
  /**
   * How long to wait for another owner to go away, for instance during a restart, before opening fails with
   * `STORE_LOCKED`. Default `"15s"`, longer than the lease of an owner that died lasts; 0 does not wait.
   */
  readonly lockTimeout?: Duration | undefined;
  /** How long opening goes on trying to reach the database. Default `"10s"`; 0 tries once. */
  readonly connectTimeout?: Duration | undefined;
  /**
   * After how long a statement without an answer is given up, with its connection. Default `"30s"`. A commit
   * is then sent again under its number, so nothing is lost or applied twice.
   */
  readonly statementTimeout?: Duration | undefined;
  /**
   * How long the right to write outlasts the last sign of life of a process, by the clock of the database.
   * Default `"10s"`, at least `"3s"`. It is renewed five times as often.
   */
  readonly lease?: Duration | undefined;
  /**
   * How many connections reading may take, beside two for writing. Default 4. Only with a URL: a pool of your
   * own has its own limit.
   */
  readonly readConnections?: number | undefined;
  /**
   * Whether statements are prepared by name, which is faster. Default `true`. `false` for a pooler that
   * cannot do that in transaction mode: PgBouncer before 1.21, or with `max_prepared_statements` 0.
   */
  readonly prepare?: boolean | undefined;
  /**
   * Whether opening creates the tables and brings them up to date. Default `true`. With `false` opening fails
   * unless they are: for a role that may not change tables. Use `migrate` then.
   */
  readonly migrate?: boolean | undefined;
}

/** The options as the store works with them. */
export interface ResolvedPostgresOptions {
  /** A URL, or the application's pool. */
  readonly database: string | PostgresPool;
  readonly schema: string;
  readonly lockTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly leaseMs: number;
  readonly readConnections: number;
  readonly prepare: boolean;
  readonly migrate: boolean;
}

const shortestLeaseMs = 3_000;

const optionNames = new Set([
  "schema",
  "lockTimeout",
  "connectTimeout",
  "statementTimeout",
  "lease",
  "readConnections",
  "prepare",
  "migrate",
]);

/**
 * The options that `postgres()` was given, with the defaults.
 *
 * @throws {@link DurableObjectError} `INVALID_OPTION`; its message never holds the URL, which holds a password
 */
export function resolveOptions(database: unknown, options: PostgresOptions): ResolvedPostgresOptions {
  if (typeof options !== "object" || options === null) invalid("the options of postgres() are an object");
  for (const name of Object.keys(options)) {
    if (!optionNames.has(name)) invalid(`postgres() has no option "${name}"; it has ${[...optionNames].join(", ")}`);
  }
  const { schema = "public", readConnections = 4, prepare = true, migrate = true } = options;
  if (typeof schema !== "string" || !/^[a-z_][a-z0-9_]{0,47}$/.test(schema)) {
    invalid(
      `postgres(): a schema is called with small letters, digits and "_", 48 characters at most, not ${shown(schema)}`,
    );
  }
  if (!Number.isInteger(readConnections) || readConnections < 1) {
    invalid(`postgres(): readConnections is a whole number from 1, not ${shown(readConnections)}`);
  }
  if (typeof prepare !== "boolean") invalid(`postgres(): prepare is true or false, not ${shown(prepare)}`);
  if (typeof migrate !== "boolean") invalid(`postgres(): migrate is true or false, not ${shown(migrate)}`);
  const leaseMs = durationOf("lease", options.lease ?? "10s");
  if (leaseMs < shortestLeaseMs) invalid(`postgres(): a lease of ${leaseMs} ms is too short; at least "3s"`);
  const statementTimeoutMs = durationOf("statementTimeout", options.statementTimeout ?? "30s");
  if (statementTimeoutMs < 1) invalid("postgres(): statementTimeout may not be 0");
  return Object.freeze({
    database: checkedDatabase(database),
    schema,
    lockTimeoutMs: durationOf("lockTimeout", options.lockTimeout ?? "15s"),
    connectTimeoutMs: durationOf("connectTimeout", options.connectTimeout ?? "10s"),
    statementTimeoutMs,
    leaseMs,
    readConnections,
    prepare,
    migrate,
  });
}

/** A store as messages call it: where the database is and how it is called, never with whom one connects or how. */
export function describe({ database, schema }: ResolvedPostgresOptions): string {
  const pool = typeof database === "string" ? {} : ((database as PoolOptions).options ?? {});
  const { connectionString = typeof database === "string" ? database : undefined } = pool;
  const url = connectionString === undefined ? null : URL.parse(withHost(connectionString));
  // What is empty says nothing.
  const first = (...texts: (string | null | undefined)[]): string => texts.find((text) => Boolean(text)) ?? "";
  const host = first(url?.searchParams.get("host"), url?.hostname, pool.host);
  const port = first(url?.searchParams.get("port"), url?.port, pool.port?.toString(), "5432");
  const name = first(url === null ? pool.database : decodeURIComponent(url.pathname.slice(1)));
  const at = host === "" ? "" : ` at ${host}:${port}`;
  return `Schema "${schema}" of ${name === "" ? "the database" : `database "${name}"`}${at}`;
}

/** Where a pool of pg has the options it was made with. */
interface PoolOptions {
  readonly options?: {
    readonly connectionString?: string;
    readonly host?: string;
    readonly port?: number;
    readonly database?: string;
  };
}

/** A name as it stands in SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function checkedDatabase(database: unknown): string | PostgresPool {
  if (isPool(database)) return database;
  const takes = "postgres() takes the URL of a database (postgres://user@host/name) or a Pool of pg";
  if (typeof database !== "string") {
    const hint = database === undefined ? ". Is the environment variable set that it comes from?" : "";
    return invalid(`${takes}, not ${shown(database)}${hint}`);
  }
  if (!/^postgres(?:ql)?:\/\//.test(database) || !URL.canParse(withHost(database))) {
    return invalid(`${takes}; what it was given begins with neither "postgres://" nor "postgresql://", or is no URL`);
  }
  return database;
}

/** `postgres:///name?host=/run/postgresql` is good for pg; `URL` does not care either way. */
function withHost(url: string): string {
  return url.replace(/^(postgres(?:ql)?):\/\/\//, "$1://localhost/");
}

function isPool(value: unknown): value is PostgresPool {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as { readonly connect?: unknown }).connect === "function" &&
    typeof (value as { readonly on?: unknown }).on === "function"
  );
}

function durationOf(name: string, value: Duration): number {
  const ms = parseDuration(value);
  return ms ?? invalid(`postgres(): ${name} is a duration like 500, "500ms" or "10s", not ${shown(value)}`);
}

function shown(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? JSON.stringify(value) : typeof value;
}

function invalid(message: string): never {
  throw new DurableObjectError("INVALID_OPTION", message);
}
