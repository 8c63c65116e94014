/**
 * What the migrations of the Elixir library `durable_object` and their generator do, row by row (areas MIG, and GEN from
 * 5 to 9), and the weakness of them (W-MI): the same here, or what this library does instead;
 * docs/decisions/0003-conformance-differences.md lists the latter.
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { migrate, postgres } from "../../src/postgres/index.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import { address, write } from "../../src/testing/object-store-case.ts";
import { openStore, temporaryDirectory } from "../fixtures/sqlite-fixture.ts";
import { commandLine, jsonOf, type Ended } from "../support/command-line.ts";
import { openedIn } from "../support/postgres-opened.ts";
import { freshSchema, hasPostgres, postgresUrl, sql } from "../support/postgres-place.ts";
import { describeSchema } from "../support/postgres-schema.ts";
import { changeFile, describeFile } from "../support/sqlite-schema.ts";

/** A file whose tables have the first of two versions. */
function fileOfVersion1(): string {
  const path = join(temporaryDirectory(), "app.db");
  changeFile(path, sqlite(path).migrationSql(0, 1));
  return path;
}

async function versionsOf(path: string): Promise<readonly string[]> {
  const inspector = await sqlite(path).inspect();
  onTestFinished(() => inspector.close());
  return (await inspector.migrations()).map(({ version, state }) => `${version} ${state}`);
}

/** The same number as there: what it does in three versions is one table less, and one version, here. */
test("MIG-1 a store says which version of the tables its code works with", () => {
  expect(postgres("postgres://localhost/none").tablesVersion).toBe(1);
  expect(sqlite("none.db").tablesVersion).toBe(2);
});

