/**
 * A process is killed at random moments while its alarms fire, count and set themselves again. Afterwards
 * every occurrence's effect is in the state exactly once, and the next one is set.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { createRuntime } from "../../src/index.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import { Ticker, beatMs, tickers, type Tally } from "../fixtures/alarm-crash-objects.ts";

const child = fileURLToPath(new URL("../fixtures/alarm-crash-child.ts", import.meta.url));
const kills = Number(process.env["CRASH_KILLS"] ?? 20);

/** Runs the child, and kills it some time after it is ready. */
async function live(path: string, afterMs: number): Promise<void> {
  const running = spawn(process.execPath, [child, path], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((resolve) => running.on("exit", (_code, signal) => resolve(signal)));
  for await (const line of createInterface({ input: running.stdout })) {
    if (line === "ready") setTimeout(() => running.kill("SIGKILL"), afterMs);
  }
  expect(await exited).toBe("SIGKILL");
}

/** What is in the file, read as anybody could. */
function stored(path: string): Map<string, Tally> {
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare("SELECT id, state FROM durable_objects WHERE type = 'ticker'").all();
  database.close();
  return new Map(rows.map((row) => [String(row["id"]), JSON.parse(String(row["state"])) as Tally]));
}

function check(tallies: Map<string, Tally>): void {
  for (const [id, { beats, lastBeat, links, lastLink, firingIds }] of tallies) {
    // Each commit counts one and names it: one that came twice, or never, would set the two apart.
    expect(beats, `beats of ${id}`).toBe(lastBeat);
    expect(links, `links of ${id}`).toBe(lastLink);
    expect(new Set(firingIds).size, `firings of ${id}`).toBe(firingIds.length);
  }
}

test(`every occurrence's effect is there once, over ${kills} kills`, { timeout: 180_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "durable-object-alarm-crash-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "app.db");
  let before = 0;
  let progress = 0;
  for (let life = 0; life < kills; life++) {
    await live(path, 1 + Math.random() * 50);
    const tallies = stored(path);
    check(tallies);
    const after = [...tallies.values()].reduce((sum, { beats, links }) => sum + beats + links, 0);
    if (after > before) progress += 1;
    before = after;
  }
  expect(stored(path).size).toBe(tickers.length);
  expect(progress).toBeGreaterThan(kills / 5);

  // A process that lives catches up with every occurrence that was due while nothing ran.
  const runtime = await createRuntime({ objects: [Ticker], store: sqlite(path) });
  const upToMs = Date.now();
  for (const id of tickers) {
    const due = Math.floor((upToMs - (stored(path).get(id)?.startedMs ?? 0)) / beatMs);
    await expect.poll(() => stored(path).get(id)?.beats, { timeout: 30_000 }).toBeGreaterThanOrEqual(due);
  }
  await runtime.stop();
  check(stored(path));
  // Both go on: what was acknowledged has set the next one.
  const next = await createRuntime({ objects: [Ticker], store: sqlite(path) });
  for (const id of tickers) {
    const names = (await next.get(Ticker, id).alarms.list()).map(({ name }) => name);
    expect(names.toSorted()).toEqual(["link", "tick"]);
  }
  expect(await next.alarms.dead(Ticker)).toEqual([]);
  await next.stop();
});
