/**
 * What the Elixir library `durable_object` does with the job queue Oban as its scheduler, row by row (area OBAN), and what is
 * weak about it (area W-OB): the same here with pg-boss, or what this library does instead.
 */

import { Logger, run } from "graphile-worker";
import { PgBoss, type Job } from "pg-boss";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { cancel, cluster, createRuntime, defineObject, noreply, polling, reply, schedule } from "../../src/index.ts";
import { graphileWorker } from "../../src/graphile-worker/index.ts";
import { memory, memoryTransport } from "../../src/memory/index.ts";
import { alarmJobId } from "../../src/pg-boss/alarm-job-id.ts";
import { pgBoss, type PgBossOptions } from "../../src/pg-boss/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { codeOf, errorOf } from "../support/outcome-of.ts";
import { borrowedSchema, freshSchema, hasPostgres, postgresUrl, sharedPool } from "../support/postgres-place.ts";
import { start } from "../support/stores.ts";

let failures = 0;

const Cart = defineObject({
  type: "cart",
  state: { fired: [] as string[], tries: 0 },
  handlers: {
    expireIn: ({ state }, when: number | string, name: "expire" | "remind" = "expire") =>
      noreply({ ...state }, schedule(name, when as number)),
    keep: ({ state }) => noreply(state, cancel("expire")),
    failNext: ({ state }, when: number) =>
      noreply(state, schedule("fail", when, { retry: { attempts: 2, backoff: 20 } })),
    fired: ({ state }) => reply(state.fired),
  },
  alarms: {
    expire: ({ state }) => noreply({ ...state, fired: [...state.fired, "expire"] }),
    remind: ({ state }) => noreply({ ...state, fired: [...state.fired, "remind"] }, schedule("remind", "1h")),
    fail: ({ state }) => {
      failures += 1;
      if (failures > 0) throw new Error("not today");
      return noreply(state);
    },
  },
});

const objects = [Cart];

