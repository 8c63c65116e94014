/** What is in a schema, as text that two of them can be compared by. */

import { sql } from "./postgres-place.ts";

/** What a schema contains: columns, keys, indexes and settings, as lines; empty if it is not there. */
export async function describeSchema(schema: string): Promise<string> {
  const [found] = await sql("SELECT to_regnamespace($1) IS NOT NULL AS found", [schema]);
  if (found?.["found"] !== true) return "";
  const columns = await sql(
    `SELECT c.relname, a.attnum, format('%s.%s %s%s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE "' || l.collname || '"' ELSE '' END,
        CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
        coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')) AS line
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     JOIN pg_type t ON t.oid = a.atttypid
     LEFT JOIN pg_collation l ON l.oid = a.attcollation
     LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' ORDER BY 1, 2`,
    [schema],
  );
  const constraints = await sql(
    `SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) AS line FROM pg_constraint
     WHERE connamespace = $1::regnamespace AND contype IN ('p', 'f', 'u', 'c') ORDER BY 1`,
    [schema],
  );
  const indexes = await sql(`SELECT indexdef AS line FROM pg_indexes WHERE schemaname = $1 ORDER BY 1`, [schema]);
  const settings = await sql(
    `SELECT format('%s %s', relname, reloptions) AS line FROM pg_class
     WHERE relnamespace = $1::regnamespace AND reloptions IS NOT NULL ORDER BY 1`,
    [schema],
  );
  const lines = [...columns, ...constraints, ...indexes, ...settings].map(({ line }) => String(line));
  return `${lines.join("\n").replaceAll(`${schema}.`, "")}\n`;
}
