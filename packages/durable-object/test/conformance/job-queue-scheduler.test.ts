/** The suite that is shipped to third parties, on the schedulers that are job queues, on a real PostgreSQL. */

import { Logger, run, type Runner } from "graphile-worker";
import { Pool } from "pg";
import { PgBoss } from "pg-boss";
import { afterAll, beforeAll, describe, test, vi } from "vitest";
import { graphileWorker } from "../../src/graphile-worker/index.ts";
import { polling } from "../../src/index.ts";
import { pgBoss } from "../../src/pg-boss/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { schedulerSuite } from "../../src/testing/index.ts";
import { freshSchema, hasPostgres, lentSchema, postgresUrl, sharedPool } from "../support/postgres-place.ts";

/** Some cases set alarms before the scheduler starts: those have no job, and fire by the grace. */
const times = { grace: "2s", sweepInterval: "1h" } as const;

// Thousands of commits, one after the other.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

describe.skipIf(!hasPostgres)("schedulers on PostgreSQL", () => {
  const boss = new PgBoss({
    connectionString: hasPostgres ? postgresUrl() : "",
    schema: `suite_${process.pid}`,
    supervise: false,
    schedule: false,
  });
  let queues = 0;
  // Tests that run side by side have tables of their own. Virtual time passes faster than a lease can be renewed.
  const place = () => {
    const { schema, giveBack } = lentSchema();
    return { store: postgres(sharedPool(), { schema, lockTimeout: 0, lease: "36500d" }), dispose: giveBack };
  };

  beforeAll(async () => {
    // Tests that run side by side have a store each on the same pool.
    sharedPool().setMaxListeners(100);
    boss.on("error", () => {});
    await boss.start();
  });
  afterAll(async () => {
    await boss.stop({ graceful: false });
    await sharedPool().query(`DROP SCHEMA IF EXISTS suite_${process.pid} CASCADE`);
  });

  schedulerSuite({
    name: "polling",
    test,
    create: async () => ({ scheduler: polling({ pollingInterval: "1h" }), ...place() }),
  });

  schedulerSuite({
    name: "pg-boss",
    time: "real",
    test: test.concurrent,
    create: async () => ({
      scheduler: pgBoss({ boss, queue: `suite-${++queues}`, ...times }),
      ...place(),
    }),
  });

  // One runner for all tests: each that starts makes tables and connections of its own.
  const graphileSchema = hasPostgres ? freshSchema() : "none";
  const alarms = graphileWorker({ schema: graphileSchema, ...times });
  let runner: Runner | undefined;
  let pool: Pool | undefined;

  beforeAll(async () => {
    const pgPool = new Pool({ connectionString: postgresUrl(), max: 8 });
    for (const event of ["error", "connect"] as const) pgPool.on(event, () => {});
    runner = await run({
      pgPool,
      schema: graphileSchema,
      taskList: { ...alarms.tasks },
      concurrency: 8,
      pollInterval: 200,
      noHandleSignals: true,
      logger: new Logger(() => () => {}),
    });
    pool = pgPool;
  });
  afterAll(async () => {
    await runner?.stop();
    await pool?.end();
  });

  schedulerSuite({
    name: "Graphile Worker",
    time: "real",
    // Floods are a matter of the scheduler, which is the same as above, and take long.
    // oxlint-disable-next-line vitest/valid-title -- the suite names its tests
    test: (name, check) => (/more than it reads|its share|among many/.test(name) ? null : test.concurrent(name, check)),
    create: async () => ({ scheduler: alarms, ...place() }),
  });
});
