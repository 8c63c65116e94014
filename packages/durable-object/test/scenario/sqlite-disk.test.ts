/** Disks: full, and not to be written. */

import { chmodSync, chownSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { write } from "../../src/testing/object-store-case.ts";
import { failureOf, openStore, StoreProcess, temporaryDirectory, temporaryMount } from "../fixtures/sqlite-fixture.ts";

const isRoot = process.getuid?.() === 0;
/** Somebody without rights; only root can become them. */
const nobody = 65_534;

describe("a full disk", () => {
  test.for([{ worker: false }, { worker: true }])("loses nothing and works again: %o", async (options, { skip }) => {
    const mount = temporaryMount("1m", skip);
    const path = join(mount.directory, "app.db");
    const filler = join(mount.directory, "filler");
    const store = await openStore(path, options);
    const state = JSON.stringify("x".repeat(10_000));
    await store.apply(write("a", { state: "1" }));
    writeUntilFull(filler);

    let revision = 1;
    const commitUntilFull = async (): Promise<never> => {
      for (;;) {
        await store.apply(write("a", { baseRevision: revision, state }));
        revision++;
      }
    };
    const failure = await failureOf(commitUntilFull());
    expect(failure).toMatchObject({ kind: "full", code: "STORE_FULL" });
    const batch = store.batch([write("a", { baseRevision: revision, state: "2" }), write("b", { state })]);
    expect(await failureOf(store.store.commit(batch))).toMatchObject({ kind: "full", code: "STORE_FULL" });
    await store.assertStored("a", { revision, state: revision === 1 ? "1" : state, stateVersion: 1 });
    await store.assertStored("b", null);

    rmSync(filler);
    expect((await store.store.commit(batch)).stale).toEqual([]);
    await store.assertStored("a", { revision: revision + 1, state: "2", stateVersion: 1 });
    await store.store.close();
    const again = await openStore(path, options);
    await again.assertStored("a", { revision: revision + 1, state: "2", stateVersion: 1 });
    await again.assertStored("b", { revision: 1, state, stateVersion: 1 });
  });

  test("is named when it has no room for a new store", async ({ skip }) => {
    const mount = temporaryMount("64k", skip);
    writeUntilFull(join(mount.directory, "filler"));
    expect(await failureOf(openStore(join(mount.directory, "app.db")))).toMatchObject({ code: "STORE_FULL" });
    rmSync(join(mount.directory, "filler"));
    writeFileSync(join(mount.directory, "filler"), Buffer.alloc(48 * 1024));
    expect(await failureOf(openStore(join(mount.directory, "app.db")))).toMatchObject({ code: "STORE_FULL" });
  });
});

describe("a store that cannot be written", () => {
  test("on a file system that is mounted read-only", async ({ skip }) => {
    const mount = temporaryMount("1m", skip);
    const path = join(mount.directory, "app.db");
    await (await openStore(path)).store.close();
    mount.remountReadOnly();
    expect(await failureOf(openStore(path))).toMatchObject({ kind: "full", code: "STORE_READ_ONLY" });
    const missing = await failureOf(openStore(join(mount.directory, "new.db")));
    expect(missing).toMatchObject({ kind: "full", code: "STORE_READ_ONLY" });
    expect(missing.message).toContain("new.db");
  });

  test.skipIf(isRoot)("a file that may only be read", async () => {
    const path = join(temporaryDirectory(), "app.db");
    await (await openStore(path)).store.close();
    chmodSync(path, 0o444);
    expect(await failureOf(openStore(path))).toMatchObject({ code: "STORE_READ_ONLY" });
  });

  test.runIf(isRoot)("a file, a directory, or an owner lock of another user", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "app.db");
    const store = await openStore(path);
    await store.apply(write("a"));
    await store.store.close();
    const child = await StoreProcess.start(path, { uid: nobody });

    const problem = async (): Promise<string | undefined> => {
      const { failure } = await child.take({ step: "open" });
      expect(failure).toMatchObject({ code: "STORE_READ_ONLY" });
      return failure?.message;
    };
    const give = (file: string, user: number) => chownSync(file, user, user);

    give(directory, nobody);
    expect(await problem()).toContain(`${path} cannot be written`);
    give(path, nobody);
    give(directory, 0);
    expect(await problem()).toContain(`${directory} cannot be written`);
    give(directory, nobody);
    expect(await problem()).toContain(`${path}-owner cannot be written`);
    give(`${path}-owner`, nobody);
    await child.succeed({ step: "open" });
    expect(await child.succeed({ step: "load", id: "a" })).toMatchObject({ revision: 1 });
  });
});

function writeUntilFull(path: string): void {
  for (let size = 1_024 * 1_024; size >= 4_096; size -= 4_096) {
    try {
      writeFileSync(path, Buffer.alloc(size));
      return;
    } catch {
      // Smaller, then.
    }
  }
}
