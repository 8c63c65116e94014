/** The application's statements on SQLite: placeholders of two forms, counted, and kinds of values. */

import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import type { SqlValue } from "../../src/core/sql-statement.ts";
import { ApplicationSql, StatementError } from "../../src/sqlite/sqlite-application-sql.ts";

function open() {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE t (a, b, c)");
  const sql = new ApplicationSql(database);
  return {
    database,
    run: (text: string, ...params: readonly SqlValue[]) => sql.execute({ text, params }),
    rows: () =>
      database
        .prepare("SELECT a, b, c FROM t ORDER BY rowid")
        .all()
        .map((row) => Object.values(row)),
  };
}

test("placeholders are question marks, or have numbers in any order", () => {
  const { run, rows } = open();
  run("INSERT INTO t VALUES (?, ?, ?)", 1, "x", null);
  run("INSERT INTO t VALUES (?2, ?1, ?1)", 1, 2);
  run("INSERT INTO t VALUES ($2, $1, $2)", 1, 2);
  run("INSERT INTO t VALUES ('$1', ':a ? @b', ?)", 3);
  run("INSERT INTO t SELECT $1, '? $2', x FROM (SELECT $1 AS x)", "one");
  run("INSERT INTO t VALUES (1, 2, 3)");
  expect(rows()).toEqual([
    [1, "x", null],
    [2, 1, 1],
    [2, 1, 2],
    ["$1", ":a ? @b", 3],
    ["one", "? $2", "one"],
    [1, 2, 3],
  ]);
});

test.each([
  ["INSERT INTO t VALUES (?, ?, ?)", [1, 2], "more placeholders than values: 2"],
  ["INSERT INTO t VALUES (?, ?, 1)", [1, 2, 3], "fewer placeholders than values: 3"],
  ["INSERT INTO t VALUES ($1, $2, 1)", [1], "more placeholders than values: 1"],
  ["INSERT INTO t VALUES ($1, $2, 1)", [1, 2, 3], "fewer placeholders than values: 3"],
  ["INSERT INTO t VALUES (?2, 1, 1)", [1], "more placeholders"],
  ["INSERT INTO t VALUES (1, 1, 1)", [1], "fewer placeholders"],
  ["INSERT INTO t VALUES (?, 1, 1)", [], "more placeholders"],
  ["INSERT INTO t VALUES ($1, ?, 1)", [1, 2], "and not both"],
  ["INSERT INTO t VALUES (:a, 1, 1)", [1], "there is :a"],
  ["INSERT INTO t VALUES (@a, 1, 1)", [], "there is @a"],
  ["INSERT INTO t VALUES ($a, ?, 1)", [1], "there is $a"],
  ["INSERT INTO t VALUES (1, 1, 1); DELETE FROM t", [], "more than one statement"],
])("%s with %j is refused, whenever it comes", (text, params, why) => {
  const { run, rows } = open();
  for (let attempt = 0; attempt < 2; attempt++) {
    expect(() => run(text, ...params)).toThrow(StatementError);
    expect(() => run(text, ...params)).toThrow(why);
  }
  expect(rows()).toEqual([]);
});

test("a number that is left out is missed", () => {
  const { run, rows } = open();
  expect(() => run("INSERT INTO t VALUES ($1, $3, 1)", 1, 2, 3)).toThrow("$2");
  expect(rows()).toEqual([]);
});

test("a text that was right once is counted every time", () => {
  const { run, rows } = open();
  run("INSERT INTO t VALUES ($1, $2, 0)", 1, 2);
  run("INSERT INTO t VALUES (?, ?, 1)", 1, 2);
  for (const text of ["INSERT INTO t VALUES ($1, $2, 0)", "INSERT INTO t VALUES (?, ?, 1)"]) {
    expect(() => run(text, 1)).toThrow("more placeholders");
    expect(() => run(text, 1, 2, 3)).toThrow("fewer placeholders");
    expect(() => run(text)).toThrow("more placeholders");
  }
  expect(rows()).toHaveLength(2);
});

test("what follows a statement may be a comment", () => {
  const { run, rows } = open();
  for (const end of [";", " ; ", "; -- done", "; /* done */ ;\n", "; /* open"])
    run(`INSERT INTO t VALUES (1, 1, 1)${end}`);
  expect(rows()).toHaveLength(5);
});

test("whole numbers are integers, booleans are 1 and 0, and the rest stays what it is", () => {
  const { database, run } = open();
  const values = [1, -5, 2 ** 53 - 1, 1e20, 1.5, true, false, 2n ** 62n, "1", null, new Uint8Array([1])];
  for (const value of values) run("INSERT INTO t VALUES ($1, typeof($1), CAST($1 AS TEXT))", value);
  const found = database.prepare("SELECT b || ':' || coalesce(c, '') AS found FROM t ORDER BY rowid").all();
  expect(found.map((row) => row["found"])).toEqual([
    "integer:1",
    "integer:-5",
    "integer:9007199254740991",
    "real:1.0e+20",
    "real:1.5",
    "integer:1",
    "integer:0",
    "integer:4611686018427387904",
    "text:1",
    "null:",
    "blob:\u0001",
  ]);
});

test("a table may change under a statement that is kept", () => {
  const { database, run, rows } = open();
  run("INSERT INTO t VALUES (?, 1, 1)", 1);
  database.exec("DROP TABLE t");
  expect(() => run("INSERT INTO t VALUES (?, 1, 1)", 2)).toThrow("no such table");
  database.exec("CREATE TABLE t (a, b, c)");
  run("INSERT INTO t VALUES (?, 1, 1)", 3);
  expect(rows()).toEqual([[3, 1, 1]]);
});

test("more texts than are kept work as well", () => {
  const { run, rows } = open();
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < 200; index++) run(`INSERT INTO t VALUES ($1, ${index}, 0)`, round);
  }
  expect(rows()).toHaveLength(400);
});
