/**
 * Taking over what the Elixir library `durable_object` has stored: its objects and its alarms, from the tables
 * of its migrations 1 to 3, in the same database.
 *
 * An object is imported with its alarms, or it is there already and stays as it is, with its alarms. That is
 * what makes a second run harmless: alarms that have been handled since do not come back. Everything is one
 * transaction, in which nobody else can open the store.
 *
 * States go from row to row inside the database. Only ids come here, for their slots.
 */

import { idProblem, tenantProblem, typeProblem } from "../core/address.ts";
import { DurableObjectError } from "../core/errors.ts";
import { slotOf } from "../core/slot.ts";
import { StoreFailure } from "../ports/object-store.ts";
import { arrayOf } from "./postgres-columns.ts";
import { PostgresConnections } from "./postgres-connections.ts";
import type { PostgresPool, Row, Run } from "./postgres-pool.ts";
import { storeFailure } from "./postgres-failure.ts";
import { applyMigrations, checkVersion } from "./postgres-migrations.ts";
import { describe, quoted, resolveOptions } from "./postgres-options.ts";
import { lockSchema } from "./postgres-ownership.ts";
import { checkServer } from "./postgres-server.ts";
import { statementIn, statementsIn } from "./postgres-statements.ts";

/** What is imported, and where it goes. */
export interface ElixirImportOptions {
  /** The schema (there: the prefix) that has the tables of the Elixir library. */
  readonly from: string;
  /** The types to import, each with what it is called here: `{ "Elixir.MyApp.Counter": "counter" }`. */
  readonly types: Readonly<Record<string, string>>;
  /** The schema of the store, as `postgres()` has it; not the one of the Elixir library. Default `"public"`. */
  readonly schema?: string | undefined;
  /** The tenant that the objects get. Default: none. */
  readonly tenant?: string | undefined;
}

/** What an import came to. */
export interface ElixirImport {
  /** How many objects were imported. */
  readonly objects: number;
  /** How many alarms came with them. */
  readonly alarms: number;
  /** How many objects were there already. They and their alarms are as they were. */
  readonly existing: number;
  /** What was not imported because no object here can have such an id. */
  readonly refused: readonly { readonly type: string; readonly id: string; readonly problem: string }[];
  /** The types that were not asked for. */
  readonly otherTypes: readonly string[];
}

/** How many objects one statement imports. */
const pageSize = 1_000;

const texts = {
  owners: "SELECT expires_at > now(), pid, command, host FROM @schema.durable_object_nodes ORDER BY 1 DESC",
  otherTypes: `
    SELECT object_type FROM @from.durable_objects WHERE object_type <> ALL ($1::text[])
    UNION SELECT object_type FROM @from.durable_object_alarms WHERE object_type <> ALL ($1::text[])
    ORDER BY 1`,
  // Two ranges of unique indexes. An object that never ran may have alarms all the same.
  ids: `
    (SELECT object_id FROM @from.durable_objects
      WHERE object_type = $1 AND object_id > $2 ORDER BY object_id LIMIT ${pageSize})
    UNION
    (SELECT DISTINCT object_id FROM @from.durable_object_alarms
      WHERE object_type = $1 AND object_id > $2 ORDER BY object_id LIMIT ${pageSize})
    ORDER BY 1 LIMIT ${pageSize}`,
  // Their times are in UTC, without saying so, and in µs: none may become earlier than it was.
  copy: `
    WITH objects AS (
      INSERT INTO @schema.durable_objects
        (tenant, type, id, slot, state_version, revision, created_at, updated_at, state)
      SELECT $2::text, $3::text, wanted.id, wanted.slot, 1, 1,
        floor(extract(epoch FROM coalesce(o.inserted_at, now() AT TIME ZONE 'UTC')) * 1000),
        floor(extract(epoch FROM coalesce(o.updated_at, now() AT TIME ZONE 'UTC')) * 1000),
        o.state
      FROM unnest($4::text[], $5::smallint[]) AS wanted (id, slot)
      LEFT JOIN @from.durable_objects AS o ON o.object_type = $1 AND o.object_id = wanted.id
      ON CONFLICT DO NOTHING
      RETURNING id, slot, revision
    ), alarms AS (
      INSERT INTO @schema.durable_object_alarms
        (tenant, type, id, name, slot, due_at, scheduled_at, generation)
      SELECT $2::text, $3::text, objects.id, a.alarm_name, objects.slot,
        ceil(extract(epoch FROM a.scheduled_at) * 1000), ceil(extract(epoch FROM a.scheduled_at) * 1000),
        objects.revision
      FROM objects JOIN @from.durable_object_alarms AS a ON a.object_type = $1 AND a.object_id = objects.id
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM objects), (SELECT count(*) FROM alarms)`,
} as const;

/**
 * Imports objects and alarms of the Elixir library into the tables of a PostgreSQL store, which it creates if they
 * are missing. What is there already is never overwritten, so it may be run again. Stop both applications before.
 *
 * @param database - the URL of a database, or a `Pool` of pg. Its role may read the tables of the Elixir library
 * @throws `DurableObjectError` with the code `INVALID_OPTION`; `StoreFailure` with a code that starts with `STORE_`,
 *   `STORE_LOCKED` while a runtime has the store open. Then nothing was imported.
 *
 * @example
 * ```ts
 * await importElixir("postgres://app@localhost/app", {
 *   from: "public",
 *   schema: "objects",
 *   types: { "Elixir.MyApp.Counter": "counter" },
 * });
 * ```
 */
