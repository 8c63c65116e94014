/** Which statements and values an application may hand to a commit. */

import { expect, test } from "vitest";
import { checkStatement, describeStatement, WrongStatement } from "../../src/core/sql-statement.ts";

function problemOf(text: unknown, params: unknown = []): string {
  try {
    checkStatement(text, params);
  } catch (error) {
    if (error instanceof WrongStatement) return error.problem;
    throw error;
  }
  return "";
}

test.each([
  "INSERT INTO orders VALUES (1)",
  "  \n\tupdate orders set a = 1",
  "-- why\n/* and\nhow */ DELETE FROM orders",
  "--\n--\n/**/SELECT add_job('x')",
  "WITH x AS (SELECT 1) INSERT INTO orders SELECT * FROM x",
  "REPLACE INTO orders VALUES (1)",
  "MERGE INTO orders USING x ON (1 = 1) WHEN MATCHED THEN DELETE",
  "CALL refresh_orders()",
  "INSERT INTO my_durable_objects VALUES (1)",
  "INSERT INTO durable_objectives VALUES (1)",
])("takes %j", (text) => {
  expect(checkStatement(text, [])).toEqual({ text, params: [] });
});

test.each([
  "BEGIN",
  "begin immediate",
  "COMMIT",
  "END",
  "ROLLBACK",
  "SAVEPOINT x",
  "RELEASE x",
  "ATTACH 'other.db' AS other",
  "DETACH other",
  "PRAGMA journal_mode = DELETE",
  "VACUUM",
  "SET search_path = x",
  "START TRANSACTION",
  "LISTEN x",
  "CREATE TABLE x (a)",
  "DROP TABLE orders",
  "/* SELECT */ COMMIT",
  "-- SELECT\nCOMMIT",
  "SELECTED",
])("refuses %j: it runs inside a transaction", (text) => {
  expect(problemOf(text)).toContain("may not begin with");
});

test.each(["", "   ", "-- SELECT 1", "/* SELECT 1", ";", "(SELECT 1)", "5", "ünsert"])("%j is no statement", (text) => {
  expect(problemOf(text)).toContain("is no statement");
});

test.each([
  "UPDATE durable_objects SET state = NULL",
  'UPDATE "durable_objects" SET state = NULL',
  "INSERT INTO orders SELECT id FROM main.DURABLE_OBJECTS",
  "DELETE FROM durable_object_lanes",
  "DELETE FROM app.durable_object_alarms",
])("refuses %j: the tables of the library are not to be touched", (text) => {
  expect(problemOf(text)).toMatch(/names durable_object(s|_\w+)/i);
});

test("takes texts, numbers, bigints, booleans, null and bytes, and keeps a copy", () => {
  const bytes = new Uint8Array([1, 2]);
  const params = ["a", "", 1, -0.5, 2n ** 63n - 1n, -(2n ** 63n), true, null, bytes, Buffer.from("b")];
  const statement = checkStatement("SELECT 1", params);
  expect(statement.params).toEqual([...params.slice(0, -1), new Uint8Array([98])]);
  bytes[0] = 9;
  params.length = 0;
  expect(statement.params).toHaveLength(10);
  expect(statement.params[8]).toEqual(new Uint8Array([1, 2]));
});

test.each([
  [undefined, "null for a missing value"],
  [Number.NaN, "no finite number"],
  [Number.POSITIVE_INFINITY, "no finite number"],
  [2n ** 63n, "64 bits"],
  [new Date(0), "ISO text"],
  [{ a: 1 }, "JSON text"],
  [[1], "JSON text"],
  [new Uint16Array(1), "JSON text"],
  [Symbol("x"), "JSON text"],
  [() => 1, "JSON text"],
  ["a\u0000", "U+0000"],
  ["\ud800", "surrogate"],
])("refuses a value: %s", (value, why) => {
  const problem = problemOf("SELECT 1", ["fine", value]);
  expect(problem).toContain("params[1]");
  expect(problem).toContain(why);
});

test("refuses what is no text and no list", () => {
  expect(problemOf(undefined)).toContain("no text");
  expect(problemOf("SELECT '\u0000'")).toContain("U+0000");
  expect(problemOf("SELECT 1", "a")).toContain("no list");
  expect(problemOf("SELECT 1", { 0: "a" })).toContain("no list");
});

test("names the statement that failed", () => {
  const statements = ["SELECT 1", `\n  INSERT INTO orders ${"x".repeat(200)}`].map((text) => ({ text, params: [] }));
  expect(describeStatement(statements, 0)).toBe('statement 1 of 2: "SELECT 1"');
  expect(describeStatement(statements, 1)).toMatch(/^statement 2 of 2: "INSERT INTO orders x+…$/);
});
