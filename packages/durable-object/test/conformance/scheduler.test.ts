/** Each scheduler on the suite that is shipped to third parties, on each store. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "vitest";
import { polling } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import { sqlite, type SqliteOptions } from "../../src/sqlite/index.ts";
import { schedulerSuite, type SchedulerSubject } from "../../src/testing/index.ts";

/** So rarely that it has to wake for what it hears. */
const rarely = { pollingInterval: "1h" } as const;

schedulerSuite({
  name: "polling on memory",
  test,
  create: async () => ({ scheduler: polling(rarely), store: memory(), dispose: async () => {} }),
});

schedulerSuite({
  name: "polling on memory, a few at a time",
  test,
  create: async () => ({
    scheduler: polling({ ...rarely, batch: 50, concurrency: 10 }),
    store: memory(),
    dispose: async () => {},
  }),
});

schedulerSuite({
  name: "polling on memory, in real time",
  time: "real",
  // They wait, and not for each other.
  test: test.concurrent,
  create: async () => ({ scheduler: polling(rarely), store: memory(), dispose: async () => {} }),
});

schedulerSuite({ name: "polling on sqlite", test, create: () => onSqlite({}) });

async function onSqlite(options: SqliteOptions): Promise<SchedulerSubject> {
  const directory = await mkdtemp(join(tmpdir(), "durable-object-"));
  // The syncs of many small databases are not what is tested here.
  const store = sqlite(join(directory, "app.db"), { synchronous: "normal", ...options });
  return { scheduler: polling(rarely), store, dispose: () => rm(directory, { recursive: true }) };
}
