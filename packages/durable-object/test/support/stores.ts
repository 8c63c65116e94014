/**
 * The stores that a promise is tested on. Each is the real thing: `memory()` as it is, `sqlite()` on a
 * file of its own, `postgres()` in a schema of its own of a real server, where there is one.
 *
 * ```ts
 * onEveryStore("one live copy", (stores) => {
 *   test("…", async () => {
 *     const disk = await stores.create();
 *     const runtime = await start({ objects: [Counter], store: disk.open() });
 * ```
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, onTestFinished } from "vitest";
import { createRuntime, type Runtime, type RuntimeOptions } from "../../src/index.ts";
import { memory } from "../../src/memory/index.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { postgres } from "../../src/postgres/index.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import { borrowedSchema, hasPostgres, sharedPool } from "./postgres-place.ts";
import { withTraffic } from "./store-traffic.ts";

/** One place where objects are kept. */
export interface TestDisk {
  /**
   * The store on it. Opening it again, once its runtime has stopped, is what a restart of the process is:
   * everything that was committed is there.
   */
  open(): ObjectStore;
  /** Of the file; null if there is none. */
  readonly path: string | null;
}

/** A kind of store. */
export interface TestStores {
  readonly name: string;
  /** A new, empty place. It is removed after the test. */
  create(): Promise<TestDisk>;
}

const onPostgres: TestStores = {
  name: "postgres",
  async create() {
    const schema = borrowedSchema();
    // Where time is virtual it passes faster than a lease can be renewed.
    const options = { schema, lockTimeout: 0, lease: "36500d" } as const;
    return { open: () => withTraffic(postgres(sharedPool(), options)), path: null };
  },
};

/** Every kind of store. */
export const stores: readonly TestStores[] = [
  {
    name: "memory",
    async create() {
      const store = memory();
      return { open: () => store, path: null };
    },
  },
  {
    name: "sqlite",
    async create() {
      const directory = await mkdtemp(join(tmpdir(), "durable-object-scenario-"));
      onTestFinished(() => rm(directory, { recursive: true, force: true }));
      const path = join(directory, "app.db");
      // What a power cut does is tested elsewhere; waiting for the disk in every test is not.
      return { open: () => sqlite(path, { synchronous: "normal", lockTimeout: 0 }), path };
    },
  },
  ...(hasPostgres ? [onPostgres] : []),
];

/** Runs the tests that `define` defines on every kind of store. */
export function onEveryStore(name: string, define: (stores: TestStores) => void): void {
  describe.each(stores)(`${name} ($name)`, (kind) => {
    define(kind);
  });
}

/** Starts a runtime that is stopped when the test is over. */
export async function start(options: RuntimeOptions): Promise<Runtime> {
  const runtime = await createRuntime(options);
  // A test that fails in the middle of a turn should not wait for it.
  onTestFinished(() => Promise.race([runtime.stop(), new Promise<void>((resolve) => setTimeout(resolve, 250))]));
  return runtime;
}
