/**
 * A process is killed at random moments while its alarms fire by jobs of pg-boss, count and set themselves again. Whenever it
 * dies, every alarm has one job, due when it is, and every occurrence's effect is in the state exactly once.
 */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { createRuntime, polling } from "../../src/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { Ticker, tickers, type Tally } from "../fixtures/alarm-crash-objects.ts";
import { freshSchema, hasPostgres, postgresUrl, sql } from "../support/postgres-place.ts";

const child = fileURLToPath(new URL("../fixtures/job-crash-child.ts", import.meta.url));
const kills = Number(process.env["CRASH_KILLS"] ?? 4);

/** Runs the child, and kills it some time after it is ready. */
async function live(schema: string, bossSchema: string, afterMs: number): Promise<void> {
  const args = [child, postgresUrl(), schema, bossSchema];
  const running = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((resolve) => running.on("exit", (_code, signal) => resolve(signal)));
  for await (const line of createInterface({ input: running.stdout })) {
    if (line === "ready") setTimeout(() => running.kill("SIGKILL"), afterMs);
  }
  expect(await exited).toBe("SIGKILL");
}

async function check(schema: string): Promise<number> {
  const rows = await sql(`SELECT id, state::text AS state FROM ${schema}.durable_objects WHERE type = 'ticker'`);
  let handled = 0;
  for (const { id, state } of rows) {
    const { beats, lastBeat, links, lastLink, firingIds } = JSON.parse(String(state)) as Tally;
    // Each commit counts one and names it: one that came twice, or never, would set the two apart.
    expect(beats, `beats of ${String(id)}`).toBe(lastBeat);
    expect(links, `links of ${String(id)}`).toBe(lastLink);
    expect(new Set(firingIds).size, `firings of ${String(id)}`).toBe(firingIds.length);
    handled += beats + links;
  }
  return handled;
}

test.skipIf(!hasPostgres)(
  `a job for each alarm, and each effect once, over ${kills} kills`,
  { timeout: 120_000 },
  async () => {
    const schema = freshSchema();
    const bossSchema = freshSchema();
    onTestFinished(() => sql(`DROP SCHEMA IF EXISTS ${bossSchema} CASCADE`).then(() => {}));
    for (let life = 0; life < kills; life++) {
      await live(schema, bossSchema, Math.random() * 800);
      // What the last transaction of the dead process came to is known when its connections are gone: the next owner waits for that.
      await check(schema);
    }
    const store = () => postgres(postgresUrl(), { schema });
    const first = await createRuntime({
      objects: [Ticker],
      store: store(),
      scheduler: { name: "none", start: nothing },
    });
    const alarms = await sql(
      `SELECT id, name, due_at::float8 AS due FROM ${schema}.durable_object_alarms WHERE status = 'set' ORDER BY id, name`,
    );
    const jobs = await sql(
      `SELECT data->>'id' AS id, data->>'alarm' AS name, (data->>'dueAt')::float8 AS due FROM ${bossSchema}.job
     WHERE name = 'durable-object-alarms' ORDER BY 1, 2`,
    );
    expect(jobs).toEqual(alarms);
    expect(alarms).toHaveLength(2 * tickers.length);
    await first.stop();

    // Another scheduler goes on where it was.
    const before = await check(schema);
    expect(before).toBeGreaterThan(0);
    const next = await createRuntime({ objects: [Ticker], store: store(), scheduler: polling() });
    await expect.poll(() => check(schema), { timeout: 30_000 }).toBeGreaterThan(before);
    await next.stop();
    await check(schema);
  },
);

/** A scheduler that does nothing: what is in the tables stays as it is. */
function nothing() {
  return { changed() {}, look() {}, stop: async () => {} };
}
