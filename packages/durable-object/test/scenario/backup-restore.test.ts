/**
 * The procedures of docs/guide/operating.md, on the real databases: a backup that is taken while calls come in, and
 * what becomes of processes whose database is put back to an older state.
 */

import { execFile } from "node:child_process";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { cluster, defineObject, noreply, read, reply, schedule, type Runtime } from "../../src/index.ts";
import { memoryTransport } from "../../src/memory/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import { listen } from "../support/channels.ts";
import { freshSchema, hasPostgres, postgresUrl, sql } from "../support/postgres-place.ts";
import { start } from "../support/stores.ts";

const run = promisify(execFile);

/** A list that grows, with an alarm for its last entry: both are one commit, so both must be in a backup, or neither. */
const Log = defineObject({
  type: "log",
  state: { entries: [] as number[] },
  handlers: {
    append: ({ state }) => {
      const entries = [...state.entries, state.entries.length];
      return reply(entries.length, { entries }, schedule("last", "30d", { payload: entries.length }));
    },
    all: read(({ state }) => reply(state.entries)),
  },
  alarms: { last: ({ state }) => noreply(state) },
});

const ids = ["a", "b", "c"];

/** Appends to every log, again and again, until it is told to stop; and counts what was answered. */
function write(runtime: Runtime) {
  const answered = new Map(ids.map((id) => [id, 0]));
  const running = { isOver: false };
  const callers = ids.map(async (id) => {
    while (!running.isOver) answered.set(id, await runtime.get(Log, id).append());
  });
  return {
    answered: () => new Map(answered),
    /** Resolves when every log has so many more entries. */
    async more(count: number): Promise<void> {
      const wanted = ids.map((id) => (answered.get(id) ?? 0) + count);
      while (ids.some((id, index) => (answered.get(id) ?? 0) < (wanted[index] ?? 0))) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    async stop(): Promise<void> {
      running.isOver = true;
      await Promise.all(callers);
    },
  };
}

/** Everything that was answered before the backup began is there, nothing is half there, and it goes on from it. */
async function expectWhole(runtime: Runtime, before: ReadonlyMap<string, number>): Promise<void> {
  for (const id of ids) {
    const log = runtime.get(Log, id);
    const entries = await log.all();
    expect(entries.length).toBeGreaterThanOrEqual(before.get(id) ?? 0);
    expect(entries).toEqual(entries.map((_, index) => index));
    const alarms = await log.alarms.list();
    expect(alarms.map(({ payload }) => payload)).toEqual([entries.length]);
    expect(await log.append()).toBe(entries.length + 1);
  }
}

describe("sqlite", () => {
  async function place(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), "durable-object-backup-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    return directory;
  }

  test.each(["backup()", "VACUUM INTO"])("%s while calls come in is a copy of one moment", async (way) => {
    const directory = await place();
    const path = join(directory, "app.db");
    const copy = join(directory, "copy.db");
    const runtime = await start({ objects: [Log], store: sqlite(path, { synchronous: "normal" }) });
    const writing = write(runtime);
    await writing.more(20);
    const before = writing.answered();
    const database = new DatabaseSync(path, { readOnly: true });
    if (way === "backup()") await backup(database, copy);
    else database.exec(`VACUUM INTO '${copy}'`);
    database.close();
    await writing.more(20);
    await writing.stop();
    await runtime.stop();

    await rm(`${path}-wal`, { force: true });
    await rm(`${path}-shm`, { force: true });
    await copyFile(copy, path);
    const restored = await start({ objects: [Log], store: sqlite(path, { synchronous: "normal", lockTimeout: 0 }) });
    await expectWhole(restored, before);
  });

  test("a copy of the file alone lacks what is in the log; with nobody there it is whole", async () => {
    const directory = await place();
    const path = join(directory, "app.db");
    const runtime = await start({ objects: [Log], store: sqlite(path, { synchronous: "normal" }) });
    await runtime.get(Log, "a").append();
    await copyFile(path, join(directory, "in-use.db"));
    await runtime.stop();
    await copyFile(path, join(directory, "stopped.db"));

    const rows = (file: string): number => {
      const database = new DatabaseSync(join(directory, file), { readOnly: true });
      const [table] = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'durable_objects'").all();
      const count = table === undefined ? 0 : database.prepare("SELECT id FROM durable_objects").all().length;
      database.close();
      return count;
    };
    expect([rows("in-use.db"), rows("stopped.db")]).toEqual([0, 1]);
  });
});

