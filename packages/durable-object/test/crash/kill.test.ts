/**
 * A process is killed at random moments, again and again, on one file. Whatever it acknowledged is in the
 * file, once; what it did not acknowledge is there at most once, and exactly once after it was repeated
 * under its idempotency key.
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
import { Log, logOf } from "../fixtures/crash-log.ts";

const child = fileURLToPath(new URL("../fixtures/crash-child.ts", import.meta.url));
const kills = Number(process.env["CRASH_KILLS"] ?? 25);
const seed = Number(process.env["CRASH_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** A small generator (mulberry32): the same seed kills at the same moments, as far as the machine allows. */
function random(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Life {
  readonly begun: number[];
  readonly acked: number[];
}

/** Runs the child, and kills it some time after it is ready. `afterMs` may be 0: then it dies while it opens. */
async function live(
  path: string,
  first: number,
  mode: "keys" | "plain",
  repeats: number[],
  afterMs: number,
): Promise<Life> {
  const life: Life = { begun: [], acked: [] };
  const running = spawn(process.execPath, [child, path, String(first), mode, repeats.join(",")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<NodeJS.Signals | null>((resolve) =>
    running.on("exit", (_code, signal) => resolve(signal)),
  );
  const kill = (): void => void setTimeout(() => running.kill("SIGKILL"), afterMs);
  for await (const line of createInterface({ input: running.stdout })) {
    const [word, number] = line.split(" ");
    if (word === "ready") kill();
    if (word === "begin") life.begun.push(Number(number));
    if (word === "acked") life.acked.push(Number(number));
  }
  expect(await exited).toBe("SIGKILL");
  return life;
}

/** What is in the file, read as anybody could. */
function stored(path: string): Map<string, number[]> {
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare("SELECT id, state FROM durable_objects WHERE type = 'log'").all();
  database.close();
  return new Map(
    rows.map((row) => [String(row["id"]), (JSON.parse(String(row["state"])) as { operations: number[] }).operations]),
  );
}

function countIn(logs: Map<string, number[]>, operation: number): number {
  return (logs.get(logOf(operation)) ?? []).filter((each) => each === operation).length;
}

function newFile(): string {
  const directory = mkdtempSync(join(tmpdir(), "durable-object-crash-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "app.db");
}

test(`what was acknowledged survives ${kills} kills, once (seed ${seed})`, { timeout: 120_000 }, async () => {
  const path = newFile();
  const chance = random(seed);
  let next = 0;
  let acked = 0;
  for (let life = 0; life < kills; life++) {
    const { begun, acked: acknowledged } = await live(path, next, "plain", [], chance() * 60);
    const logs = stored(path);
    for (const operation of acknowledged) expect(countIn(logs, operation), `operation ${operation}`).toBe(1);
    for (const operation of begun) expect(countIn(logs, operation), `operation ${operation}`).toBeLessThanOrEqual(1);
    acked += acknowledged.length;
    next = Math.max(next, ...begun.map((operation) => operation + 1));
  }
  expect(acked).toBeGreaterThan(kills);
});

test(
  `with idempotency keys, everything is applied exactly once over ${kills} kills (seed ${seed})`,
  { timeout: 120_000 },
  async () => {
    const path = newFile();
    const chance = random(seed + 1);
    const all = new Set<number>();
    let unknown: number[] = [];
    let next = 0;
    for (let life = 0; life < kills; life++) {
      const { begun, acked } = await live(path, next, "keys", unknown, chance() * 60);
      for (const operation of begun) all.add(operation);
      next = Math.max(next, ...begun.map((operation) => operation + 1));
      const acknowledged = new Set(acked);
      unknown = [...new Set([...unknown, ...begun])].filter((operation) => !acknowledged.has(operation));
    }
    // The last unknown ones are repeated by a process that lives.
    const runtime = await createRuntime({ objects: [Log], store: sqlite(path) });
    for (const operation of unknown) {
      const log = runtime.get(Log, logOf(operation), { idempotencyKey: String(operation) });
      await (operation % 3 === 0 ? log.appendLater(operation) : log.append(operation));
    }
    await runtime.stop();
    const logs = stored(path);
    for (const operation of all) expect(countIn(logs, operation), `operation ${operation}`).toBe(1);
    expect([...logs.values()].flat().length).toBe(all.size);
  },
);

test("a process that is killed while it makes the file leaves one that opens", { timeout: 60_000 }, async () => {
  const chance = random(seed + 2);
  for (let attempt = 0; attempt < 5; attempt++) {
    const path = newFile();
    const running = spawn(process.execPath, [child, path, "0", "plain"], { stdio: "ignore" });
    const exited = new Promise((resolve) => running.on("exit", resolve));
    setTimeout(() => running.kill("SIGKILL"), 60 + chance() * 120);
    await exited;
    const runtime = await createRuntime({ objects: [Log], store: sqlite(path) });
    await runtime.get(Log, "log-0").append(-1);
    expect(await runtime.get(Log, "log-0").all()).toContain(-1);
    await runtime.stop();
  }
});

test("a process that is killed while it stops loses nothing", { timeout: 60_000 }, async () => {
  const path = newFile();
  const script = `
    const { createRuntime } = await import(${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)});
    const { sqlite } = await import(${JSON.stringify(new URL("../../src/sqlite/index.ts", import.meta.url).href)});
    const { Log } = await import(${JSON.stringify(new URL("../fixtures/crash-log.ts", import.meta.url).href)});
    const runtime = await createRuntime({ objects: [Log], store: sqlite(${JSON.stringify(path)}) });
    await Promise.all(Array.from({ length: 200 }, (_, each) => runtime.get(Log, "log-" + (each % 5)).append(each)));
    void runtime.stop();
    queueMicrotask(() => process.kill(process.pid, "SIGKILL"));
  `;
  const running = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  expect(await new Promise((resolve) => running.on("exit", (_code, signal) => resolve(signal)))).toBe("SIGKILL");
  const logs = stored(path);
  for (let operation = 0; operation < 200; operation++) expect(countIn(logs, operation)).toBe(1);
});