describe.skipIf(!hasPostgres)("alarms as jobs of pg-boss", () => {
  const bossSchema = hasPostgres ? `boss_${process.pid}` : "";
  let boss: PgBoss;
  let queues = 0;

  beforeAll(async () => {
    boss = new PgBoss({ connectionString: postgresUrl(), schema: bossSchema, supervise: false, schedule: false });
    boss.on("error", () => {});
    await boss.start();
  });
  afterAll(async () => {
    await boss.stop({ graceful: false });
    await sharedPool().query(`DROP SCHEMA IF EXISTS ${bossSchema} CASCADE`);
  });

  async function startShop(options: Partial<PgBossOptions> = {}, schema = borrowedSchema()) {
    const queue = options.queue ?? `alarms-${++queues}`;
    const store = () => postgres(sharedPool(), { schema, lockTimeout: 0 });
    const runtime = await start({
      objects,
      store: store(),
      scheduler: pgBoss({ boss, queue, grace: "1h", ...options }),
    });
    const jobs = async (): Promise<Job<Record<string, unknown>>[]> =>
      (await boss.findJobs<Record<string, unknown>>(queue, { queued: true })).toSorted((a, b) =>
        JSON.stringify(a.data).localeCompare(JSON.stringify(b.data)),
      );
    return { runtime, queue, schema, store, cart: runtime.get(Cart, "ann", { tenant: "acme" }), jobs };
  }

  test("OBAN-1 the adapter is a door of its own: who does not import it needs no pg-boss", async () => {
    const manifest = await import("../../package.json", { with: { type: "json" } });
    expect(manifest.default.peerDependenciesMeta["pg-boss"]).toEqual({ optional: true });
    expect(Object.keys(manifest.default.exports)).toContain("./pg-boss");
  });

  test("OBAN-2 no process beside the application's own queue: the runtime brings none", async () => {
    const before = (await boss.getQueues()).length;
    const { queue } = await startShop();
    expect((await boss.getQueues()).length).toBe(before + 1);
    expect((await boss.getQueue(queue))?.name).toBe(queue);
  });

  test("OBAN-3 a queue that does not run: an error that says what to do, when the runtime is made", async () => {
    const stopped = new PgBoss({ connectionString: postgresUrl(), schema: bossSchema });
    const options = { objects, store: postgres(postgresUrl(), { schema: borrowedSchema() }) };
    const error = await errorOf(createRuntime({ ...options, scheduler: pgBoss({ boss: stopped }) }));
    expect(error).toMatchObject({ code: "INVALID_OPTION" });
    expect(String(error)).toContain("await boss.start()");
    expect(await codeOf(createRuntime({ objects, store: memory(), scheduler: pgBoss({ boss }) }))).toBe(
      "INVALID_OPTION",
    );
    expect(() => pgBoss({ boss: {} as PgBoss })).toThrow("PgBoss");
    expect(() => pgBoss({ boss, queue: "a b" })).toThrow("name of a queue");
  });

  test("OBAN-4 the queue is durable-object-alarms, and a job is started three times at most", async () => {
    const { cart } = await startShop({ queue: "durable-object-alarms" });
    await cart.expireIn("1h");
    expect(await boss.getQueue("durable-object-alarms")).toMatchObject({ retryLimit: 2 });
    await cart.keep();
  });

  test("OBAN-5 a job names schema, tenant, type, id and alarm, and is due when the alarm is", async () => {
    const { cart, jobs, schema } = await startShop();
    await cart.expireIn("5m");
    const [alarm] = await cart.alarms.list();
    const [job] = await jobs();
    const dueAt = alarm?.at.getTime() ?? 0;
    expect(job?.data).toEqual({ schema, tenant: "acme", type: "cart", id: "ann", alarm: "expire", dueAt });
    const { rows } = await sharedPool().query(
      `SELECT extract(epoch FROM start_after) * 1000 AS due FROM ${bossSchema}.job WHERE id = $1`,
      [job?.id],
    );
    expect(Number(rows[0].due)).toBe(dueAt);
  });

  test("OBAN-6 setting again replaces: one job, to the millisecond, with the state in one commit", async () => {
    const { cart, jobs } = await startShop();
    await cart.expireIn("1h");
    await cart.expireIn(3_600_999);
    await Promise.all([cart.expireIn("2h"), cart.expireIn("3h"), cart.expireIn(4 * 3_600_000 + 1)]);
    const [alarm] = await cart.alarms.list();
    expect((await jobs()).map(({ data }) => data["dueAt"])).toEqual([alarm?.at.getTime()]);
  });

  test("OBAN-7 cancel, cancelAll and deletion take the jobs along; the list is that of the alarms", async () => {
    const { cart, jobs, runtime } = await startShop();
    await cart.expireIn("1h");
    await cart.expireIn("30m", "remind");
    expect((await cart.alarms.list()).map(({ name }) => name)).toEqual(["remind", "expire"]);
    await cart.keep();
    expect((await jobs()).map(({ data }) => data["alarm"])).toEqual(["remind"]);
    await cart.expireIn("1h");
    await cart.alarms.cancelAll();
    expect(await jobs()).toEqual([]);
    await cart.expireIn("1h");
    await runtime.delete(Cart, "ann", { tenant: "acme" });
    expect(await jobs()).toEqual([]);
  });

  test("OBAN-8 a job fires its alarm: the state is changed and the job is gone; one that fails is tried again, later", async () => {
    const { cart, jobs, runtime, queue } = await startShop();
    await cart.expireIn(50);
    await expect.poll(() => cart.fired()).toEqual(["expire"]);
    await expect.poll(async () => (await boss.findJobs(queue, { queued: true })).length).toBe(0);
    // A handler that sets its own alarm has a new job for it, in the commit that acknowledges the old one.
    await cart.expireIn(20, "remind");
    await expect.poll(() => cart.fired()).toEqual(["expire", "remind"]);
    expect((await jobs()).map(({ data }) => data["alarm"])).toEqual(["remind"]);
    // A job of nobody's alarm is done with: there is nothing to wake.
    const stray = {
      schema: (await jobs())[0]?.data["schema"],
      tenant: "",
      type: "cart",
      id: "gone",
      alarm: "x",
      dueAt: 1,
    };
    await boss.send(queue, stray);
    await expect.poll(async () => (await jobs()).length).toBe(1);
    expect((await runtime.list(Cart, { tenant: "" })).objects).toEqual([]);
  });

  test("W-OB-1 a delay below a second is kept", async () => {
    const { cart, jobs } = await startShop();
    const before = Date.now();
    await cart.expireIn("3600999ms");
    const after = Date.now();
    const dueAt = Number((await jobs())[0]?.data["dueAt"]);
    expect(dueAt).toBeGreaterThanOrEqual(before + 3_600_999);
    expect(dueAt).toBeLessThanOrEqual(after + 3_600_999 + 1);
  });

  test("W-OB-2 the alarm fires in its tenant and its schema; a job of another schema is not taken for one of this", async () => {
    const { cart, runtime, queue, schema } = await startShop();
    await cart.expireIn(10);
    await expect.poll(() => cart.fired()).toEqual(["expire"]);
    expect(await runtime.get(Cart, "ann").fired()).toEqual([]);
    const strange = alarmJobId({ schema: "other", address: { tenant: "", type: "cart", id: "ann" }, name: "expire" });
    const data = { schema: "other", tenant: "", type: "cart", id: "ann", alarm: "expire", dueAt: 1 };
    await boss.insert(queue, [{ id: strange, data, retryLimit: 0 }]);
    await expect
      .poll(async () => (await boss.findJobs(queue, { id: strange }))[0] as unknown)
      .toMatchObject({ state: "failed" });
    expect(schema).not.toBe("other");
  });

  test("W-OB-3 a commit that fails leaves the job as it was, and a commit whose job cannot be written fails", async () => {
    const { cart, jobs, queue } = await startShop();
    await cart.expireIn("1h");
    const before = await jobs();
    await sharedPool().query(
      `CREATE FUNCTION ${bossSchema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no jobs today'; END $$`,
    );
    await sharedPool().query(
      `CREATE TRIGGER refuse BEFORE INSERT ON ${bossSchema}.job_common FOR EACH ROW WHEN (NEW.name = '${queue}') EXECUTE FUNCTION ${bossSchema}.refuse()`,
    );
    expect(await codeOf(cart.expireIn("2h"))).toBe("COMMIT_FAILED");
    await sharedPool().query(`DROP TRIGGER refuse ON ${bossSchema}.job_common; DROP FUNCTION ${bossSchema}.refuse()`);
    expect(await jobs()).toEqual(before);
    const [alarm] = await cart.alarms.list();
    expect(alarm?.at.getTime()).toBe(before[0]?.data["dueAt"]);
    await cart.expireIn("3h");
    expect((await jobs()).length).toBe(1);
  });

  test("W-OB-4 what fails too often is dead and kept, with a job in the queue of dead letters, until it is tried again", async () => {
    const deadLetter = "dead-alarms";
    const { cart, jobs, runtime } = await startShop({ deadLetter });
    failures = 0;
    await cart.failNext(10);
    await expect.poll(async () => (await runtime.alarms.dead(Cart, { tenant: "acme" })).length).toBe(1);
    expect(await jobs()).toEqual([]);
    const dead = async () => (await boss.findJobs<Record<string, unknown>>(deadLetter)).map(({ data }) => data);
    expect(await dead()).toMatchObject([{ tenant: "acme", id: "ann", alarm: "fail", attempts: 2 }]);
    expect((await dead())[0]?.["lastError"]).toContain("not today");
    failures = -10;
    expect(await runtime.alarms.redrive(Cart, "ann", "fail", { tenant: "acme" })).toBe(true);
    expect(await dead()).toEqual([]);
    await expect.poll(async () => (await cart.alarms.list()).length).toBe(0);
  });

  test("W-OB-5 the job of an alarm is found by its id: what setting one costs does not grow with the jobs", async () => {
    const { cart, jobs, schema } = await startShop();
    await cart.expireIn("1h");
    const key = { schema, address: { tenant: "acme", type: "cart", id: "ann" }, name: "expire" };
    expect((await jobs()).map(({ id }) => id)).toEqual([alarmJobId(key)]);
    const { rows } = await sharedPool().query(
      `EXPLAIN SELECT 1 FROM ${bossSchema}.job_common WHERE name = 'q' AND id = ANY('{${alarmJobId(key)}}'::uuid[])`,
    );
    expect(JSON.stringify(rows)).toContain("Index");
  });

  test("jobs that somebody deleted: their alarms fire a little later; and so it does after polling()", async () => {
    const { cart, runtime, queue, schema, store } = await startShop({ grace: "100ms" });
    await cart.expireIn(200);
    await boss.deleteAllJobs(queue);
    await expect.poll(() => cart.fired()).toEqual(["expire"]);
    await runtime.stop();

    const polled = await start({ objects, store: store(), scheduler: polling() });
    await polled.get(Cart, "bea").expireIn("1h");
    await polled.get(Cart, "bea").expireIn(300, "remind");
    await polled.stop();
    const again = await startShop({ queue, grace: "100ms" }, schema);
    await expect.poll(() => again.runtime.get(Cart, "bea").fired()).toEqual(["remind"]);
    await again.runtime.stop();

    // And back: jobs that are left over wake nobody, and polling fires what is due.
    const back = await start({ objects, store: store(), scheduler: polling() });
    await back.get(Cart, "cid").expireIn(10);
    await expect.poll(() => back.get(Cart, "cid").fired()).toEqual(["expire"]);
  });

  test("a boss that is stopped first: the runtime stops, and says so", async () => {
    const own = new PgBoss({ connectionString: postgresUrl(), schema: bossSchema, supervise: false, schedule: false });
    own.on("error", () => {});
    await own.start();
    const runtime = await createRuntime({
      objects,
      store: postgres(postgresUrl(), { schema: freshSchema() }),
      scheduler: pgBoss({ boss: own, queue: "left", grace: "50ms" }),
    });
    onTestFinished(() => runtime.stop());
    await own.stop({ graceful: false });
    // Jobs are written in the transactions of the store, and what nobody takes the sweep finds.
    await runtime.get(Cart, "a").expireIn(10);
    await expect.poll(() => runtime.get(Cart, "a").fired()).toEqual(["expire"]);
    await runtime.stop();
  });

  test("two nodes: a job comes to any of them, and the owner of the object fires its alarm, once", async () => {
    const schema = freshSchema();
    const transport = memoryTransport();
    const queue = `alarms-${++queues}`;
    const node = (name: string) =>
      start({
        objects,
        store: postgres(postgresUrl(), { schema }),
        // Only jobs may wake: a sweep would find everything by itself.
        scheduler: pgBoss({ boss, queue, grace: "1h", sweepInterval: "1h" }),
        cluster: cluster({ transport, name, lease: "5s" }),
      });
    const nodes = [await node("one"), await node("two")] as const;
    await expect.poll(() => nodes[0].cluster.status().nodes.filter(({ slots }) => slots > 0).length).toBe(2);
    const ids = Array.from({ length: 24 }, (_, index) => `${index}`);
    // Objects that are not in memory are located only on other nodes.
    const elsewhere = () => ids.filter((id) => nodes[0].locate(Cart, id) !== null).length;
    await expect.poll(() => elsewhere() > 0 && elsewhere() < ids.length).toBe(true);
    await Promise.all(ids.map((id) => nodes[0].get(Cart, id).expireIn(50)));
    for (const id of ids) await expect.poll(() => nodes[1].get(Cart, id).fired()).toEqual(["expire"]);
    expect(await boss.findJobs(queue, { queued: true })).toEqual([]);
  });
});