const programs = inject("postgresPrograms");

describe.skipIf(!hasPostgres || programs === null)("postgres", () => {
  /** Keeps a schema as it is at this moment; what is returned puts it back, in one transaction. */
  async function dump(schema: string): Promise<() => Promise<void>> {
    const directory = await mkdtemp(join(tmpdir(), "durable-object-dump-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const file = join(directory, "dump");
    const url = postgresUrl();
    await run(join(programs ?? "", "pg_dump"), ["--format=custom", `--schema=${schema}`, `--file=${file}`, url]);
    return async () => {
      const how = ["--clean", "--if-exists", "--single-transaction", `--dbname=${url}`, file];
      await run(join(programs ?? "", "pg_restore"), how);
    };
  }

  test("pg_dump while calls come in is a copy of one moment", async () => {
    const schema = freshSchema();
    const runtime = await start({ objects: [Log], store: postgres(postgresUrl(), { schema }) });
    const writing = write(runtime);
    await writing.more(20);
    const before = writing.answered();
    const restore = await dump(schema);
    await writing.more(20);
    await writing.stop();
    await runtime.stop();

    await restore();
    // The dump says who owned the tables then. Nobody does: the next one need not wait for its lease.
    await sql(`DELETE FROM ${schema}.durable_object_nodes`);
    const restored = await start({ objects: [Log], store: postgres(postgresUrl(), { schema, lockTimeout: 0 }) });
    await expectWhole(restored, before);
  });

  test("put back while a process owns it: it stops for good, and the next one goes on from what is there", async () => {
    const schema = freshSchema();
    const runtime = await start({ objects: [Log], store: postgres(postgresUrl(), { schema, lease: "3s" }) });
    const log = runtime.get(Log, "a");
    await log.append();
    const restore = await dump(schema);
    await log.append();
    await restore();
    await expect(log.append()).rejects.toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining("went back in time") as unknown,
    });
    await expect(log.all()).rejects.toMatchObject({ code: "STORE_CORRUPT", outcome: "not-applied" });
    await runtime.stop();

    await sql(`DELETE FROM ${schema}.durable_object_nodes`);
    const next = await start({ objects: [Log], store: postgres(postgresUrl(), { schema, lockTimeout: 0 }) });
    expect(await next.get(Log, "a").all()).toEqual([0]);
  });

  test.each([
    ["in one transaction", false],
    ["after its tables were dropped", true],
  ])(
    "put back %s while a cluster runs: every node drops what it has in memory and joins again",
    { timeout: 60_000 },
    async (_, drops) => {
      const schema = freshSchema();
      const transport = memoryTransport();
      const node = (name: string) =>
        start({
          objects: [Log],
          store: postgres(postgresUrl(), { schema }),
          cluster: cluster({ transport, name, lease: "1s" }),
        });
      const nodes = [await node("one"), await node("two")];
      for (const id of ids) await nodes[0]?.get(Log, id).append();
      const restore = await dump(schema);
      for (const id of ids) await nodes[1]?.get(Log, id).append();
      const changes = listen<{ readonly change: string; readonly node: string }>("durable-object:ownership");
      const before = nodes.map(({ node: name }) => name);
      const haveLost = (): boolean =>
        before.every((name) => changes.some((each) => each.change === "lost" && each.node === name));

      if (drops) await sql(`DROP SCHEMA ${schema} CASCADE`);
      await restore();
      await until(haveLost);
      for (const runtime of nodes) {
        for (const id of ids) {
          let entries: readonly number[] = [];
          await until(async () => {
            const result = await runtime.get(Log, id).safe.all();
            if (result.ok) entries = result.value;
            return result.ok;
          });
          expect(entries).toEqual([0]);
        }
      }
      expect(await nodes[0]?.get(Log, "a").append()).toBe(2);
    },
  );
});

/** Resolves when it holds; if it never does, the test ends at its time limit. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}
