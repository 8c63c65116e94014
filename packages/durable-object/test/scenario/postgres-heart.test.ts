/** The heart of a node on PostgreSQL: its lease is kept, whatever its main thread does, and not for longer than it should. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { channel } from "node:diagnostics_channel";
import { fileURLToPath } from "node:url";
import { Pool } from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Beat } from "../../src/ports/ownership-store.ts";
import type { StoreFailure } from "../../src/ports/object-store.ts";
import type { PostgresPool } from "../../src/postgres/index.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { write } from "../../src/testing/object-store-case.ts";
import { joined } from "../support/postgres-nodes.ts";
import {
  borrowedSchema,
  freshSchema,
  hasPostgres,
  postgresAddress,
  postgresUrl,
  sql,
} from "../support/postgres-place.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

interface Rhythm {
  readonly leaseMs: number;
  readonly intervalMs: number;
  readonly stallMs: number;
}

const calm: Rhythm = { leaseMs: 60_000, intervalMs: 100, stallMs: 60_000 };

/** A node with a heart, and all that it has told. */
async function beating(schema: string, rhythm: Rhythm, database?: string | PostgresPool) {
  const { leaseMs, intervalMs, stallMs } = rhythm;
  const node = await joined({ schema }, { leaseMs }, database);
  const beats: { readonly beat: Beat; readonly sentAtMs: number }[] = [];
  const failures: StoreFailure[] = [];
  const heart = node.ownership.heart?.({
    intervalMs,
    stallMs,
    heard: (beat, sentAtMs) => void beats.push({ beat, sentAtMs }),
    failed: (failure) => void failures.push(failure),
  });
  if (heart === undefined) throw new Error("a node on PostgreSQL has a heart");
  onTestFinished(() => heart.stop());
  return { node, heart, beats, failures };
}

/** Resolves when so many more beats were heard. */
async function heard(beats: readonly unknown[], more = 1): Promise<void> {
  const soon = beats.length + more;
  await expect.poll(() => beats.length).toBeGreaterThanOrEqual(soon);
}

/** Keeps this thread busy. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** From now on, every renewal of a lease that was over already is written down. */
async function watchLapses(schema: string): Promise<() => Promise<number>> {
  await sql(`CREATE TABLE ${schema}.lapses (at timestamptz);
    CREATE FUNCTION ${schema}.lapsed() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO ${schema}.lapses VALUES (now()); RETURN NULL; END';
    CREATE TRIGGER lapsed AFTER UPDATE ON ${schema}.durable_object_nodes
      FOR EACH ROW WHEN (OLD.expires_at < now()) EXECUTE FUNCTION ${schema}.lapsed()`);
  return async () => Number((await sql(`SELECT count(*) AS n FROM ${schema}.lapses`))[0]?.["n"]);
}

function hearts(schema: string): Promise<Record<string, unknown>[]> {
  return sql(
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'durable-object heart' AND query LIKE '%' || $1 || '%'",
    [schema],
  );
}

async function killHearts(schema: string): Promise<void> {
  for (const { pid } of await hearts(schema)) await sql("SELECT pg_terminate_backend($1)", [pid]);
}

function warnings(): string[] {
  const heardOf: string[] = [];
  const listener = (message: unknown): void => {
    const { warning, message: text } = message as { readonly warning: string; readonly message: string };
    heardOf.push(`${warning}: ${text}`);
  };
  channel("durable-object:warning").subscribe(listener);
  onTestFinished(() => {
    channel("durable-object:warning").unsubscribe(listener);
  });
  return heardOf;
}

