/**
 * How a thread connects that has nothing of the application: by the same URL, or with the options of the
 * application's pool, as far as they are values. What cannot be taken over is code: a password, a stream or a check of
 * certificates that is a function, a client of one's own, and what listeners do to new connections.
 */

import type { ResolvedPostgresOptions } from "./postgres-options.ts";

/** The options of a client of pg, which can be sent to another thread. */
export type ThreadConnection = Readonly<Record<string, unknown>>;

/** Options of a pool that say nothing about a connection. */
const poolOnly = new Set([
  "max",
  "min",
  "maxUses",
  "maxLifetimeSeconds",
  "idleTimeoutMillis",
  "allowExitOnIdle",
  "Promise",
  "log",
  "verify",
  "onConnect",
  "types",
]);

/**
 * The options of a connection.
 *
 * @throws Error that says what cannot be taken over
 */
export function threadConnection(database: ResolvedPostgresOptions["database"]): ThreadConnection {
  if (typeof database === "string") return { connectionString: database };
  const { options } = database as { readonly options?: unknown };
  if (typeof options !== "object" || options === null) throw new Error("the pool does not tell how it connects");
  const { password, ssl } = options as { readonly password?: unknown; readonly ssl?: unknown };
  const connection: Record<string, unknown> = { ...options };
  // What pg does not show to whoever prints the options.
  if (password !== undefined) connection["password"] = password;
  if (typeof ssl === "object" && ssl !== null) {
    const { key } = ssl as { readonly key?: unknown };
    connection["ssl"] = key === undefined ? { ...ssl } : { ...ssl, key };
  }
  for (const [name, value] of Object.entries(connection)) {
    if (poolOnly.has(name) || value === undefined) delete connection[name];
    else if (!isValue(value)) throw new Error(`the option ${name} of the pool is code, or has some in it`);
  }
  return connection;
}

function isValue(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
