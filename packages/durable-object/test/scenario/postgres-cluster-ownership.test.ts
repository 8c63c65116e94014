/** Nodes on one PostgreSQL: who may be there at the same time, and what becomes of those who are in each other's way. */

import { describe, expect, onTestFinished, test } from "vitest";
import { slotOf } from "../../src/core/slot.ts";
import { postgres } from "../../src/postgres/index.ts";
import { evictText } from "../../src/postgres/postgres-node-statements.ts";
import { thisOwner } from "../../src/postgres/postgres-owner.ts";
import { set } from "../../src/testing/object-store-alarms.ts";
import { address, write } from "../../src/testing/object-store-case.ts";
import { untilKnown } from "../../src/testing/ownership-store-case.ts";
import { PostgresChild } from "../support/postgres-child.ts";
import { session, waiting } from "../support/postgres-locks.ts";
import { joined, joining } from "../support/postgres-nodes.ts";
import { failureOf, openedIn } from "../support/postgres-opened.ts";
import { borrowedSchema, hasPostgres, postgresAddress, postgresUrl, sql } from "../support/postgres-place.ts";
import { watch } from "../support/outcome-of.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

/** A process of this machine that is not there, as a node says where it runs. */
const deadProcess = (() => {
  const { host, machine } = thisOwner({ name: "", node: "" });
  return { host, boot: machine, pid: 2_147_483_647, started: "1" };
})();

/** The lease of every node is over. */
async function endLeases(schema: string): Promise<void> {
  await sql(`UPDATE ${schema}.durable_object_nodes SET expires_at = now() - interval '1 ms'`);
}