export async function importElixir(
  database: string | PostgresPool,
  { from, types, schema, tenant = "" }: ElixirImportOptions,
): Promise<ElixirImport> {
  const options = resolveOptions(database, { schema });
  checkSource(from, options.schema);
  checkTypes(types);
  const problem = tenantProblem(tenant);
  if (problem !== null) invalid(problem);

  const where = describe(options);
  const connections = await PostgresConnections.create(options);
  try {
    return await connections.transaction(async (run) => {
      await checkServer(run, where);
      await openAlone(run, options.schema, where);
      return await new Import(run, options.schema, from, tenant).importAll(types);
    });
  } catch (error) {
    throw storeFailure(error, "open", where);
  } finally {
    await connections.close();
  }
}

/** Brings the tables up to date, and keeps everybody else from opening the store until the transaction ends. */
async function openAlone(run: Run, schema: string, where: string): Promise<void> {
  await lockSchema(run, schema);
  const version = await checkVersion(run, schema, where);
  await applyMigrations(run, schema, version);
  const [owner] = await run(statementIn(schema, texts.owners));
  if (owner === undefined) return;
  const [isAlive, pid, command, host] = owner;
  if (isAlive === "t") {
    throw new StoreFailure(
      "retry",
      "STORE_LOCKED",
      `${where} is used by pid ${pid} (${command}, host ${host}). Stop it before you import: what it has in memory ` +
        `would not know of the import. If it was killed, try again in a few seconds.`,
    );
  }
  // It died; if it was only paused, it writes nothing any more.
  const { removeOwners, suspectDueAlarms } = statementsIn(schema);
  await run(removeOwners);
  await run(suspectDueAlarms, [Date.now()]);
}

/** One import, within its transaction. */
class Import {
  readonly #run: Run;
  readonly #schema: string;
  readonly #from: string;
  readonly #tenant: string;

  constructor(run: Run, schema: string, from: string, tenant: string) {
    this.#run = run;
    this.#schema = schema;
    this.#from = from;
    this.#tenant = tenant;
  }

  async importAll(types: Readonly<Record<string, string>>): Promise<ElixirImport> {
    const [found] = await this.#run("SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL", [
      `${quoted(this.#from)}.durable_objects`,
      `${quoted(this.#from)}.durable_object_alarms`,
    ]);
    if (found?.[0] !== "t") {
      const message = `importElixir(): the schema "${this.#from}" has no tables of the Elixir library`;
      throw new StoreFailure("lost", "INVALID_OPTION", message);
    }

    const total = { objects: 0, alarms: 0, existing: 0, refused: [] as ElixirImport["refused"][number][] };
    for (const [source, type] of Object.entries(types)) {
      for (let ids = await this.#ids(source, ""); ids.length > 0; ids = await this.#ids(source, ids.at(-1) ?? "")) {
        const good = ids.filter((id) => {
          const problem = idProblem(id);
          if (problem !== null) total.refused.push({ type: source, id, problem });
          return problem === null;
        });
        const { objects, alarms } = await this.#copy(source, type, good);
        total.objects += objects;
        total.alarms += alarms;
        total.existing += good.length - objects;
      }
    }
    const others = await this.#query(texts.otherTypes, [arrayOf(Object.keys(types))]);
    return { ...total, otherTypes: others.map(([type]) => type ?? "") };
  }

  async #ids(source: string, after: string): Promise<string[]> {
    return (await this.#query(texts.ids, [source, after])).map(([id]) => id ?? "");
  }

  async #copy(source: string, type: string, ids: string[]): Promise<{ objects: number; alarms: number }> {
    const tenant = this.#tenant;
    const slots = arrayOf(ids.map((id) => slotOf({ tenant, type, id })));
    const [row] = await this.#query(texts.copy, [source, tenant, type, arrayOf(ids), slots]);
    return { objects: Number(row?.[0]), alarms: Number(row?.[1]) };
  }

  #query(text: string, values: readonly string[]): Promise<readonly Row[]> {
    return this.#run(statementIn(this.#schema, text.replaceAll("@from", quoted(this.#from))), values);
  }
}

function checkSource(from: unknown, schema: string): void {
  if (typeof from !== "string" || from === "") {
    invalid(`from is the schema with the tables of the Elixir library, for instance "public"`);
  }
  if (from !== schema) return;
  invalid(
    `from and schema are both "${schema}". The tables of the Elixir library have names that are used here too: give ` +
      `the store another schema, as in postgres(url, { schema: "objects" })`,
  );
}

function checkTypes(types: unknown): void {
  const entries = typeof types === "object" && types !== null ? Object.entries(types) : [];
  if (entries.length === 0) invalid(`types names at least one type, as in { "Elixir.MyApp.Counter": "counter" }`);
  const taken = new Set<unknown>();
  for (const [source, type] of entries) {
    const problem = typeProblem(type);
    if (problem !== null) invalid(`types: "${source}" becomes ${JSON.stringify(type)}, but ${problem}`);
    if (taken.has(type)) invalid(`types: two of them become "${type as string}", whose ids could be the same`);
    taken.add(type);
  }
}

function invalid(message: string): never {
  throw new DurableObjectError("INVALID_OPTION", `importElixir(): ${message}`);
}