describe.skipIf(!hasPostgres)("alarms as jobs of Graphile Worker", () => {
  test("set, replaced, called off, fired and set again from within, with the state in one commit", async () => {
    const worker = freshSchema();
    const alarms = graphileWorker({ schema: worker, grace: "1h" });
    const runner = await run({
      pgPool: sharedPool(),
      schema: worker,
      taskList: { ...alarms.tasks },
      pollInterval: 200,
      noHandleSignals: true,
      logger: new Logger(() => () => {}),
    });
    onTestFinished(() => runner.stop());
    const store = postgres(sharedPool(), { schema: borrowedSchema(), lockTimeout: 0 });
    const runtime = await start({ objects, store, scheduler: alarms });
    const cart = runtime.get(Cart, "ann");
    const dueTimes = async (): Promise<number[]> => {
      const { rows } = await sharedPool().query(
        `SELECT extract(epoch FROM run_at) * 1000 AS due FROM "${worker}".jobs ORDER BY run_at`,
      );
      return rows.map(({ due }: { readonly due: string }) => Number(due));
    };
    await cart.expireIn("1h");
    await cart.expireIn(3_600_999);
    expect(await dueTimes()).toEqual((await cart.alarms.list()).map(({ at }) => at.getTime()));
    await cart.keep();
    expect(await dueTimes()).toEqual([]);
    await cart.expireIn(30);
    await expect.poll(() => cart.fired()).toEqual(["expire"]);
    await cart.expireIn(10, "remind");
    await expect.poll(() => cart.fired()).toEqual(["expire", "remind"]);
    await expect.poll(dueTimes).toEqual((await cart.alarms.list()).map(({ at }) => at.getTime()));
    await cart.alarms.cancelAll();
    expect(await dueTimes()).toEqual([]);
    expect(() => graphileWorker({ task: "a b" })).toThrow("a b");
  });
});