describe.skipIf(!hasPostgres)("tables of PostgreSQL", () => {
  test("MIG-2 objects are unique by type and id, alarms by their name as well, and due ones have an index", async () => {
    const schema = freshSchema();
    await migrate(postgresUrl(), { schema });
    const tables = await describeSchema(schema);
    // The tenant is part of the address here; the address is the key, and no number stands beside it.
    expect(tables).toContain("durable_objects PRIMARY KEY (tenant, type, id)");
    expect(tables).toContain("durable_object_alarms PRIMARY KEY (tenant, type, id, name)");
    expect(tables).toContain("durable_objects.state jsonb");
    expect(tables).toMatch(/INDEX \S+ ON \S*durable_object_alarms USING btree \(.*due_at/);
    // `text` where there it is varchar(255): a longer id is kept, and not cut or refused by the database.
    expect(tables).not.toContain("character varying");
    const store = await openedIn(schema);
    const id = "i".repeat(300);
    await store.apply(write(address(id), { state: "1" }));
    expect(await store.load(address(id))).toMatchObject({ state: "1" });
  });

  test("MIG-3 no lock stands in the row of an object: who may write stands in a table of its own", async () => {
    const schema = freshSchema();
    await migrate(postgresUrl(), { schema });
    const tables = await describeSchema(schema);
    expect(tables).not.toMatch(/locked_(?:by|at)/);
    expect(tables).toContain("durable_object_nodes.");
  });

  test("MIG-4 no claim stands in the row of an alarm: the owner of the store is the claim", async () => {
    const schema = freshSchema();
    await migrate(postgresUrl(), { schema });
    expect(await describeSchema(schema)).not.toContain("claimed_at");
  });

  test("MIG-7 everything is in the schema that is named, which is created if it is missing", async () => {
    const schema = freshSchema();
    const store = postgres(postgresUrl(), { schema });
    await sql(store.migrationSql(0, null));
    const names = await sql("SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace", [schema]);
    expect(names.map(({ relname }) => relname)).toContain("durable_object_migrations");
    // What is created without its schema would be in "public".
    for (const [, name] of store.migrationSql(0, null).matchAll(/CREATE (?:TABLE|INDEX)[^(]*? (?:ON )?(\S+) \(/g)) {
      expect(name).toContain(`"${schema}".`);
    }
  });

  test("MIG-8 times of objects and alarms are numbers of ms, others have their zone: no time is without one", async () => {
    const schema = freshSchema();
    await migrate(postgresUrl(), { schema });
    const tables = await describeSchema(schema);
    expect(tables).not.toContain("timestamp without time zone");
    expect(tables).toContain("durable_objects.created_at bigint NOT NULL");
    expect(tables).toContain("durable_object_alarms.due_at bigint NOT NULL");
    expect(tables).toContain("durable_object_migrations.applied_at timestamp with time zone");
  });
});

test("MIG-5 the SQL leads from a version to another one; by default from none to the newest", async () => {
  const path = fileOfVersion1();
  expect(await versionsOf(path)).toEqual(["1 applied", "2 missing"]);
  changeFile(path, sqlite(path).migrationSql(1, 2));
  expect(await versionsOf(path)).toEqual(["1 applied", "2 applied"]);
  const whole = join(temporaryDirectory(), "whole.db");
  const { code, stdout } = await commandLine({ cwd: "/" })("migrations", "sql", "--store", whole);
  expect(code).toBe(0);
  changeFile(whole, stdout);
  expect(describeFile(whole)).toBe(describeFile(path));
});

test("MIG-6 nothing goes back and no table is dropped: a backup is what leads back", async () => {
  const path = fileOfVersion1();
  const cli = commandLine({ cwd: temporaryDirectory() });
  const back = await cli("migrations", "sql", "--store", path, "--from", "2", "--to", "1");
  expect(back).toMatchObject({ code: 2, stdout: "" });
  expect(back.stderr).toContain("forward only");
  for (const store of [sqlite(path), postgres("postgres://localhost/none")]) {
    expect(store.migrationSql(0, null)).not.toMatch(/DROP TABLE/i);
  }
});

// The original guesses the version from source files, and `up(version: 3)` on tables of version 2 fails.
test("W-MI-1 the version stands in the database, with what was applied: nobody has to say where it is", async () => {
  const path = fileOfVersion1();
  changeFile(path, "INSERT INTO durable_objects VALUES ('', 'counter', 'a', '1', 1, 1, 5, 5, NULL)");
  const cli = commandLine({ cwd: temporaryDirectory() });
  expect(jsonOf(await cli("migrate", "--store", path, "--json"))).toMatchObject({ from: 1, to: 2 });
  expect(jsonOf(await cli("migrate", "--store", path, "--json"))).toMatchObject({ from: 2, to: 2 });
  const store = await openStore(path);
  expect(await store.load("a")).toMatchObject({ state: "1", revision: 1 });
  const tables = describeFile(path);
  expect(tables).toContain("scheduled_at INTEGER NOT NULL");
  expect(tables).not.toMatch(/_at (?:TEXT|REAL)/);
});

/** A project with migrations for a file that has two versions. */
function project(files: Readonly<Record<string, string>> = {}) {
  const cwd = temporaryDirectory();
  const directory = join(cwd, "migrations");
  mkdirSync(directory);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const cli = commandLine({ cwd });
  return {
    cwd,
    generate: (...args: readonly string[]): Promise<Ended> => cli("migrations", "new", "--store", "app.db", ...args),
    /** What was added. */
    added: () => readdirSync(directory).filter((name) => !(name in files)),
    read: (name: string) => readFileSync(join(directory, name), "utf8"),
  };
}

test("GEN-5 an upgrade leads from the highest version found to the newest", async () => {
  const { cwd, generate, added, read } = project({
    "1_add_durable_objects.sql": "-- durable-object migration 0 -> 1\n",
  });
  const { code, stdout } = await generate();
  expect(code).toBe(0);
  expect(stdout).toContain("from version 1 to 2");
  const [name = ""] = added();
  expect(name).toMatch(/^\d{14}_upgrade_durable_objects_v2\.sql$/);
  expect(read(name)).toMatch(/^-- durable-object migration 1 -> 2\n/);
  const path = join(cwd, "app.db");
  changeFile(path, sqlite(path).migrationSql(0, 1));
  changeFile(path, read(name));
  expect(await versionsOf(path)).toEqual(["1 applied", "2 applied"]);
});

test("GEN-6 what is at the newest version is left as it is", async () => {
  const { generate, added } = project({ "2_x.sql": "-- durable-object migration 0 -> 2\n" });
  const { code, stdout } = await generate();
  expect(code).toBe(0);
  expect(stdout).toContain("up to date: version 2");
  expect(added()).toEqual([]);
});

test("GEN-7 one without its versions is named, and nothing is written", async () => {
  for (const text of ["-- durable-object migration\n", "INSERT INTO durable_object_migrations VALUES (1);\n"]) {
    const { cwd, generate, added } = project({ "2_x.sql": "-- durable-object migration 0 -> 1\n", "3_y.sql": text });
    const { code, stderr } = await generate();
    expect(code).toBe(1);
    expect(stderr).toContain(join(cwd, "migrations", "3_y.sql"));
    expect(added()).toEqual([]);
  }
});

// There another generator writes the first one, and this one reports an issue.
test("GEN-8 where there is none yet, the whole is written", async () => {
  const { cwd, generate, added, read } = project({ "1_users.sql": "CREATE TABLE users (name TEXT);\n" });
  expect(await generate("--no-transaction")).toMatchObject({ code: 0 });
  const [name = ""] = added();
  expect(name).toMatch(/^\d{14}_add_durable_objects\.sql$/);
  expect(read(name)).toMatch(/^-- durable-object migration 0 -> 2\n/);
  const path = join(cwd, "app.db");
  // A tool begins its own transaction around it.
  changeFile(path, `BEGIN;${read(name)}COMMIT;`);
  expect(await versionsOf(path)).toEqual(["1 applied", "2 applied"]);
  expect(await generate()).toMatchObject({ code: 0 });
  expect(added()).toEqual([name]);
});

// There it is read from the syntax of a program, in three shapes; here from a line that is made for it.
test("GEN-9 the version is the whole number a file says it leads to, wherever in it, and nothing else", async () => {
  const highest = async (files: Readonly<Record<string, string>>): Promise<unknown> => {
    const { from } = jsonOf(await project(files).generate("--json")) as { readonly from: unknown };
    return from;
  };
  const line = "-- durable-object migration 0 -> 1";
  expect(await highest({ "a.sql": `CREATE TABLE x (y);\r\n${line}\r\nCREATE TABLE z (y);` })).toBe(1);
  expect(await highest({ "a.sql": `${line}\n`, "b.sql": "-- durable-object migration 1 -> 2" })).toBe(2);
  expect(await highest({ "a.sql": "-- durable-object  migration 0 -> 1\n", "b.sql": "-- durable-object: 2\n" })).toBe(
    0,
  );
  expect(await highest({ "a.sql": `SELECT 1; ${line}\n`, "a.txt": `${line}\n`, "2_v2.sql": "SELECT 2;" })).toBe(0);
  const halves = await project({ "a.sql": "-- durable-object migration 0 -> 1.5\n" }).generate("--json");
  expect(halves.code).toBe(1);
  expect(jsonOf(halves)).toMatchObject({ error: { code: "UNKNOWN_MIGRATION" } });
  const later = await project({ "a.sql": "-- durable-object migration 2 -> 9\n" }).generate("--json");
  expect(jsonOf(later)).toMatchObject({ error: { code: "STORE_TOO_NEW" } });
});
