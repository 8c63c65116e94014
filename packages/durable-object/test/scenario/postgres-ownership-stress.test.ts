/** Nodes that take everything from each other for some seconds: nothing that was acknowledged is lost, or there twice. */

import { describe, expect, onTestFinished, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { postgres } from "../../src/postgres/index.ts";
import { borrowedSchema, hasPostgres, postgresAddress, postgresUrl, sql } from "../support/postgres-place.ts";
import { runStressProcess, StressLog } from "../support/postgres-ownership-stress.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

/** For a longer run. */
const durationMs = Number(process.env["STRESS_MS"] ?? 6_000);

describe.skipIf(!hasPostgres)("nodes under stress", () => {
  test(
    "every acknowledged write is there, once, and in order",
    async () => {
      const schema = borrowedSchema();
      const log = new StressLog();
      const ids = Array.from({ length: 40 }, (_, index) => `object-${index}`);
      const proxy = await TcpProxy.create(postgresAddress());
      onTestFinished(() => proxy.close());
      const url = postgresUrl((given) => proxy.lead(given));
      const state = { isOver: false };
      const random = Math.random;
      const processes = Array.from({ length: 4 }, () => {
        const store = postgres(url, { schema, lockTimeout: "15s", connectTimeout: "15s" });
        return runStressProcess({ store, ids, log, random, isOver: () => state.isOver });
      });
      await expect.poll(() => log.counts.commits).toBeGreaterThan(20);
      const untilMs = performance.now() + durationMs;
      // So long, and until everything has happened.
      while (performance.now() < untilMs || Object.values(log.counts).includes(0)) {
        await sleep(random() * 150);
        const chance = random();
        if (chance < 0.3) proxy.cut();
        else if (chance < 0.7) proxy.cutBeforeReply();
        else proxy.cutBeforeRequest();
      }
      state.isOver = true;
      await Promise.all(processes);

      expect(log.problems).toEqual([]);
      const rows = await sql(
        `SELECT id, revision::int AS revision, state::int AS count FROM ${schema}.durable_objects ORDER BY id`,
      );
      const stored = rows.map(({ id, revision, count }) => [id, revision, count]);
      const acknowledged = [...log.revisions].map(([id, revisions]) => [id, revisions.length, revisions.length]);
      expect(stored).toEqual(acknowledged.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)));
      for (const revisions of log.revisions.values()) {
        expect(revisions.toSorted((a, b) => a - b)).toEqual(revisions.map((_, index) => index + 1));
      }
      if (process.env["STRESS_MS"] !== undefined) process.stdout.write(`${JSON.stringify(log.counts)}\n`);
    },
    60_000 + durationMs * 2,
  );
});
