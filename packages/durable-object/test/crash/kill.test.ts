/**
 * A process that acknowledges calls is killed (SIGKILL) at random moments, again and again on one file:
 * what it acknowledged is there, and with idempotency keys everything is applied exactly once.
 *
 * The moments follow from a seed, which the tests are named after; CRASH_SEED=… runs the same moments again.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createRuntime } from "../../src/index.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import { Counter, Journal } from "../fixtures/crash-objects.ts";
import { CrashProcess } from "../fixtures/crash-process.ts";

const seed = Number(process.env["CRASH_SEED"] ?? Date.now() % 2 ** 31);
const told = `CRASH_SEED=${seed}`;
const ids = ["a", "b", "c", "d"];

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
function randomNumbers(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const directory = mkdtempSync(join(tmpdir(), "durable-object-"));
const cache = join(directory, "compile-cache");
afterAll(() => rmSync(directory, { recursive: true }));

/** Starting a process takes longer than its life here: the next ones start while this one lives. */
class Processes {
  readonly #ready: CrashProcess[] = [];

  async begin(): Promise<void> {
    await CrashProcess.fillCache(cache);
    this.#ready.push(new CrashProcess(cache), new CrashProcess(cache));
  }

  /** One that waits for its first order. */
  async next(): Promise<CrashProcess> {
    this.#ready.push(new CrashProcess(cache));
    const next = this.#ready.shift() as CrashProcess;
    await next.ask({ order: "wake" });
    return next;
  }

