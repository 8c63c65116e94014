/** The options of `sqlite()`: refused at once, with a message that says what is wanted. */

import { expect, test } from "vitest";
import { DurableObjectError } from "../../src/core/errors.ts";
import type { SqliteOptions } from "../../src/sqlite/index.ts";
import { sqlite } from "../../src/sqlite/index.ts";

function problemWith(path: unknown, options?: unknown): string {
  try {
    sqlite(path as string, options as SqliteOptions);
  } catch (error) {
    expect(error).toBeInstanceOf(DurableObjectError);
    expect(error).toMatchObject({ code: "INVALID_OPTION", retryable: false });
    return (error as Error).message;
  }
  throw new Error("nothing was refused");
}

test.each([
  ["", "memory()"],
  [":memory:", "memory()"],
  ["file:app.db", "not a URL"],
  ["file:///app.db?mode=ro", "not a URL"],
  ["a\u0000b", "U+0000"],
  [undefined, "the path of a file"],
  [new URL("file:///app.db"), "the path of a file"],
])("the path %o", (path, message) => {
  expect(problemWith(path)).toContain(message);
});

test.each([
  [{ synchronous: "off" }, '"full" or "normal", not "off"'],
  [{ synchronous: true }, '"full" or "normal", not boolean'],
  [{ worker: "yes" }, 'worker is true or false, not "yes"'],
  [{ lockTimeout: "soon" }, 'like 500, "500ms" or "10s", not "soon"'],
  [{ lockTimeout: -1 }, "not -1"],
  [{ lockTimeout: Number.NaN }, "lockTimeout"],
  [{ allowNetworkFileSystem: 1 }, "allowNetworkFileSystem is true or false, not 1"],
  [{ syncronous: "full" }, 'no option "syncronous"; it has synchronous, worker,'],
  [null, "are an object"],
])("the options %o", (options, message) => {
  expect(problemWith("app.db", options)).toContain(message);
});

test("what is valid is accepted, and nothing is opened yet", () => {
  expect(sqlite("/nowhere/app.db").name).toBe("sqlite");
  const options: SqliteOptions = {
    synchronous: "normal",
    worker: true,
    lockTimeout: "1.5s",
    allowNetworkFileSystem: true,
  };
  expect(sqlite("/nowhere/app.db", options).name).toBe("sqlite");
  expect(sqlite("/nowhere/app.db", { synchronous: undefined, worker: undefined, lockTimeout: 0 }).name).toBe("sqlite");
});