describe.skipIf(!hasPostgres)("the heart of a node", () => {
  test("renews the lease at once and again and again, and tells what was answered", async () => {
    const { node, heart, beats, failures } = await beating(borrowedSchema(), calm);
    const joinedAtMs = systemEnvironment.monotonic();
    await heard(beats, 3);
    expect(beats.slice(0, 3).map(({ beat }) => beat.beat)).toEqual([1, 2, 3]);
    await node.commit(write("a"));
    await node.acquire(1, 2);
    await node.acquire(3);
    await heard(beats, 2);
    expect(beats.at(-1)?.beat).toMatchObject({ batchNumber: 1, changeNumber: 2 });
    const times = beats.map(({ sentAtMs }) => sentAtMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBeGreaterThan(joinedAtMs - 60_000);
    expect(times.at(-1)).toBeLessThanOrEqual(heart.sentAtMs);
    expect(heart.sentAtMs).toBeLessThanOrEqual(systemEnvironment.monotonic());
    expect(failures).toEqual([]);
  });

  test("knows nothing of a renewal before there is one", async () => {
    const { heart, beats } = await beating(borrowedSchema(), calm);
    expect(heart.sentAtMs).toBe(-Infinity);
    await heard(beats);
    expect(heart.sentAtMs).toBeGreaterThan(-Infinity);
  });

  test("keeps the lease while the application's thread is busy for longer than it lasts", async () => {
    const schema = freshSchema();
    const { heart, beats } = await beating(schema, { leaseMs: 5_000, intervalMs: 150, stallMs: 60_000 });
    await heard(beats);
    const lapses = await watchLapses(schema);
    const [known, atMs] = [beats.length, systemEnvironment.monotonic()];
    block(11_000);
    // Before anything could be told, and yet it is known.
    expect(beats.length).toBe(known);
    expect(heart.sentAtMs).toBeGreaterThan(atMs + 5_000);
    await heard(beats, 5);
    expect(await lapses()).toBe(0);
  }, 60_000);

  test("lets the lease lapse once the application's thread has not been there for too long, and takes it up again", async () => {
    const schema = freshSchema();
    const { heart, beats } = await beating(schema, { leaseMs: 1_000, intervalMs: 100, stallMs: 500 });
    await heard(beats);
    const lapses = await watchLapses(schema);
    const atMs = systemEnvironment.monotonic();
    block(4_000);
    const sentAtMs = heart.sentAtMs;
    expect(sentAtMs).toBeLessThan(atMs + 3_000);
    await expect.poll(() => heart.sentAtMs).toBeGreaterThan(sentAtMs);
    expect(await lapses()).toBeGreaterThan(0);
  });

  test("survives the end of its connection", async () => {
    const schema = borrowedSchema();
    const { beats } = await beating(schema, calm);
    for (let round = 0; round < 5; round++) {
      await heard(beats);
      await killHearts(schema);
    }
    await heard(beats, 2);
    const numbers = beats.map(({ beat }) => beat.beat);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    // One at a time, however often it has connected.
    expect((await hearts(schema)).length).toBeLessThanOrEqual(1);
  });

  test("is told when the row is gone, and beats no more", async () => {
    const schema = borrowedSchema();
    const { node, beats, failures } = await beating(schema, calm);
    await heard(beats);
    await sql(`DELETE FROM ${schema}.durable_object_nodes`);
    // A busy machine may take longer for a beat than it has.
    const lost = () => failures.filter(({ kind }) => kind === "lost");
    await expect.poll(lost).toHaveLength(1);
    expect(lost()[0]).toMatchObject({ code: "STORE_TAKEN_OVER" });
    await expect.poll(() => hearts(schema)).toEqual([]);
    expect(lost()).toHaveLength(1);
    await node.assertGone();
  });

  test("sends nothing more once it is stopped, and lets go of its connection", async () => {
    const schema = borrowedSchema();
    const { node, heart, beats } = await beating(schema, calm);
    await heard(beats);
    await Promise.all([heart.stop(), heart.stop()]);
    await expect.poll(() => hearts(schema)).toEqual([]);
    const beat = (await node.rowOf(node))?.beat ?? 0;
    const sentAtMs = heart.sentAtMs;
    const told = beats.length;
    // A beat that comes after this one would have another number.
    await sql("SELECT pg_sleep(0.5)");
    expect((await node.ownership.beat()).beat).toBe(beat + 1);
    expect([heart.sentAtMs, beats.length]).toEqual([sentAtMs, told]);
  });

  test("ends with the objects of the node, as it would with the process", async () => {
    const schema = borrowedSchema();
    const { node, beats } = await beating(schema, calm);
    await heard(beats);
    await node.objects.store.abandon();
    await expect.poll(() => hearts(schema)).toEqual([]);
    expect(await sql(`SELECT name FROM ${schema}.durable_object_nodes`)).toEqual([{ name: node.name }]);
  });

  test("does not keep the process", async () => {
    const script = fileURLToPath(new URL("../support/postgres-heart-process.ts", import.meta.url));
    const options = JSON.stringify({ schema: borrowedSchema() });
    const child = spawn(process.execPath, [script, postgresUrl(), options], { stdio: ["ignore", "pipe", "pipe"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    let printed = "";
    child.stdout.on("data", (text: Buffer) => (printed += text.toString()));
    child.stderr.on("data", (text: Buffer) => (printed += text.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    expect([printed, code]).toEqual(["stopped\n", 0]);
  });

  test("connects as the application's pool does", async () => {
    const schema = borrowedSchema();
    const told = warnings();
    const pool = new Pool({ connectionString: postgresUrl(), password: "of no use here", max: 3, log: () => {} });
    onTestFinished(() => pool.end());
    const { beats } = await beating(schema, calm, pool);
    await heard(beats, 2);
    expect(await hearts(schema)).toHaveLength(1);
    expect(told.filter((text) => text.startsWith("lease"))).toEqual([]);
  });

  test.each([
    [
      "a password that is a function",
      () => new Pool({ connectionString: postgresUrl(), password: () => "x" }),
      "password",
    ],
    ["a pool that says nothing", () => silent(new Pool({ connectionString: postgresUrl() })), "does not tell how"],
    [
      "options that lead elsewhere for another thread",
      () => elsewhere(new Pool({ connectionString: postgresUrl() })),
      "does not exist",
    ],
  ])("beats in the application's thread, and warns: %s", async (_, poolOf, why) => {
    const schema = borrowedSchema();
    const told = warnings();
    const pool = poolOf();
    onTestFinished(() => (pool as unknown as Pool).end());
    const { node, heart, beats, failures } = await beating(schema, calm, pool);
    await heard(beats, 2);
    expect(told.filter((text) => text.startsWith("lease"))).toEqual([expect.stringContaining(why)]);
    expect(beats.slice(0, 2).map(({ beat }) => beat.beat)).toEqual([1, 2]);
    expect(heart.sentAtMs).toBe(beats.at(-1)?.sentAtMs);
    expect(failures).toEqual([]);
    await sql(`DELETE FROM ${schema}.durable_object_nodes`);
    await expect.poll(() => failures).toHaveLength(1);
    expect(failures[0]).toMatchObject({ kind: "lost", code: "STORE_TAKEN_OVER" });
    await node.assertGone();
  });
});

describe.skipIf(!hasPostgres)("the heart of a node that is cut off", () => {
  test("says that it fails, tries again, and goes on when the line is back", async () => {
    const proxy = await TcpProxy.create(postgresAddress());
    onTestFinished(() => proxy.close());
    const url = postgresUrl((given) => proxy.lead(given));
    const { heart, beats, failures } = await beating(borrowedSchema(), calm, url);
    await heard(beats);
    proxy.stall();
    await expect.poll(() => failures.length).toBeGreaterThan(1);
    const sentAtMs = heart.sentAtMs;
    expect(new Set(failures.map(({ kind, code }) => `${kind} ${code}`))).toEqual(new Set(["retry STORE_UNAVAILABLE"]));
    proxy.cut();
    await expect.poll(() => heart.sentAtMs).toBeGreaterThan(sentAtMs);
  });
});

/** A pool of another make: it gives connections, and says nothing of itself. */
function silent(pool: Pool): PostgresPool & { end(): Promise<void> } {
  return {
    connect: () => pool.connect(),
    on: (event, listener) => pool.on(event, listener),
    removeListener: (event, listener) => pool.removeListener(event, listener),
    end: () => pool.end(),
  };
}

/** A pool whose options would lead to another database. */
function elsewhere(pool: Pool): PostgresPool & { end(): Promise<void> } {
  const url = new URL(postgresUrl().replace("///", "//localhost/"));
  url.pathname = "/nowhere";
  return Object.assign(silent(pool), { options: { connectionString: url.href } });
}
