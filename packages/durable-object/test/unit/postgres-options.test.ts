/** The options of `postgres()`: refused at once, with a message that says what is wanted and keeps the password. */

import { expect, test } from "vitest";
import { DurableObjectError } from "../../src/core/errors.ts";
import { postgres, type PostgresOptions } from "../../src/postgres/index.ts";
import { describe as described, resolveOptions } from "../../src/postgres/postgres-options.ts";

const url = "postgres://app:s3cret@db.example:6543/shop";

function problemWith(database: unknown, options?: unknown): string {
  try {
    postgres(database as string, options as PostgresOptions);
  } catch (error) {
    expect(error).toBeInstanceOf(DurableObjectError);
    expect(error).toMatchObject({ code: "INVALID_OPTION", retryable: false });
    expect(JSON.stringify([String(error), (error as Error).stack, (error as Error).cause])).not.toContain("s3cret");
    return (error as Error).message;
  }
  throw new Error("nothing was refused");
}

test.each([
  [undefined, "Is the environment variable set"],
  [null, "the URL of a database"],
  ["", "begins with neither"],
  ["mysql://app:s3cret@localhost/app", "begins with neither"],
  ["postgres://app:s3cret@[/app", "is no URL"],
  ["app:s3cret@localhost", "begins with neither"],
  [{ host: "localhost" }, "or a Pool of pg"],
  [7, "not 7"],
])("the database %o", (database, message) => {
  expect(problemWith(database)).toContain(message);
});

test.each([
  [{ schema: "Tenant" }, 'not "Tenant"'],
  [{ schema: "" }, 'not ""'],
  [{ schema: "a b" }, "small letters"],
  [{ schema: 'a"; DROP SCHEMA public' }, "small letters"],
  [{ schema: "1a" }, "small letters"],
  [{ schema: "x".repeat(49) }, "48 characters"],
  [{ schema: 7 }, "not 7"],
  [{ lockTimeout: "soon" }, 'like 500, "500ms" or "10s", not "soon"'],
  [{ connectTimeout: -1 }, "connectTimeout"],
  [{ statementTimeout: 0 }, "may not be 0"],
  [{ lease: "1s" }, 'at least "3s"'],
  [{ readConnections: 0 }, "a whole number from 1, not 0"],
  [{ readConnections: 1.5 }, "not 1.5"],
  [{ prepare: 1 }, "prepare is true or false, not 1"],
  [{ migrate: "yes" }, 'migrate is true or false, not "yes"'],
  [{ scheme: "public" }, 'no option "scheme"; it has schema, lockTimeout,'],
  [null, "are an object"],
])("the options %o", (options, message) => {
  expect(problemWith(url, options)).toContain(message);
});

test("the defaults", () => {
  expect(resolveOptions(url, {})).toEqual({
    database: url,
    schema: "public",
    lockTimeoutMs: 15_000,
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 30_000,
    leaseMs: 10_000,
    readConnections: 4,
    prepare: true,
    migrate: true,
  });
});

test.each([
  [url, {}, 'Schema "public" of database "shop" at db.example:6543'],
  ["postgresql://localhost/a%20b", { schema: "t1" }, 'Schema "t1" of database "a b" at localhost:5432'],
  ["postgres:///app?host=/run/postgresql", {}, 'Schema "public" of database "app" at /run/postgresql:5432'],
  ["postgres://localhost", {}, 'Schema "public" of the database at localhost:5432'],
])("a store is called what a person can find: %s", (database, options, name) => {
  expect(described(resolveOptions(database, options))).toBe(name);
});

test("a store in a pool is called by the pool's options", () => {
  const pool = (options: object) => ({
    connect: () => Promise.reject(new Error("not used")),
    on: () => undefined,
    removeListener: () => undefined,
    options,
  });
  const nameOf = (options: object): string => described(resolveOptions(pool(options), {}));
  expect(nameOf({ connectionString: url })).toBe('Schema "public" of database "shop" at db.example:6543');
  expect(nameOf({ host: "db", port: 1, database: "x" })).toBe('Schema "public" of database "x" at db:1');
  expect(nameOf({})).toBe('Schema "public" of the database');
});
