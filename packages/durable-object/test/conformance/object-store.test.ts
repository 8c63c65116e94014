/** Each object store on the suite that is shipped to third parties. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "vitest";
import { memory } from "../../src/memory/index.ts";
import type { SqliteOptions } from "../../src/sqlite/index.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import type { ObjectStoreSubject, ObjectStoreSuite } from "../../src/testing/index.ts";
import { objectStoreSuite } from "../../src/testing/index.ts";

objectStoreSuite({
  name: "memory",
  test,
  async create() {
    const store = memory();
    return { store, reopen: () => store, dispose: async () => {} };
  },
});

objectStoreSuite(onSqlite("sqlite", {}));

objectStoreSuite(onSqlite("sqlite in a worker", { worker: true }));

function onSqlite(name: string, options: SqliteOptions): ObjectStoreSuite {
  return { name, test, create: () => sqliteSubject(options) };
}

async function sqliteSubject(options: SqliteOptions): Promise<ObjectStoreSubject> {
  const directory = await mkdtemp(join(tmpdir(), "durable-object-"));
  const path = join(directory, "app.db");
  // The syncs of 150 small databases are not what is tested here.
  const open = () => sqlite(path, { synchronous: "normal", lockTimeout: 100, ...options });
  return {
    store: open(),
    reopen: open,
    async takeOver() {
      const other = new DatabaseSync(path);
      other.exec("UPDATE durable_object_owner SET epoch = epoch + 1");
      other.close();
    },
    async query(text) {
      const other = new DatabaseSync(path);
      try {
        return other.prepare(text).all();
      } finally {
        other.close();
      }
    },
    dispose: () => rm(directory, { recursive: true }),
  };
}
