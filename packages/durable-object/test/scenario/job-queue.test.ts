/**
 * Alarms as jobs of pg-boss, where something goes wrong: commits that are not answered, objects that are busy, a queue that is
 * stopped, jobs that somebody completed or deleted, times that no queue can write.
 */

import { PgBoss } from "pg-boss";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createRuntime, defineObject, noreply, reply, schedule } from "../../src/index.ts";
import { pgBoss, type PgBossOptions } from "../../src/pg-boss/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { codeOf } from "../support/outcome-of.ts";
import { gate as closedGate, type Gate } from "../support/gate.ts";
import { borrowedSchema, hasPostgres, postgresAddress, postgresUrl, sharedPool } from "../support/postgres-place.ts";
import { onEveryStore, start } from "../support/stores.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

let gate: Gate;
let entered: Gate;

const Bell = defineObject({
  type: "bell",
  state: { rings: 0 },
  handlers: {
    ringAt: ({ state }, at: number, name: "ring" | "slow" = "ring") =>
      noreply({ ...state }, schedule(name, new Date(at))),
    ringIn: ({ state }, ms: number) => noreply({ ...state }, schedule("ring", ms)),
    rings: ({ state }) => reply(state.rings),
  },
  alarms: {
    ring: ({ state }) => noreply({ rings: state.rings + 1 }),
    slow: async ({ state }) => {
      entered.open();
      await gate.passed;
      return noreply({ rings: state.rings + 100 });
    },
  },
});
const objects = [Bell];
/** Only jobs wake. */
const onlyJobs = { sweepInterval: "1h", grace: "1h" } as const;

