/** What an error of SQLite means, for the cases that no test can bring about for real. */

import { expect, test } from "vitest";
import { StoreFailure } from "../../src/ports/object-store.ts";
import { storeFailure } from "../../src/sqlite/sqlite-failure.ts";

function error(errcode: number): Error {
  return Object.assign(new Error(`code ${errcode}`), { code: "ERR_SQLITE_ERROR", errcode });
}

test.each([
  ["BUSY", 5, "retry", "STORE_UNAVAILABLE", false],
  ["BUSY_SNAPSHOT", 517, "retry", "STORE_UNAVAILABLE", false],
  ["LOCKED", 6, "retry", "STORE_UNAVAILABLE", false],
  ["READONLY", 8, "full", "STORE_READ_ONLY", false],
  ["READONLY_DIRECTORY", 1544, "full", "STORE_READ_ONLY", false],
  ["FULL", 13, "full", "STORE_FULL", false],
  ["IOERR_SHMSIZE", 4874, "full", "STORE_FULL", false],
  ["IOERR_WRITE", 778, "lost", "STORE_CORRUPT", true],
  ["IOERR_FSYNC", 1034, "lost", "STORE_CORRUPT", true],
  ["CORRUPT", 11, "lost", "STORE_CORRUPT", true],
  ["CORRUPT_INDEX", 779, "lost", "STORE_CORRUPT", true],
  ["NOTADB", 26, "lost", "STORE_CORRUPT", true],
  ["CANTOPEN", 14, "retry", "STORE_UNAVAILABLE", false],
  ["TOOBIG", 18, "refused", "STATE_TOO_LARGE", false],
  ["CONSTRAINT_CHECK", 275, "refused", "COMMIT_FAILED", false],
  ["no code", 0, "refused", "COMMIT_FAILED", false],
])("%s while writing", (_, errcode, kind, code, maybeApplied) => {
  const cause = error(errcode);
  const failure = storeFailure(cause, "write", "/data/app.db");
  expect(failure).toMatchObject({ kind, code, maybeApplied, cause });
  expect(failure.message).toContain("/data/app.db");
});

test.each([
  ["IOERR_READ", 266, "retry", "STORE_UNAVAILABLE"],
  ["CORRUPT", 11, "lost", "STORE_CORRUPT"],
  ["ERROR", 1, "retry", "STORE_UNAVAILABLE"],
])("%s while reading leaves nothing in doubt", (_, errcode, kind, code) => {
  expect(storeFailure(error(errcode), "read", "p")).toMatchObject({ kind, code, maybeApplied: false });
});

test("a failure stays the failure that it is", () => {
  const failure = new StoreFailure("lost", "STORE_TAKEN_OVER", "gone");
  expect(storeFailure(failure, "write", "p")).toBe(failure);
});