describe.skipIf(!hasPostgres)("one who owns everything, and nodes", () => {
  test("one who wants everything is refused while there is a node, and told what to do", async () => {
    const schema = borrowedSchema();
    const node = await joined({ schema });
    const failure = await failureOf(openedIn(schema));
    expect(failure).toMatchObject({ kind: "retry", code: "STORE_LOCKED" });
    expect(failure.message).toContain(`host host-1, the node ${node.name}) since 20`);
    expect(failure.message).toContain("configure the cluster here, too");
    await node.commit(write("a"));
    await node.ownership.leave();
    await openedIn(schema);
  });

  test("a node is refused while one owns everything, and told what to do", async () => {
    const schema = borrowedSchema();
    const first = await openedIn(schema, {}, "the first");
    const failure = await failureOf(joined({ schema }));
    expect(failure).toMatchObject({ kind: "retry", code: "STORE_LOCKED" });
    expect(failure.message).toContain(`pid ${process.pid} `);
    expect(failure.message).toContain("runtime the first) since 20");
    expect(failure.message).toContain("start it with a cluster, too");
    await first.apply(write("a"));
    const waits = joined({ schema, lockTimeout: "15s" });
    const watched = watch(waits);
    await first.apply(write("b"));
    expect(watched.settled).toBe(false);
    await first.store.close();
    await (await waits).objects.assertStored("a", { revision: 1, state: "{}", stateVersion: 1 });
  });

  test("a node follows at once one who owned everything and whose process is gone", async () => {
    const schema = borrowedSchema();
    const child = new PostgresChild({ schema, lease: "1h" });
    await child.succeed({ step: "open" });
    const alarms = [set("due", 1)];
    await child.succeed({ step: "commit", batch: { number: 1, at: 1, writes: [write("a", { alarms })] } });
    await child.crash();
    const node = await joined({ schema });
    await node.acquire(slotOf(address("a")));
    const due = await node.objects.store.dueAlarms({ type: "counter", tenant: null, dueBy: 9, limit: 9 });
    expect(due.map(({ name, suspect }) => [name, suspect])).toEqual([["due", true]]);
  });

  test("one who wants everything follows at once nodes whose processes are gone, and suspects their alarms", async () => {
    const schema = borrowedSchema();
    const nodes = [
      await joined({ schema }, { process: deadProcess }),
      await joined({ schema }, { process: deadProcess }),
    ];
    const ids = ["a", "b", "c", "d"];
    const mine = slotOf(address("a"));
    await nodes[0]?.acquire(mine);
    await nodes[1]?.commit(...ids.map((id) => write(id, { alarms: [set("due", 1), set("later", 4e12)] })));
    const sole = await openedIn(schema);
    const due = await sole.store.dueAlarms({ type: "counter", tenant: null, dueBy: 5e12, limit: 9 });
    const suspects = due.filter(({ suspect }) => suspect).map(({ address: { id }, name }) => [id, name]);
    expect(suspects).toEqual([["a", "due"]]);
    for (const node of nodes) await node.assertGone();
    await sole.apply(write("e"));
    expect(await sql(`SELECT count(owner)::int AS owned FROM ${schema}.durable_object_slots`)).toEqual([{ owned: 0 }]);
  });

  test("one who wants everything waits for the lease of a node that nobody can ask, and watches it for as long", async () => {
    const schema = borrowedSchema();
    const node = await joined({ schema }, { leaseMs: 2_000 });
    await endLeases(schema);
    const sinceMs = performance.now();
    await openedIn(schema);
    expect(performance.now() - sinceMs).toBeGreaterThanOrEqual(2_000);
    await node.assertGone();
  });

  test("a clock of the database that jumps ahead costs no node anything that lives", async () => {
    const schema = borrowedSchema();
    const node = await joined({ schema }, { leaseMs: 3_000 });
    const beating = setInterval(() => void node.ownership.beat(), 100);
    onTestFinished(() => clearInterval(beating));
    await endLeases(schema);
    expect(await failureOf(openedIn(schema))).toMatchObject({ code: "STORE_LOCKED" });
    clearInterval(beating);
    await node.commit(write("a"));
  });

  test("of all that want an empty schema at once there is one, or there are nodes", async () => {
    for (let round = 0; round < 5; round++) {
      const schema = borrowedSchema();
      const attempts = [openedIn(schema), joined({ schema }), openedIn(schema), joined({ schema })];
      const ends = await Promise.allSettled(attempts.toSorted(() => round % 2));
      const rows = await sql(`SELECT sole FROM ${schema}.durable_object_nodes`);
      expect(rows).toHaveLength(ends.filter(({ status }) => status === "fulfilled").length);
      expect(rows.length).toBeGreaterThan(0);
      if (rows.some(({ sole }) => sole === true)) expect(rows).toHaveLength(1);
    }
  });

  test("a node whose machine is gone is a node until the others evict it: joining evicts nobody", async () => {
    const schema = borrowedSchema();
    const dead = await joined({ schema }, { process: deadProcess });
    await dead.acquire(1);
    await endLeases(schema);
    const node = await joined({ schema });
    await node.assertOwned([1, dead.name, 1]);
    expect((await node.rowOf(dead))?.process).toEqual(deadProcess);
    expect((await node.rowOf(dead))?.expired).toBe(true);
  });
});

