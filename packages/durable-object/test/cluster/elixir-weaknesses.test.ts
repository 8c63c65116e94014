/**
 * What the Elixir library's cluster does not survive: two nodes that both take themselves for the owner, at one
 * database or on the two sides of a network that is split, and a second node beside the default scheduler.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { createRuntime } from "../../src/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { Counter, type FiredAlarm } from "../fixtures/cluster-objects.ts";
import { ClusterAudit, startAudit } from "../support/cluster-audit.ts";
import { startBroker } from "../support/cluster-broker.ts";
import type { CallEnding, ClusterNode } from "../support/cluster-node-process.ts";
import { ClusterProcesses } from "../support/cluster-processes.ts";
import { answersEverywhere } from "../support/cluster-service.ts";
import { codeOf } from "../support/outcome-of.ts";
import { freshSchema, hasPostgres, postgresUrl } from "../support/postgres-place.ts";
import { start } from "../support/stores.ts";

const timeout = 60_000;

test.skipIf(!hasPostgres)("two processes on one database that know of no cluster: the second one is told", async () => {
  const options = { schema: freshSchema(), lockTimeout: 0 } as const;
  const first = await start({ objects: [Counter], store: postgres(postgresUrl(), options) });
  await first.get(Counter, "a").increment(1);
  expect(await codeOf(createRuntime({ objects: [Counter], store: postgres(postgresUrl(), options) }))).toBe(
    "STORE_LOCKED",
  );
  expect(await first.get(Counter, "a").increment(1)).toBe(2);
});

describe.skipIf(!hasPostgres || inject("natsProgram") === null)("two nodes", { timeout }, () => {
  let processes: ClusterProcesses;
  let audit: ClusterAudit;
  let nodes: readonly ClusterNode[] = [];

  beforeAll(async () => {
    processes = await ClusterProcesses.create({
      leaseMs: 3_000,
      callTimeoutMs: 20_000,
      transport: "nats",
      startBroker,
    });
    // Both at once, on a database without tables.
    nodes = await processes.join(2);
    await startAudit(processes);
    audit = new ClusterAudit(processes);
  }, timeout);
  afterAll(() => processes[Symbol.asyncDispose](), timeout);

  const increment = (node: ClusterNode | undefined, id: string): Promise<CallEnding> =>
    node?.call({ type: "counter", id, handler: "increment", args: [1] }) ?? Promise.reject(new Error("no node"));
  const countOf = async (id: string): Promise<number> =>
    (await audit.state<{ readonly count: number }>("counter", id))?.count ?? 0;

  /** So many increments of one object, each after the other. */
  async function increments(node: ClusterNode | undefined, id: string, count: number): Promise<CallEnding[]> {
    const endings: CallEnding[] = [];
    for (let call = 0; call < count; call++) endings.push(await increment(node, id));
    return endings;
  }

  test("500 increments at each of two nodes are 1000", async () => {
    const [first, second] = nodes;
    const both = await Promise.all([increments(first, "shared", 500), increments(second, "shared", 500)]);
    const heard = both.flat().map((ending) => (ending.outcome === "ok" ? Number(ending.value) : ending.code));
    expect(heard.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
    expect(await countOf("shared")).toBe(1_000);
    expect(await audit.problem("counter", "shared")).toBeNull();
  });

  test("a network that is split: what was acknowledged on either side is there", async () => {
    const [first, second] = nodes;
    const ids = Array.from({ length: 6 }, (_, index) => `split-${index}`);
    await Promise.all(ids.map((id) => increment(first, id)));
    for (const { broker } of nodes) broker?.cut();
    const sides = await Promise.all(
      [first, second].flatMap((side) =>
        ids.map(async (id) => ({
          id,
          endings: await Promise.all(Array.from({ length: 100 }, () => increment(side, id))),
        })),
      ),
    );
    for (const { broker } of nodes) broker?.heal();
    const objects = ids.map((id) => ({ type: "counter", id }) as const);
    expect((await answersEverywhere(processes, objects, timeout / 2)).missing).toBeNull();

    for (const id of ids) {
      const endings = sides.filter((side) => side.id === id).flatMap((side) => side.endings);
      const acknowledged = endings.filter(({ outcome }) => outcome === "ok").length;
      const unknown = endings.filter(({ outcome }) => outcome === "unknown").length;
      const count = await countOf(id);
      expect(acknowledged, "the side that owns it goes on").toBeGreaterThanOrEqual(100);
      expect(count).toBeGreaterThanOrEqual(1 + acknowledged);
      expect(count).toBeLessThanOrEqual(1 + acknowledged + unknown);
      // Both sides go on from there.
      expect(await increment(first, id)).toEqual({ outcome: "ok", value: count + 1 });
      expect(await increment(second, id)).toEqual({ outcome: "ok", value: count + 2 });
      expect(await audit.problem("counter", id)).toBeNull();
    }
  });

  test("alarms of the default scheduler, with a node that joins and one that dies: each has its effect once", async () => {
    /** Sets an alarm of ten objects. Those of a node that has just died cannot be reached until that is known. */
    const set = async (node: ClusterNode, number: number, ms: number): Promise<void> => {
      const calls = Array.from({ length: 10 }, async (_, index) => {
        const args = [`alarm${number}`, `${number}`, ms];
        const call = { type: "reminder", id: `reminder-${index}`, handler: "remind", args } as const;
        // With a key it is set once, whatever became of an attempt.
        while ((await node.call({ ...call, idempotencyKey: `${number}` })).outcome !== "ok") await sleep(20);
      });
      await Promise.all(calls);
    };
    const [first, second] = nodes;
    if (first === undefined || second === undefined) throw new Error("no nodes");
    await set(first, 0, 200);
    const [third] = await processes.join(1);
    if (third === undefined) throw new Error("no third node");
    await set(third, 1, 200);
    await set(second, 2, 4_000);
    await first.kill();
    await set(second, 3, 200);
    for (let index = 0; index < 10; index++) {
      const rung = async (): Promise<readonly string[]> => {
        const state = await audit.state<{ readonly fired: readonly FiredAlarm[] }>("reminder", `reminder-${index}`);
        return (state?.fired ?? []).map(({ entry }) => entry).toSorted();
      };
      while ((await rung()).length < 4) await sleep(50);
      expect(await rung()).toEqual(["0", "1", "2", "3"]);
    }
    expect(processes.crashes).toEqual([]);
    expect(processes.open).toHaveLength(2);
  });
});
