/** Damage: found, named, and nothing written on top of it. */

import { randomBytes } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { address, write } from "../../src/testing/object-store-case.ts";
import { failureOf, openStore, StoreProcess, temporaryDirectory } from "../fixtures/sqlite-fixture.ts";

/** A closed store of many pages. */
async function largeStore(): Promise<string> {
  const path = join(temporaryDirectory(), "app.db");
  const store = await openStore(path);
  const state = JSON.stringify("x".repeat(2_000));
  await store.apply(...Array.from({ length: 200 }, (_, index) => write(`user-${index}`, { state })));
  await store.store.close();
  return path;
}

describe("opening", () => {
  test("a file that is no database is refused and left as it is", async () => {
    const path = join(temporaryDirectory(), "notes.txt");
    const notes = "Dear diary, today I was no database.\n".repeat(500);
    writeFileSync(path, notes);
    const failure = await failureOf(openStore(path));
    expect(failure).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
    expect(failure.message).toContain(path);
    expect(failure.message).toContain("is not a database");
    expect(readFileSync(path, "utf8")).toBe(notes);
  });

  test("a file that was cut off is refused", async () => {
    const path = await largeStore();
    truncateSync(path, Math.floor(statSync(path).size / 2 / 4096) * 4096);
    expect(await failureOf(openStore(path))).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
  });

  test("a file whose first pages were overwritten is refused", async () => {
    const path = await largeStore();
    overwrite(path, 100, 3 * 4096);
    expect(await failureOf(openStore(path))).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
  });

  test("a directory that is missing is named", async () => {
    const directory = temporaryDirectory();
    const failure = await failureOf(openStore(join(directory, "missing", "deeper", "app.db")));
    expect(failure.code).toBe("STORE_UNAVAILABLE");
    expect(failure.message).toContain(`there is no directory ${join(directory, "missing")}.`);
  });

  test("a path that is not a file is refused", async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "app.db"));
    symlinkSync(join(directory, "nothing"), join(directory, "link.db"));
    writeFileSync(join(directory, "file"), "");
    for (const path of ["app.db", "link.db", "file/app.db"]) {
      expect(await failureOf(openStore(join(directory, path))), path).toMatchObject({ code: "STORE_UNAVAILABLE" });
    }
  });
});

describe("while it is open", () => {
  test.each([{ worker: false }, { worker: true }])("damage that a call meets stops the store: %o", async (options) => {
    const path = await largeStore();
    const store = await openStore(path, options);
    overwrite(path, 8 * 4096, statSync(path).size - 8 * 4096);
    const addresses = Array.from({ length: 200 }, (_, index) => address(`user-${index}`));
    const failure = await failureOf(store.store.load(addresses));
    expect(failure).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
    expect(await failureOf(store.commit([write("new")]))).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
    expect(await failureOf(store.store.sweep({ now: 1, tombstonesBefore: 1, limit: 1 }))).toMatchObject({
      kind: "lost",
    });
  });

  test.each(["removed", "replaced"])("a file that is %s is noticed by the next sweep", async (what) => {
    const path = join(temporaryDirectory(), "app.db");
    const store = await openStore(path);
    const sweep = () => store.store.sweep({ now: 1, tombstonesBefore: 1, limit: 1 });
    expect(await sweep()).toBe(0);
    renameSync(path, `${path}-moved`);
    if (what === "replaced") copyFileSync(`${path}-moved`, path);
    const failure = await failureOf(sweep());
    expect(failure).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
    expect(failure.message).toContain(`${path} was ${what}`);
    expect(await failureOf(store.apply(write("a")))).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
  });

  test("a failing write stops the store for good; what was answered is there afterwards", async () => {
    const path = join(temporaryDirectory(), "app.db");
    const child = await StoreProcess.start(path, { fileSizeLimitKiB: 400 });
    await child.succeed({ step: "open" });
    const state = JSON.stringify("x".repeat(30_000));
    let number = 0;
    let answer;
    do {
      number++;
      answer = await child.take({
        step: "commit",
        batch: { number, at: 1, writes: [write(`user-${number}`, { state })] },
      });
    } while (answer.failure === undefined && number < 100);
    expect(answer.failure).toMatchObject({ kind: "lost", code: "STORE_CORRUPT", maybeApplied: true });
    expect((await child.take({ step: "load", id: "user-1" })).failure).toMatchObject({
      kind: "lost",
      code: "STORE_CORRUPT",
    });
    await child.crash();
    const store = await openStore(path);
    expect(number).toBeGreaterThan(2);
    for (let earlier = 1; earlier < number; earlier++) {
      await store.assertStored(`user-${earlier}`, { revision: 1, state, stateVersion: 1 });
    }
  });
});

function overwrite(path: string, from: number, length: number): void {
  const file = openSync(path, "r+");
  writeSync(file, randomBytes(length), 0, length, from);
  closeSync(file);
}
