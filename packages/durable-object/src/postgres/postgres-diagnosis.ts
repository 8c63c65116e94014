/** What can be found wrong with a PostgreSQL server, and the way to it, without writing to it. */

import { messageOf } from "../core/errors.ts";
import type { StoreFinding } from "../ports/store-inspector.ts";
import { quoted, type ResolvedPostgresOptions } from "./postgres-options.ts";
import { poolerFinding } from "./postgres-pooler.ts";
import type { Run } from "./postgres-pool.ts";
import { oldestVersion, unsafeSettings } from "./postgres-server.ts";

/** Alarms fire by the clock of the machine; a difference above this many ms is seen by people. */
const skewLimitMs = 1_000;
/** How finely this machine tells the time, in ms, and the server's answer is cut. */
const clockGrainMs = 1;
/** What an application and its successor take while one replaces the other. */
const neededConnections = 16;

/** Looks at one thing. */
type Look = (run: Run, options: ResolvedPostgresOptions) => Promise<StoreFinding | null>;

const looks: Readonly<Record<string, Look>> = {
  server: serverFinding,
  encoding: encodingFinding,
  "clock-skew": clockFinding,
  durability: durabilityFinding,
  connections: connectionsFinding,
  permissions: permissionsFinding,
  pooler: (_, options) => poolerFinding(options),
};

/** Asks the server. Never throws. */
export async function diagnoseServer(run: Run, options: ResolvedPostgresOptions): Promise<readonly StoreFinding[]> {
  const findings: StoreFinding[] = [];
  for (const [check, look] of Object.entries(looks)) {
    try {
      const found = await look(run, options);
      if (found !== null) findings.push(found);
    } catch (error) {
      findings.push(finding(check, "warning", `This could not be found out: ${messageOf(error)}`, null));
    }
  }
  return findings;
}

async function serverFinding(run: Run): Promise<StoreFinding> {
  const [row] = await run(
    "SELECT current_setting('server_version'), current_setting('server_version_num'), pg_is_in_recovery()",
  );
  const [name, number, isStandby] = row ?? [];
  const message = `PostgreSQL ${name ?? "of an unknown version"}`;
  if (Math.floor(Number(number) / 10_000) < oldestVersion) {
    return finding("server", "error", message, `Use PostgreSQL ${oldestVersion} or newer.`);
  }
  if (isStandby === "t") {
    return finding("server", "error", `${message}, a standby, which takes no writes.`, "Connect to the primary.");
  }
  return finding("server", "ok", message, null);
}

async function encodingFinding(run: Run): Promise<StoreFinding> {
  const [row] = await run("SELECT current_setting('server_encoding')");
  const encoding = row?.[0] ?? "unknown";
  if (encoding === "UTF8") return finding("encoding", "ok", "The database is in UTF8.", null);
  return finding("encoding", "error", `The encoding of the database is ${encoding}.`, "Create a database in UTF8.");
}

async function clockFinding(run: Run): Promise<StoreFinding> {
  let best: { readonly skewMs: number; readonly tripMs: number } | null = null;
  // The shortest round trip says it best.
  for (let round = 0; round < 5; round++) {
    const sentMs = Date.now();
    const started = performance.now();
    const [row] = await run("SELECT extract(epoch FROM clock_timestamp()) * 1000");
    const tripMs = performance.now() - started;
    if (best === null || tripMs < best.tripMs) best = { skewMs: Number(row?.[0]) - (sentMs + tripMs / 2), tripMs };
  }
  const { skewMs = 0, tripMs = 0 } = best ?? {};
  const rounded = Math.round(Math.abs(skewMs));
  const which = skewMs > 0 ? "ahead of" : "behind";
  const about = `(a round trip takes ${tripMs.toFixed(1)} ms)`;
  const message =
    rounded <= tripMs + clockGrainMs
      ? `The clocks of the database and of this machine agree ${about}.`
      : `The clock of the database is ${rounded} ms ${which} that of this machine ${about}.`;
  if (rounded - tripMs <= skewLimitMs) return finding("clock-skew", "ok", message, null);
  return finding("clock-skew", "warning", message, "Let NTP set both clocks: alarms fire by the clock of the machine.");
}

async function durabilityFinding(run: Run): Promise<StoreFinding> {
  const unsafe = await unsafeSettings(run);
  if (unsafe.length === 0)
    return finding("durability", "ok", "What is committed survives a crash of the server.", null);
  const message = `${unsafe.join(" and ")}: a crash of the server may lose what was answered.`;
  return finding("durability", "warning", message, "Turn it on, unless nothing here matters.");
}

async function connectionsFinding(run: Run): Promise<StoreFinding> {
  const [row] = await run(`
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
      (SELECT sum(numbackends) FROM pg_stat_database),
      (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
      (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user)`);
  const [most = 0, used = 0, ofRole = -1, usedByRole = 0] = (row ?? []).map(Number);
  const left = ofRole < 0 ? most - used : Math.min(most - used, ofRole - usedByRole);
  const message = `${used} of ${most} connections are in use; this role may open ${Math.max(0, left)} more.`;
  if (left >= neededConnections) return finding("connections", "ok", message, null);
  const advice = "An application takes up to 8 and its successor as many: raise max_connections, or use a pooler.";
  return finding("connections", "warning", message, advice);
}

async function permissionsFinding(run: Run, { schema }: ResolvedPostgresOptions): Promise<StoreFinding> {
  const name = quoted(schema);
  const [row] = await run(
    `SELECT to_regnamespace($1) IS NOT NULL, has_database_privilege(current_database(), 'CREATE'), current_user`,
    [name],
  );
  const [isThere, mayCreateSchema, role] = row ?? [];
  const missing = (what: string): StoreFinding =>
    finding("permissions", "error", `The role ${role ?? ""} lacks ${what}.`, `Have an administrator GRANT it.`);
  if (isThere !== "t") {
    if (mayCreateSchema === "t") return finding("permissions", "ok", `This role may create the schema ${name}.`, null);
    return missing(`CREATE on the database, to create the schema ${name}`);
  }
  const [rights] = await run(`SELECT has_schema_privilege($1, 'USAGE'), has_schema_privilege($1, 'CREATE')`, [schema]);
  const [mayUse, mayCreate] = rights ?? [];
  if (mayUse !== "t") return missing(`USAGE on the schema ${name}`);
  const needed = "('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')";
  const tables = await run(
    `SELECT c.relname, string_agg(r.needed, ', ') FILTER (WHERE NOT has_table_privilege(c.oid, r.needed))
     FROM pg_class c, (VALUES ${needed}) AS r (needed)
     WHERE c.relnamespace = to_regnamespace($1) AND c.relkind = 'r' AND c.relname LIKE 'durable\\_object%'
       AND c.relname <> 'durable_object_migrations'
     GROUP BY c.relname ORDER BY c.relname`,
    [name],
  );
  const short = tables.find(([, lacking]) => lacking !== null);
  if (short !== undefined) return missing(`${short[1]} on the table ${short[0]}`);
  if (tables.length === 0 && mayCreate !== "t") return missing(`CREATE on the schema ${name}, to make the tables`);
  const also = mayCreate === "t" ? " and change" : ", and not change";
  return finding("permissions", "ok", `The role ${role ?? ""} may use${also} the tables.`, null);
}

function finding(check: string, level: StoreFinding["level"], message: string, advice: string | null): StoreFinding {
  return { check, level, message, advice };
}