describe.skipIf(!hasPostgres)("batches and slots", () => {
  test("a batch that is in flight while its slot is handed over is applied, or the heir's is: never both", async () => {
    const schema = borrowedSchema();
    const [old, heir] = [await joined({ schema }), await joined({ schema })];
    const slot = slotOf(address("a"));
    await old.acquire(slot);
    await old.commit(write("a", { state: "1" }));
    for (const first of ["old", "heir"] as const) {
      const revision = (await heir.objects.load("a"))?.revision ?? 0;
      const blocker = await session();
      await blocker.query(`BEGIN; SELECT 1 FROM ${schema}.durable_objects FOR UPDATE`);
      const commit = (who: typeof old, name: string) =>
        who.commit(write("a", { baseRevision: revision, state: `"${name} ${revision}"` }));
      const early = first === "old" ? commit(old, "old") : commit(heir, "heir");
      await waiting(schema);
      const [owned] = await old.owned();
      if (first === "old") await old.handOver(heir.name, { slot, epoch: owned?.[2] ?? 0 });
      const late = first === "old" ? commit(heir, "heir") : commit(old, "old");
      await waiting(schema, 2);
      await blocker.query("COMMIT");
      const stale = [await early, await late];
      expect(stale.flat()).toEqual([0]);
      const winner = stale[0]?.length === 0 ? first : first === "old" ? "heir" : "old";
      await heir.objects.assertStored("a", {
        revision: revision + 1,
        state: `"${winner} ${revision}"`,
        stateVersion: 1,
      });
    }
  });

  test("eviction waits for a batch that is being applied, and what it wrote is there", async () => {
    const schema = borrowedSchema();
    const [victim, judge] = [await joined({ schema }), await joined({ schema })];
    await victim.commit(write("a", { state: "1" }));
    await endLeases(schema);
    const blocker = await session();
    await blocker.query(`BEGIN; SELECT 1 FROM ${schema}.durable_objects FOR UPDATE`);
    const commit = victim.commit(write("a", { baseRevision: 1, state: "2" }));
    await waiting(schema);
    const evict = judge.evict(victim);
    await waiting(schema, 2);
    await blocker.query("COMMIT");
    expect(await commit).toEqual([]);
    await evict;
    await judge.objects.assertStored("a", { revision: 2, state: "2", stateVersion: 1 });
    await victim.assertGone();
  });

  test("eviction ends a batch that hangs, and nothing of it is ever applied", async () => {
    const schema = borrowedSchema();
    const [victim, judge] = [await joined({ schema }), await joined({ schema })];
    await victim.acquire(1, 2);
    await victim.commit(write("a", { state: "1" }));
    await endLeases(schema);
    const blocker = await session();
    await blocker.query(`BEGIN; SELECT 1 FROM ${schema}.durable_objects FOR UPDATE`);
    const batch = victim.objects.batch([write("b", { state: "2" }), write("a", { baseRevision: 1, state: "2" })]);
    const commit = failureOf(victim.objects.store.commit(batch));
    await waiting(schema);
    // Nobody lets go of the object.
    await judge.evict(victim);
    expect(await commit).toMatchObject({ kind: "retry" });
    expect(await failureOf(victim.objects.store.commit(batch))).toMatchObject({ code: "STORE_TAKEN_OVER" });
    await blocker.query("COMMIT");
    await judge.objects.assertStored("a", { revision: 1, state: "1", stateVersion: 1 });
    await judge.objects.assertStored("b", null);
    await judge.assertOwned();
    await victim.assertGone();
  });

  test("several that evict a node whose batch hangs all come to an end", async () => {
    const schema = borrowedSchema();
    const victim = await joined({ schema });
    const judges = [await joined({ schema }), await joined({ schema }), await joined({ schema })];
    await victim.commit(write("a"));
    await endLeases(schema);
    const blocker = await session();
    await blocker.query(`BEGIN; SELECT 1 FROM ${schema}.durable_objects FOR UPDATE`);
    const commit = failureOf(victim.objects.store.commit(victim.objects.batch([write("a", { baseRevision: 1 })])));
    await waiting(schema);
    await Promise.all(judges.map((judge) => judge.change({ change: "evict", node: victim.name, beat: 0 })));
    expect(await commit).toMatchObject({ kind: "retry" });
    await victim.assertGone();
    for (const judge of judges) expect(judge.ownership.lastNumber).toBe(1);
    await blocker.query("COMMIT");
  });

  test("of two nodes that evict each other one wins, always", async () => {
    const schema = borrowedSchema();
    for (let round = 0; round < 60; round++) {
      const [one, two] = [await joined({ schema }), await joined({ schema })];
      await Promise.all([one.acquire(1, 2, 3), two.acquire(4, 5, 6)]);
      await endLeases(schema);
      const ends = await Promise.allSettled([
        one.change({ change: "evict", node: two.name, beat: 0 }),
        two.change({ change: "evict", node: one.name, beat: 0 }),
      ]);
      expect(ends.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
      const [winner, loser] = ends[0].status === "fulfilled" ? [one, two] : [two, one];
      await loser.assertGone();
      expect((await winner.ownership.nodes()).map(({ node }) => node)).toEqual([winner.name]);
      expect(new Set((await winner.owned()).map(([, owner]) => owner))).toEqual(new Set([winner.name]));
      await winner.ownership.leave();
      for (const { store } of [one, two]) await store.objects.close();
    }
  });

  test("a node that takes and gives slots while it is evicted has none afterwards", async () => {
    const schema = borrowedSchema();
    const judge = await joined({ schema });
    for (let round = 0; round < 20; round++) {
      const victim = await joined({ schema });
      await endLeases(schema);
      const busy = (async () => {
        for (let slot = 0; ; slot = (slot + 1) % 1_024) await victim.acquire(slot, slot + 1, slot + 2);
      })();
      const lost = failureOf(busy);
      while (victim.ownership.lastNumber < 3) await judge.ownership.nodes();
      await judge.change({ change: "evict", node: victim.name, beat: 0 });
      expect(await lost).toMatchObject({ kind: "lost", code: "STORE_TAKEN_OVER" });
      await judge.assertOwned();
      await victim.store.objects.close();
    }
  });

  test("an eviction that arrives late changes nothing, not even the number of the last change", async () => {
    const schema = borrowedSchema();
    const [judge, victim] = [await joined({ schema }), await joined({ schema })];
    await endLeases(schema);
    await judge.acquire(1);
    await judge.acquire(2);
    const rows = await sql(`SELECT node, name FROM ${schema}.durable_object_nodes`);
    const uuidOf = ({ name }: { readonly name: string }): string =>
      String(rows.find((row) => row["name"] === name)?.["node"]);
    for (const number of [1, 2, 4]) {
      const eviction = { node: uuidOf(judge), victim: uuidOf(victim), number, beat: 0, force: true, lockWaitMs: 1_000 };
      await sql(evictText(schema, eviction));
      expect((await judge.ownership.beat()).changeNumber).toBe(2);
    }
    await victim.ownership.beat();
    expect(await judge.rowOf(victim)).not.toBeNull();
  });

  test("slots are read again only if they have changed", async () => {
    const schema = borrowedSchema();
    const [node, other] = [await joined({ schema }), await joined({ schema })];
    await other.acquire(1, 2, 3);
    const seen = await node.ownership.slots();
    expect(await node.ownership.slots()).toBe(seen);
    await other.handOver(node.name, { slot: 2, epoch: 1 });
    const moved = await node.ownership.slots();
    expect(moved).not.toBe(seen);
    expect(moved).toHaveLength(3);
    await other.release({ slot: 1, epoch: 1 });
    expect(await node.ownership.slots()).toHaveLength(2);
    // As many slots have an owner as before, and the same ones.
    await other.acquire(1);
    expect((await node.owned()).map(([, , epoch]) => epoch)).toEqual([2, 2, 1]);
  });
});

describe.skipIf(!hasPostgres)("the alarms of a node", () => {
  test("are found behind many of other nodes' slots", async () => {
    const schema = borrowedSchema();
    const node = await joined({ schema });
    const ids = Array.from({ length: 400 }, (_, index) => `object-${index}`);
    const mine = slotOf(address("mine"));
    const others = ids.filter((id) => slotOf(address(id)) !== mine);
    await node.commit(
      ...others.map((id, index) => write(id, { alarms: [set("due", index), set("later", 1_000 + index)] })),
      write("mine", { alarms: [set("due", 500), set("later", 9_000)] }),
    );
    await node.acquire(mine);
    const { store } = node.objects;
    expect(await store.nextDueAfter(["counter"], 999)).toBe(9_000);
    const due = await store.dueAlarms({ type: "counter", tenant: null, dueBy: 999, limit: 9 });
    expect(due.map(({ address: { id }, name }) => `${id} ${name}`)).toEqual(["mine due"]);
    expect(await store.dueTenants("counter", 499)).toEqual([]);
    expect(await store.dueTenants("counter", 500)).toEqual([""]);
  });

  test("come longest due first, also where one slot has nearly all of them", async () => {
    const schema = borrowedSchema();
    const node = await joined({ schema });
    await node.acquire(...Array.from({ length: 1_024 }, (_, slot) => slot));
    const alarms = Array.from({ length: 300 }, (_, index) => set(`n${index}`, 10 + index));
    await node.commit(
      write("one", { alarms }),
      ...Array.from({ length: 20 }, (_, index) => write(`other-${index}`, { alarms: [set("n", 200 + index)] })),
    );
    const query = { type: "counter", tenant: null, dueBy: 1_000 };
    for (const limit of [1, 100, 250, 400]) {
      const due = (await node.objects.store.dueAlarms({ ...query, limit })).map(({ dueAt }) => dueAt);
      const all = [...alarms.map((_, index) => 10 + index), ...Array.from({ length: 20 }, (_, index) => 200 + index)];
      expect(due).toEqual(all.toSorted((a, b) => a - b).slice(0, limit));
    }
  });
});

describe.skipIf(!hasPostgres)("a database that lost its tail", () => {
  test("shows it in the next beat", async () => {
    const schema = borrowedSchema();
    const node = await joined({ schema });
    await node.commit(write("a"));
    await node.commit(write("b"));
    await node.acquire(1);
    await node.ownership.beat();
    expect(await node.ownership.beat()).toEqual({ beat: 2, batchNumber: 2, changeNumber: 1 });
    await sql(`UPDATE ${schema}.durable_object_nodes SET beat = 0;
      UPDATE ${schema}.durable_object_lanes SET number = number - 1 WHERE number > 0`);
    expect(await node.ownership.beat()).toEqual({ beat: 1, batchNumber: 1, changeNumber: 0 });
  });

  test.each([
    ["commit", 0],
    ["change", -1],
  ] as const)("takes no further %s", async (what, lane) => {
    const schema = borrowedSchema();
    const node = await joined({ schema });
    for (let number = 1; number <= 3; number++) {
      await node.commit(write(`a${number}`));
      await node.acquire(number);
    }
    await sql(`UPDATE ${schema}.durable_object_lanes SET number = 1 WHERE lane = ${lane}`);
    const next = what === "commit" ? node.commit(write("b")) : node.acquire(4);
    const failure = await failureOf(next);
    expect(failure).toMatchObject({ kind: "lost", code: "STORE_CORRUPT" });
    expect(failure.message).toContain(`does not have ${what} 3`);
    // Everything hangs on it.
    expect(await failureOf(node.ownership.beat())).toBe(failure);
    expect(await failureOf(node.objects.load("a1"))).toBe(failure);
    expect(await sql(`SELECT count(owner)::int AS owned FROM ${schema}.durable_object_slots`)).toEqual([{ owned: 3 }]);
  });
});

describe.skipIf(!hasPostgres)("changes that were not answered", () => {
  async function joinedThroughProxy(schema: string) {
    const proxy = await TcpProxy.create(postgresAddress());
    onTestFinished(() => proxy.close());
    const url = postgresUrl((given) => proxy.lead(given));
    const node = await joined({ schema }, {}, url);
    onTestFinished(() => proxy.cut());
    // Connected, so that the next request is the change.
    await node.acquire();
    return { proxy, node };
  }

  const change = { change: "acquire", slots: [5, 6] } as const;

  test("one that has arrived is made once, however often it is sent", async () => {
    const schema = borrowedSchema();
    const { proxy, node } = await joinedThroughProxy(schema);
    proxy.cutBeforeReply();
    expect(await failureOf(node.ownership.change(2, change))).toMatchObject({
      kind: "retry",
      code: "STORE_UNAVAILABLE",
    });
    expect(node.ownership.lastNumber).toBe(1);
    for (let attempt = 0; attempt < 3; attempt++) await node.ownership.change(2, change);
    await node.assertOwned([5, node.name, 1], [6, node.name, 1]);
    expect(node.ownership.lastNumber).toBe(2);
  });

  test("one that has not arrived is made when it is sent again", async () => {
    const schema = borrowedSchema();
    const { proxy, node } = await joinedThroughProxy(schema);
    proxy.cutBeforeRequest();
    expect(await failureOf(node.ownership.change(2, change))).toMatchObject({ kind: "retry" });
    await node.ownership.change(2, change);
    await node.assertOwned([5, node.name, 1], [6, node.name, 1]);
  });

  test("one that arrives late, after it was sent again and others after it, is not made", async () => {
    const schema = borrowedSchema();
    const { proxy, node } = await joinedThroughProxy(schema);
    proxy.holdRequest();
    expect(await failureOf(node.ownership.change(2, change))).toMatchObject({ kind: "retry" });
    await node.ownership.change(2, change);
    await node.release({ slot: 5, epoch: 1 });
    await proxy.deliver();
    await node.assertOwned([6, node.name, 1]);
    await node.acquire(7);
    await node.assertOwned([6, node.name, 1], [7, node.name, 1]);
  });

  test("of every kind, wherever the line is cut, one is made once", async () => {
    const schema = borrowedSchema();
    const { proxy, node } = await joinedThroughProxy(schema);
    const [heir, other] = [await joined({ schema }), await joined({ schema })];
    await node.acquire(1, 2, 3);
    await sql(`UPDATE ${schema}.durable_object_nodes SET expires_at = '-infinity' WHERE name = $1`, [other.name]);
    const kinds = [
      { change: "acquire", slots: [4] },
      { change: "release", slots: [{ slot: 1, epoch: 1 }] },
      { change: "hand over", slots: [{ slot: 2, epoch: 1 }], to: heir.name },
      { change: "evict", node: other.name, beat: 0 },
      { change: "drain" },
    ] as const;
    for (const kind of kinds) {
      for (const requests of [0, 1, 2]) {
        proxy.cutAfter(requests);
        await node.change(kind);
        // Whatever of it is left is cut in the next request, which is sent again, too.
        await untilKnown(() => node.ownership.nodes());
        await untilKnown(() => node.ownership.nodes());
        await untilKnown(() => node.ownership.nodes());
      }
    }
    await node.assertOwned([2, heir.name, 2], [3, node.name, 1], [4, node.name, 1]);
    expect(node.ownership.lastNumber).toBe(2 + 3 * kinds.length);
    expect((await node.ownership.beat()).changeNumber).toBe(node.ownership.lastNumber);
    expect(await node.rowOf(other)).toBeNull();
    expect((await node.rowOf(node))?.draining).toBe(true);
  });

  test("a batch that arrives late, after its slot was handed over, is not applied on top of the heir's", async () => {
    const schema = borrowedSchema();
    const { proxy, node } = await joinedThroughProxy(schema);
    const heir = await joined({ schema });
    const slot = slotOf(address("a"));
    await node.acquire(slot);
    await node.commit(write("a", { state: "1" }));
    const batch = node.objects.batch([write("a", { baseRevision: 1, state: '"late"' })]);
    proxy.holdRequest();
    expect(await failureOf(node.objects.store.commit(batch))).toMatchObject({ kind: "retry" });
    await node.handOver(heir.name, { slot, epoch: 1 });
    await heir.commit(write("a", { baseRevision: 1, state: '"heir"' }));
    await proxy.deliver();
    await heir.objects.assertStored("a", { revision: 2, state: '"heir"', stateVersion: 1 });
    expect([...(await node.objects.store.commit(batch)).stale]).toEqual([0]);
  });

  test("a node that is gone still hears what became of its last batch", async () => {
    for (const has of ["arrived", "not arrived"] as const) {
      const schema = borrowedSchema();
      const { proxy, node } = await joinedThroughProxy(schema);
      const judge = await joined({ schema });
      await node.commit(write("a", { state: "1" }));
      const batch = node.objects.batch([write("a", { baseRevision: 1, state: "2" }), write("b", { baseRevision: 7 })]);
      if (has === "arrived") proxy.cutBeforeReply();
      else proxy.holdRequest();
      expect(await failureOf(node.objects.store.commit(batch))).toMatchObject({ kind: "retry" });
      await endLeases(schema);
      await judge.evict(node);
      expect(await failureOf(node.ownership.beat())).toMatchObject({ code: "STORE_TAKEN_OVER" });
      const answer = node.objects.store.commit(batch);
      if (has === "arrived") expect(await answer).toEqual({ stale: [1] });
      else expect(await failureOf(answer)).toMatchObject({ code: "STORE_TAKEN_OVER" });
      await proxy.deliver();
      const revision = has === "arrived" ? 2 : 1;
      await judge.objects.assertStored("a", { revision, state: `${revision}`, stateVersion: 1 });
      expect(await failureOf(node.commit(write("c")))).toMatchObject({ code: "STORE_TAKEN_OVER" });
    }
  });

  test("joining, wherever the line is cut, makes one node", async () => {
    for (let requests = 0; requests < 24; requests++) {
      const schema = borrowedSchema();
      const proxy = await TcpProxy.create(postgresAddress());
      onTestFinished(() => proxy.close());
      const url = postgresUrl((given) => proxy.lead(given));
      proxy.cutAfter(requests);
      const store = postgres(url, { schema, lockTimeout: "15s" });
      const node = joining();
      const { objects, ownership } = await store.join(node);
      onTestFinished(() => objects.close());
      onTestFinished(() => proxy.cut());
      const rows = await untilKnown(() => ownership.nodes());
      expect(rows.map((row) => row.node)).toEqual([node.node]);
      const { beat } = await untilKnown(() => ownership.beat());
      expect(beat).toBeGreaterThan(0);
      expect(await sql(`SELECT count(*)::int AS n FROM ${schema}.durable_object_lanes`)).toEqual([{ n: 3 }]);
    }
  });

  test("one who was taken for dead before it heard that it had joined joins again", async () => {
    let again = 0;
    for (let requests = 6; requests < 15; requests++) {
      const schema = borrowedSchema();
      // Made before, so that the tables are there to look at.
      await (await joined({ schema })).ownership.leave();
      const proxy = await TcpProxy.create(postgresAddress());
      onTestFinished(() => proxy.close());
      const url = `postgres://postgres@127.0.0.1:${proxy.port}/postgres`;
      proxy.cutAfter(requests);
      const joins = postgres(url, { schema, lockTimeout: "15s" }).join(joining());
      // At once, as soon as it is there: whoever was not answered waits for a moment before it tries again.
      for (let evicted = 0; evicted === 0;) {
        evicted = (await sql(`DELETE FROM ${schema}.durable_object_nodes RETURNING node`)).length;
      }
      const { objects } = await joins;
      onTestFinished(() => objects.close());
      onTestFinished(() => proxy.cut());
      again += (await sql(`SELECT node FROM ${schema}.durable_object_nodes`)).length;
    }
    expect(again).toBeGreaterThan(0);
  });

  test("of two owners of everything one has it, wherever the line of the second is cut", async () => {
    const schema = borrowedSchema();
    await openedIn(schema);
    const proxy = await TcpProxy.create(postgresAddress());
    onTestFinished(() => proxy.close());
    const url = postgresUrl((given) => proxy.lead(given));
    for (let requests = 0; requests < 8; requests++) {
      proxy.cutAfter(requests);
      const store = postgres(url, { schema, lockTimeout: 0 });
      expect(await failureOf(store.join(joining()))).toMatchObject({ code: "STORE_LOCKED" });
    }
    expect(await sql(`SELECT sole FROM ${schema}.durable_object_nodes`)).toEqual([{ sole: true }]);
    expect(postgresUrl()).not.toBe(url);
  });
});