describe.skipIf(!hasPostgres)("alarms as jobs, where something goes wrong", () => {
  const bossSchema = `boss_wrong_${process.pid}`;
  let boss: PgBoss;
  let queues = 0;

  async function startBoss(): Promise<PgBoss> {
    const started = new PgBoss({
      connectionString: postgresUrl(),
      schema: bossSchema,
      supervise: false,
      schedule: false,
    });
    started.on("error", () => {});
    return await started.start();
  }
  beforeAll(async () => {
    boss = await startBoss();
  });
  afterAll(async () => {
    await boss.stop({ graceful: false });
    await sharedPool().query(`DROP SCHEMA IF EXISTS ${bossSchema} CASCADE`);
  });

  async function startBells(options: Partial<PgBossOptions> = {}, url = postgresUrl()) {
    const queue = options.queue ?? `bells-${++queues}`;
    const schema = borrowedSchema();
    const store = () => postgres(url, { schema, lockTimeout: 0 });
    const scheduler = () => pgBoss({ boss, queue, ...onlyJobs, ...options });
    const runtime = await start({ objects, store: store(), scheduler: scheduler() });
    const jobs = async () => await boss.findJobs<Record<string, unknown>>(queue, { queued: true });
    return { runtime, queue, store, scheduler, jobs, bell: runtime.get(Bell, "a") };
  }

  test("a commit that was not answered, wherever it was cut: one alarm, one job, of the same time", async () => {
    const proxy = await TcpProxy.create(postgresAddress());
    onTestFinished(() => proxy.close());
    const url = postgresUrl((through) => proxy.lead(through));
    const { bell, jobs } = await startBells({}, url);
    const firstAt = Date.now() + 3_600_000;
    await bell.ringAt(firstAt);
    // Once for each message of the transaction: begin, the commit, deleting and inserting the job, end.
    for (let message = 0; message < 5; message++) {
      const at = firstAt + message + 1;
      proxy.cutAfter(message);
      await bell.ringAt(at);
      expect((await bell.alarms.list()).map((alarm) => alarm.at.getTime())).toEqual([at]);
      expect((await jobs()).map(({ data }) => data["dueAt"])).toEqual([at]);
    }
  });

  test("an object that is busy holds up neither its own jobs nor those of others, and none is loaded for a job", async () => {
    gate = closedGate();
    entered = closedGate();
    onTestFinished(() => gate.open());
    const { runtime, queue, bell, jobs } = await startBells({ batch: 2 });
    await bell.ringAt(Date.now(), "slow");
    await entered.passed;
    // It has one more job, which comes while its handler runs.
    const [job] = await boss.findJobs<Record<string, unknown>>(queue);
    await boss.send(queue, job?.data ?? {});
    await boss.send(queue, { ...job?.data, id: "nobody" });
    await Promise.all(["b", "c", "d", "e"].map((id) => runtime.get(Bell, id).ringIn(10)));
    for (const id of ["b", "c", "d", "e"]) await expect.poll(() => runtime.get(Bell, id).rings()).toBe(1);
    await expect.poll(async () => (await jobs()).length).toBe(0);
    expect(runtime.locate(Bell, "nobody")).toBeNull();
    gate.open();
    await expect.poll(() => bell.rings()).toBe(100);
  });

  test("jobs that were completed or deleted behind its back: their alarms fire after the grace", async () => {
    const { runtime, queue, bell, jobs } = await startBells({ grace: "100ms" });
    await bell.ringIn(1_000);
    const [job] = await jobs();
    await boss.complete(queue, job?.id ?? "", {}, { includeQueued: true });
    await expect.poll(() => bell.rings()).toBe(1);
    await bell.ringIn(1_000);
    await boss.deleteAllJobs(queue);
    await expect.poll(() => bell.rings()).toBe(2);
    await runtime.stop();
  });

  test("all jobs were deleted while nothing ran: what is due fires at the start, the rest after the grace", async () => {
    const { runtime, queue, store, bell } = await startBells();
    await bell.ringAt(Date.now() + 1_500);
    await runtime.get(Bell, "b").ringAt(Date.now() + 86_400_000);
    await runtime.stop();
    await boss.deleteAllJobs(queue);
    const next = await start({
      objects,
      store: store(),
      scheduler: pgBoss({ boss, queue, sweepInterval: "1h", grace: "50ms" }),
    });
    await expect.poll(() => next.get(Bell, "a").rings()).toBe(1);
    expect(await next.get(Bell, "b").rings()).toBe(0);
    expect(await next.get(Bell, "b").alarms.list()).toHaveLength(1);
  });

  test("the application stops its boss first, and waits for it: the runtime stops after it, and alarms stay", async () => {
    const own = await startBoss();
    const { runtime, store, bell, queue } = await startBells({ boss: own });
    await bell.ringIn(3_600_000);
    await own.stop();
    await bell.ringAt(Date.now() + 7_200_000);
    await runtime.stop();
    const next = await start({ objects, store: store(), scheduler: pgBoss({ boss, queue, ...onlyJobs }) });
    expect(await next.get(Bell, "a").alarms.list()).toHaveLength(1);
    expect(await boss.findJobs(queue, { queued: true })).toHaveLength(1);
  });

  test("a time that no queue can write is kept to the millisecond in the alarm", async () => {
    const { bell, jobs } = await startBells();
    const at = 8_640_000_000_000_000;
    await bell.ringAt(at);
    expect((await bell.alarms.list())[0]?.at.getTime()).toBe(at);
    expect((await jobs())[0]?.data["dueAt"]).toBe(at);
    await bell.ringAt(-62_200_000_000_000);
    await expect.poll(() => bell.rings()).toBe(1);
  });

  test("a job that anybody else put there fails, and is not taken for an alarm's", async () => {
    const { queue } = await startBells();
    await boss.insert(queue, [{ data: { hello: 1 }, retryLimit: 0 }, { retryLimit: 0 }]);
    await expect
      .poll(async () => (await boss.findJobs(queue)).map((job) => (job as unknown as { state: string }).state))
      .toEqual(["failed", "failed"]);
  });

  test("many alarms at a time, in batches of jobs: each fires once, and no job is left", async () => {
    const { runtime, jobs } = await startBells();
    const ids = Array.from({ length: 600 }, (_, index) => `many-${index}`);
    const dueAt = Date.now() + 300;
    await Promise.all(ids.map((id) => runtime.get(Bell, id).ringAt(dueAt)));
    const rings = async () => new Set(await Promise.all(ids.map((id) => runtime.get(Bell, id).rings())));
    await expect.poll(rings, { timeout: 15_000 }).toEqual(new Set([1]));
    await expect.poll(async () => (await jobs()).length).toBe(0);
    expect(await rings()).toEqual(new Set([1]));
  });
});

onEveryStore("a store that cannot write jobs", (stores) => {
  test.skipIf(!hasPostgres || stores.name === "postgres")("is refused, and is free for the next runtime", async () => {
    const disk = await stores.create();
    const queue = { boss: { insert() {}, work() {}, getQueue: async () => ({}) } as unknown as PgBoss };
    expect(await codeOf(createRuntime({ objects, store: disk.open(), scheduler: pgBoss(queue) }))).toBe(
      "INVALID_OPTION",
    );
    const runtime = await start({ objects, store: disk.open() });
    expect(await runtime.get(Bell, "a").rings()).toBe(0);
  });
});
