/**
 * Where the examples keep their objects: this is the one place that knows. Everything else has a `place`, which is the
 * URL of a PostgreSQL database or the path of a SQLite file, and works with both.
 */

import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { RuntimeOptions } from "durable-object";
import { postgres } from "durable-object/postgres";
import { sqlite } from "durable-object/sqlite";

/** The shop's tables are in a schema of their own, beside whatever else the database is for. */
export const schema = "durable_object_example";

/** DATABASE_URL if it is set, else a file beside this one. */
export const defaultPlace = process.env["DATABASE_URL"] ?? join(import.meta.dirname, "data/shop.db");

/** The store of an example: a schema of its own in DATABASE_URL if it is set, else a file of its own in `data`. */
export function storeFor(example: string): RuntimeOptions["store"] {
  const url = process.env["DATABASE_URL"];
  if (url !== undefined) return postgres(url, { schema: `durable_object_${example.replaceAll("-", "_")}` });
  const file = join(import.meta.dirname, "data", `${example}.db`);
  mkdirSync(dirname(file), { recursive: true });
  return sqlite(file);
}

/** The store at a place. */
export function storeAt(place: string): RuntimeOptions["store"] {
  return isDatabase(place) ? postgres(place, { schema }) : sqlite(place, { lockTimeout: "1s" });
}

/** Whether a place is the URL of a PostgreSQL database. */
export function isDatabase(place: string): boolean {
  return /^postgres(ql)?:\/\//.test(place);
}

/** How a database is shown to people: without the password that its URL may hold. */
export function describeDatabase(url: string): string {
  const { hostname, port, pathname, searchParams } = new URL(url);
  const host = searchParams.get("host") ?? (port === "" ? hostname : `${hostname}:${port}`);
  return `schema ${schema} of ${decodeURIComponent(pathname.slice(1)) || "the database"} at ${host || "localhost"}`;
}
