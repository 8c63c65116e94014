/** `migrate` and `migrations`: see also elixir-migrations.test.ts. */

import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openStore, temporaryDirectory } from "../fixtures/sqlite-fixture.ts";
import { commandLine, jsonOf } from "../support/command-line.ts";
import { PostgresChild } from "../support/postgres-child.ts";
import { freshSchema, hasPostgres, postgresUrl, sql } from "../support/postgres-place.ts";
import { changeFile } from "../support/sqlite-schema.ts";

function place() {
  const cwd = temporaryDirectory();
  return { cli: commandLine({ cwd }), path: join(cwd, "app.db") };
}

describe("on SQLite", () => {
  test("looking creates nothing; migrating makes the file, and a second time changes nothing", async () => {
    const { cli, path } = place();
    const before = await cli("migrations", "status", "--store", "app.db");
    expect(before.code).toBe(1);
    expect(before.stdout).toContain("missing");
    expect(existsSync(path)).toBe(false);
    expect(jsonOf(await cli("migrate", "--store", "app.db", "--json"))).toEqual({ location: path, from: 0, to: 2 });
    const again = await cli("migrate", "--store", "app.db");
    expect(again.stdout).toContain("Nothing was changed");
    const after = await cli("migrations", "status", "--store", "app.db", "--json");
    expect(after.code).toBe(0);
    expect(jsonOf(after)).toMatchObject({
      migrations: [
        { version: 1, state: "applied", appliedAt: expect.stringMatching(/^20.*Z$/) as string },
        { version: 2, state: "applied" },
      ],
    });
  });

  test("an application that runs is in the way only if something has to change", async () => {
    const { cli, path } = place();
    await openStore(path);
    expect(await cli("migrate", "--store", path)).toMatchObject({ code: 0 });
    changeFile(path, "DELETE FROM durable_object_migrations WHERE version = 2");
    const refused = await cli("migrate", "--store", path);
    expect(refused).toMatchObject({ code: 3, stdout: "" });
    expect(refused.stderr).toContain(`STORE_LOCKED: ${path} is used by pid ${process.pid}`);
    expect(refused.stderr).toContain("Stop that first");
  });

  test("tables of a newer version are told of, and left alone", async () => {
    const { cli, path } = place();
    await cli("migrate", "--store", path);
    changeFile(path, "INSERT INTO durable_object_migrations VALUES (3, 'later', 0, 'x')");
    const status = await cli("migrations", "status", "--store", path);
    expect(status.code).toBe(1);
    expect(status.stdout).toMatch(/^3 +newer +1970-01-01T00:00:00.000Z +later$/m);
    expect(status.stdout).toContain("update the package");
    const refused = await cli("migrate", "--store", path, "--json");
    expect(refused.code).toBe(1);
    expect(jsonOf(refused)).toMatchObject({ error: { code: "STORE_TOO_NEW" } });
  });

  test("a place that cannot be is refused with what to do", async () => {
    const { cli } = place();
    const refused = await cli("migrate", "--store", "missing/app.db");
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("STORE_UNAVAILABLE");
    expect(await cli("migrate", "--store", "app.db", "--schema", "app")).toMatchObject({ code: 2, stdout: "" });
    const nothing = await cli("migrate");
    expect(nothing.code).toBe(2);
    expect(nothing.stderr).toContain("--store");
  });

  test("the SQL is printed without asking the database, and for versions that there are", async () => {
    const { cli, path } = place();
    const whole = await cli("migrations", "sql", "--store", path);
    expect(whole.stdout).toMatch(/^BEGIN IMMEDIATE;[^]*COMMIT;\n$/);
    const bare = await cli("migrations", "sql", "--store", path, "--no-transaction", "--from", "1");
    expect(bare.stdout).not.toMatch(/^(?:BEGIN|COMMIT)/m);
    expect(bare.stdout).not.toContain("CREATE TABLE durable_objects");
    expect(jsonOf(await cli("migrations", "sql", "--store", path, "--to", "1", "--json"))).toMatchObject({
      from: 0,
      to: 1,
    });
    expect(await cli("migrations", "sql", "--store", path, "--to", "9")).toMatchObject({ code: 2, stdout: "" });
    expect(await cli("migrations", "sql", "--store", path, "--to", "x")).toMatchObject({ code: 2, stdout: "" });
    expect(existsSync(path)).toBe(false);
    const url = "postgres://app:secret@nowhere.invalid/app";
    const far = await cli("migrations", "sql", "--store", url, "--schema", "app");
    expect(far.stdout).toMatch(/^BEGIN;\nCREATE SCHEMA IF NOT EXISTS "app";\n/);
    expect(far.stdout).not.toContain("secret");
  });

  test("a migration goes into the directory that is named, which is made", async () => {
    const { cli, path } = place();
    const written = await cli("migrations", "new", "--store", path, "--dir", "db/migrations");
    expect(written.code).toBe(0);
    expect(readdirSync(join(path, "..", "db", "migrations"))).toHaveLength(1);
    expect(await cli("migrations", "new", "--store", path, "--format", "js")).toMatchObject({ code: 2 });
    // Tools that keep a directory for each migration; and what other packages bring along.
    const again = await cli("migrations", "new", "--store", path, "--dir", ".", "--json");
    expect(jsonOf(again)).toMatchObject({ file: null, from: 2 });
    mkdirSync(join(path, "..", "node_modules"));
    writeFileSync(join(path, "..", "node_modules", "x.sql"), "-- durable-object migration\n");
    expect(await cli("migrations", "new", "--store", path, "--dir", ".")).toMatchObject({ code: 0 });
    writeFileSync(join(path, "..", "file"), "");
    const refused = await cli("migrations", "new", "--store", path, "--dir", "file");
    expect(refused).toMatchObject({ code: 2, stdout: "" });
  });
});

describe.skipIf(!hasPostgres)("on PostgreSQL", () => {
  test("the schema is made, several times at once, and up to date while an application runs", async () => {
    const { cli } = place();
    const schema = freshSchema();
    const where = ["--store", postgresUrl(), "--schema", schema, "--json"];
    const before = await cli("migrations", "status", ...where);
    expect(before.code).toBe(1);
    expect(jsonOf(before)).toMatchObject({ migrations: [{ version: 1, state: "missing", appliedAt: null }] });
    const runs = await Promise.all([cli("migrate", ...where), cli("migrate", ...where)]);
    const froms = runs.map((run) => (jsonOf(run) as { readonly from: number }).from);
    expect(froms.toSorted((a, b) => a - b)).toEqual([0, 1]);
    const child = new PostgresChild({ schema });
    await child.succeed({ step: "open" });
    expect(jsonOf(await cli("migrate", ...where))).toMatchObject({ from: 1, to: 1 });
    expect(await cli("migrations", "status", ...where)).toMatchObject({ code: 0 });
  });

  test("a role without rights is told what it lacks", async () => {
    const { cli } = place();
    const schema = freshSchema();
    const role = freshSchema();
    await sql(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
    const url = postgresUrl((to) => {
      to.username = role;
      to.password = "secret";
    });
    const refused = await cli("migrate", "--store", url, "--schema", schema);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("permission denied");
    const doctor = await cli("doctor", "--store", url, "--schema", schema, "--json");
    expect(doctor.code).toBe(1);
    expect(jsonOf(doctor)).toMatchObject({
      findings: expect.arrayContaining([
        expect.objectContaining({ check: "permissions", level: "error" }) as unknown,
      ]) as unknown,
    });
  });
});
