/** The suite that is shipped to third parties, on the schedulers that are job queues, on a real PostgreSQL. */

import { Logger, run } from "graphile-worker";
import { PgBoss } from "pg-boss";
import { afterAll, beforeAll, describe, test } from "vitest";
import { graphileWorker } from "../../src/graphile-worker/index.ts";
import { polling } from "../../src/index.ts";
import { pgBoss } from "../../src/pg-boss/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { schedulerSuite } from "../../src/testing/index.ts";
import { freshSchema, hasPostgres, postgresUrl, sharedPool } from "../support/postgres-place.ts";

describe.skipIf(!hasPostgres)("schedulers on PostgreSQL", () => {
  const boss = new PgBoss({
    connectionString: hasPostgres ? postgresUrl() : "",
    schema: `suite_${process.pid}`,
    supervise: false,
    schedule: false,
  });
  let queues = 0;
  // Tests that run side by side have tables of their own. Virtual time passes faster than a lease can be renewed.
  const store = () => postgres(sharedPool(), { schema: freshSchema(), lockTimeout: 0, lease: "36500d" });

  beforeAll(async () => {
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
    create: async () => ({ scheduler: polling({ pollingInterval: "1h" }), store: store(), dispose: async () => {} }),
  });

  schedulerSuite({
    name: "pg-boss",
    time: "real",
    test: test.concurrent,
    create: async () => ({
      scheduler: pgBoss({ boss, queue: `suite-${++queues}`, grace: "2s", sweepInterval: "1h" }),
      store: store(),
      dispose: async () => {},
    }),
  });

  schedulerSuite({
    name: "Graphile Worker",
    time: "real",
    test: test.concurrent,
    create: async () => {
      const schema = freshSchema();
      const scheduler = graphileWorker({ schema, grace: "2s", sweepInterval: "1h" });
      const runner = await run({
        pgPool: sharedPool(),
        schema,
        taskList: { ...scheduler.tasks },
        pollInterval: 200,
        noHandleSignals: true,
        logger: new Logger(() => () => {}),
      });
      return { scheduler, store: store(), dispose: () => runner.stop().catch(() => {}) };
    },
  });
});