  async end(): Promise<void> {
    await Promise.all(this.#ready.splice(0).map((process) => process.kill()));
  }
}

const processes = new Processes();
beforeAll(() => processes.begin());
afterAll(() => processes.end());

/** What was asked of the processes, and what they acknowledged. */
class Callers {
  readonly #random: () => number;
  /** Operations by object, with the index that was acknowledged; null while unknown. */
  readonly operations = new Map(ids.map((id) => [id, new Map<string, number | null>()]));
  readonly counts = new Map(ids.map((id) => [id, new Set<number>()]));
  increments = 0;
  failures: string[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  get unknown(): number {
    return [...this.operations.values()].flatMap((known) => [...known.values()]).filter((index) => index === null)
      .length;
  }

  get acknowledged(): number {
    return [...this.operations.values()].flatMap((known) => [...known.values()]).length - this.unknown;
  }

  /** Repeats what is unknown, in the same order, and then asks for more until the process is gone. */
  async useUntilGone(child: CrashProcess): Promise<void> {
    await Promise.all(ids.map((id) => this.repeat(child, id)));
    await Promise.all(
      ids.flatMap((id) => [
        this.#appendForever(child, id),
        this.#appendForever(child, id),
        this.#countForever(child, id),
      ]),
    );
  }

  async repeat(child: CrashProcess, id: string): Promise<void> {
    const unknown = [...(this.operations.get(id) ?? [])].filter(([, index]) => index === null);
    await Promise.all(unknown.map(([operation]) => this.#append(child, id, operation)));
  }

  async #appendForever(child: CrashProcess, id: string): Promise<void> {
    while (await this.#append(child, id, Math.floor(this.#random() * 2 ** 48).toString(36))) {
      // On to the next one.
    }
  }

  async #append(child: CrashProcess, id: string, operation: string): Promise<boolean> {
    this.operations.get(id)?.set(operation, null);
    const answer = await child.ask({ order: "append", id, operation });
    if (answer === null) return false;
    if (answer.failure === undefined) this.operations.get(id)?.set(operation, answer.value as number);
    else this.failures.push(answer.failure.message);
    return answer.failure === undefined;
  }

  async #countForever(child: CrashProcess, id: string): Promise<void> {
    for (;;) {
      this.increments += 1;
      const answer = await child.ask({ order: "increment", id });
      if (answer === null) return;
      if (answer.failure !== undefined) this.failures.push(answer.failure.message);
      else if (this.counts.get(id)?.has(answer.value as number) === true) this.failures.push("a count was given twice");
      else this.counts.get(id)?.add(answer.value as number);
      if (answer.failure !== undefined) return;
    }
  }
}

/** The file is whole, and holds what was acknowledged. */
async function expectKept(path: string, callers: Callers): Promise<void> {
  const database = new DatabaseSync(path);
  expect(database.prepare("PRAGMA integrity_check").all(), told).toEqual([{ integrity_check: "ok" }]);
  database.close();

  await using runtime = await createRuntime({ objects: [Journal, Counter], store: sqlite(path) });
  for (const id of ids) {
    const known = callers.operations.get(id) ?? new Map<string, number | null>();
    const { operations } = (await runtime.peek(Journal, id)) ?? { operations: [] };
    expect(new Set(operations).size, `${told}: nothing is applied twice`).toBe(operations.length);
    expect(
      operations.filter((operation) => !known.has(operation)),
      `${told}: nothing comes from nowhere`,
    ).toEqual([]);
    for (const [operation, index] of known) {
      if (index !== null) expect(operations[index], `${told}: ${operation} of ${id} was acknowledged`).toBe(operation);
    }
    const { count } = (await runtime.peek(Counter, id)) ?? { count: 0 };
    expect(count, `${told}: what was counted last`).toBeGreaterThanOrEqual(
      Math.max(0, ...(callers.counts.get(id) ?? [])),
    );
    expect(count, `${told}: nothing is counted twice`).toBeLessThanOrEqual(callers.increments);
  }
}

let path = "";
afterEach(() => {
  for (const suffix of ["", "-wal", "-shm", "-owner"]) rmSync(`${path}${suffix}`, { force: true });
});

describe(`killed at the moments of ${told}`, () => {
  test(
    "50 kills on one file: what was acknowledged is there, and everything is there once",
    { timeout: 120_000 },
    async () => {
      path = join(directory, "fifty.db");
      const random = randomNumbers(seed);
      const callers = new Callers(random);
      for (let life = 0; life < 50; life++) {
        const child = await processes.next();
        const opening = child.ask({ order: "open", path });
        // Now and then it dies while it opens.
        if (random() < 0.2) {
          await sleep(random() * 15);
        } else {
          expect(await opening, `${told}: it opens after a crash`).not.toBeNull();
          const living = callers.useUntilGone(child);
          await sleep(random() * 50);
          await child.kill();
          await living;
        }
        await child.kill();
        expect((await opening)?.failure, told).toBeUndefined();
      }

      const survivor = await processes.next();
      await survivor.ask({ order: "open", path });
      for (const id of ids) await callers.repeat(survivor, id);
      expect(callers.unknown, `${told}: what was unknown is known in the end`).toBe(0);
      await survivor.ask({ order: "stop" });
      await survivor.kill();

      expect(callers.failures, told).toEqual([]);
      expect(callers.acknowledged, "the test does something").toBeGreaterThan(50);
      await expectKept(path, callers);
    },
  );

  test("killed while it creates the file: the next one finds a file that works", { timeout: 60_000 }, async () => {
    const random = randomNumbers(seed + 1);
    for (let attempt = 0; attempt < 12; attempt++) {
      path = join(directory, `new-${attempt}.db`);
      const child = await processes.next();
      const opening = child.ask({ order: "open", path });
      await sleep(random() * 25);
      await child.kill();
      await opening;

      await using runtime = await createRuntime({ objects: [Counter], store: sqlite(path) });
      expect(await runtime.get(Counter, "a").increment(), told).toBe(1);
    }
  });

  test("killed while it stops: what was acknowledged is there", { timeout: 60_000 }, async () => {
    const random = randomNumbers(seed + 2);
    for (let attempt = 0; attempt < 10; attempt++) {
      path = join(directory, `stop-${attempt}.db`);
      const callers = new Callers(random);
      const child = await processes.next();
      await child.ask({ order: "open", path });
      const living = callers.useUntilGone(child);
      await sleep(20 + random() * 10);
      const stopping = child.ask({ order: "stop" });
      await sleep(random() * 8);
      await child.kill();
      await Promise.all([living, stopping]);

      expect(
        callers.failures.filter((message) => !message.includes("the runtime has stopped")),
        told,
      ).toEqual([]);
      await expectKept(path, callers);
    }
  });
});
