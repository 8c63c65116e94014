/**
 * The promises of a cluster under simulation: clients at every node append to logs and look at them, wherever
 * those live, call the same thing again under an idempotency key, set alarms, write and delete. In the end the
 * logs tell what happened, and every answer that a client got is held against them.
 */

import assert from "node:assert/strict";
import { defineObject, DurableObjectError, noreply, read, reply, schedule } from "../../src/index.ts";
import { simulateCluster, type ClusterReport, type SimulatedCluster } from "../../src/testing/simulate-cluster.ts";
import type { SimulatedClient } from "../../src/testing/simulate.ts";
import { allFaults, noFaults, type ClusterFaults } from "../../src/testing/simulated-cluster-faults.ts";
import { History } from "./history.ts";
import { Scratch, ScratchPad } from "./scratch-pad.ts";

const ids = ["a", "b", "c", "d", "e", "f", "g", "h"] as const;
const alarmNames = Array.from({ length: 24 }, (_, index) => `alarm${index}`);
/** By how much the clocks of two nodes differ at most, if nobody moves them. */
const clocksDifferMs = 1_500;

interface LogState {
  readonly entries: readonly string[];
  readonly fired: readonly string[];
}

function appended(state: LogState, entry: string): LogState {
  return { ...state, entries: [...state.entries, entry] };
}

const Tally = defineObject({
  type: "tally",
  state: { count: 0 },
  handlers: {
    add: ({ state }) => reply(state.count + 1, { count: state.count + 1 }),
    get: read(({ state }) => reply(state.count)),
  },
});

/** A type that only the second version knows. */
const Novelty = defineObject({
  type: "novelty",
  state: { entries: [] as readonly string[], fired: [] as readonly string[] },
  handlers: {
    append: ({ state }, entry: string) => reply(state.entries.length, appended(state, entry)),
    look: ({ state }) => reply(state.entries.length),
  },
});

/** @param fires - hears that an alarm is being handled */
function defineLog(fires: (entry: string) => void) {
  return defineObject({
    type: "log",
    state: { entries: [] as readonly string[], fired: [] as readonly string[] },
    handlers: {
      append: ({ state }, entry: string) => reply(state.entries.length, appended(state, entry)),
      /** Calls another object, which lives on any node, and counts how often this was tried. */
      appendSlowly: async ({ state, id, get }, entry: string) => {
        await get(Tally, id).add();
        await get(Tally, `second ${id}`).add();
        return reply(state.entries.length, appended(state, entry));
      },
      look: ({ state }) => reply(state.entries.length),
      glance: read(({ state }) => reply(state.entries.length)),
      remind: ({ state }, name: string, entry: string, ms: number) =>
        reply(null, state, schedule(name as "alarm0", ms, { payload: entry })),
    },
    alarms: Object.fromEntries(
      alarmNames.map((name) => [
        name,
        ({ state, payload }: { state: LogState; payload: unknown }) => {
          fires(payload as string);
          return noreply({ ...state, fired: [...state.fired, payload as string] });
        },
      ]),
    ),
    hibernateAfter: "2s",
    shutdownAfter: "9s",
  });
}

/** What is simulated. */
export interface ClusterPromisesOptions {
  readonly seed: number;
  readonly nodes?: number;
  readonly steps?: number;
  readonly faults?: Partial<ClusterFaults> | false;
  /** Whether every call must succeed: nothing goes wrong, though nodes may come and go. */
  readonly strict?: boolean;
}

/**
 * What goes wrong with a seed: in one of four nothing but that nodes are stopped and started, and every call must
 * succeed; in one of four the database forgets, besides everything else.
 */
export function sortOf(seed: number): Pick<ClusterPromisesOptions, "faults" | "strict"> {
  if (seed % 4 === 0) return { faults: { ...noFaults, stops: true }, strict: true };
  return { faults: { ...allFaults, tails: seed % 4 === 3 } };
}

/** Runs one simulation; rejects if a promise was broken. */
export async function simulateClusterPromises(options: ClusterPromisesOptions): Promise<ClusterReport> {
  const { seed, nodes = 3, steps = 200, faults = false, strict = false } = options;
  let nowMs = (): number => 0;
  /** When an alarm may be handled at the earliest, in ms of the world. */
  const notBefore = new Map<string, number>();
  const Log = defineLog((entry) => {
    const earliest = notBefore.get(entry) ?? 0;
    if (faults !== false && faults.clocks === true) return;
    if (nowMs() < earliest - clocksDifferMs) early.push(`${entry} fired ${earliest - nowMs()} ms too early`);
  });
  const early: string[] = [];
  const history = new History((error, call) => {
    // A connection that is refused goes to another node.
    if (strict && error.code !== "UNKNOWN_TYPE" && !/is not up|no node is up/.test(error.message))
      unexpected.push(`${call}: ${error.message}`);
  });
  const unexpected: string[] = [];
  const freeAlarms = new Map<string, string[]>(ids.map((id) => [id, [...alarmNames]]));
  const attempts = new Map<string, { tried: number; done: number }>(ids.map((id) => [id, { tried: 0, done: 0 }]));
  const mayForget = faults !== false && faults.tails === true;
  const pads = new Map<number, ScratchPad>();

  return await simulateCluster({
    seed,
    nodes,
    steps,
    clients: 6,
    faults,
    objects: (version) => (version === 1 ? [Log, Tally, Scratch] : [Log, Tally, Scratch, Novelty]),
    options: { alarmRetry: { attempts: 1_000, backoff: "200ms", maxBackoff: "1s" } },
    async act(client, step) {
      nowMs = () => client.nowMs;
      const id = client.random() < 0.4 ? "a" : client.pick(ids);
      const log = client.get(Log, id);
      const draw = client.random();
      const entry = `${client.number}.${step}`;
      if (draw < 0.25) await history.append(client, id, entry, () => log.append(entry));
      else if (draw < 0.35) await appendSlowly(client, id, entry);
      else if (draw < 0.48) await history.look(client, id, () => log.look());
      else if (draw < 0.63) await history.look(client, id, () => log.glance());
      else if (draw < 0.66) {
        await history.peek(client, id, () =>
          client.ask(async (runtime) => (await runtime.peek(Log, id))?.entries.length ?? 0),
        );
      } else if (draw < 0.76) await appendOnce(client, id, entry);
      else if (draw < 0.8) await novelty(client, id, entry);
      else if (draw < 0.9) await pad(client).use(client, entry, mayForget);
      else await remind(client, id, entry);
      assert.deepEqual(unexpected, []);
      assert.deepEqual(early, []);
    },
    async check(client, cluster) {
      if (!cluster.hasLostTail) {
        // A clock that was wrong when an alarm was set makes it late.
        for (let waited = 0; waited < 60 && !(await everyAlarmFired(cluster)); waited++) await client.sleep(10_000);
        for (const id of ids) await judge(cluster, id);
      }
      await everybodyAgrees(cluster);
    },
  });

  function pad(client: SimulatedClient): ScratchPad {
    const known = pads.get(client.number) ?? new ScratchPad(client.number);
    pads.set(client.number, known);
    return known;
  }

  async function appendSlowly(client: SimulatedClient, id: string, entry: string): Promise<void> {
    const counted = attempts.get(id) as { tried: number; done: number };
    counted.tried += 1;
    await history.append(client, id, entry, async () => {
      const index = await client.get(Log, id).appendSlowly(entry);
      counted.done += 1;
      return index;
    });
  }

  /** Asks under the same key until it is known, as a careful client does. */
  async function appendOnce(client: SimulatedClient, id: string, entry: string): Promise<void> {
    const log = client.get(Log, id, { idempotencyKey: entry });
    await history.append(client, id, entry, async () => {
      let maybeApplied = false;
      for (let attempt = 1; ; attempt++) {
        try {
          return await log.append(entry);
        } catch (error) {
          if (!(error instanceof DurableObjectError)) throw error;
          maybeApplied ||= error.outcome === "unknown";
          if (attempt < 5) await client.sleep(client.random() * 1_000);
          else if (!maybeApplied || error.outcome === "unknown") throw error;
          else
            throw new DurableObjectError("CALL_TIMEOUT", "an earlier attempt may have been applied", { cause: error });
        }
      }
    });
  }

  /** Only nodes of the second version know the type: the others refuse. */
  async function novelty(client: SimulatedClient, id: string, entry: string): Promise<void> {
    await history.append(client, `novelty ${id}`, entry, () => client.get(Novelty, id).append(entry));
  }

  async function remind(client: SimulatedClient, id: string, entry: string): Promise<void> {
    const name = freeAlarms.get(id)?.pop();
    if (name === undefined) return;
    const ms = Math.floor(client.random() * 6_000);
    notBefore.set(entry, client.nowMs + ms);
    await history.remind(client, id, entry, () => client.get(Log, id).remind(name, entry, ms));
  }

  async function judge(cluster: SimulatedCluster, id: string): Promise<void> {
    const final = await stored<LogState>(cluster, "log", id, { entries: [], fired: [] });
    history.judge(id, final);
    history.judge(`novelty ${id}`, await stored<LogState>(cluster, "novelty", id, { entries: [], fired: [] }));
    const { tried, done } = attempts.get(id) as { tried: number; done: number };
    const { count } = await stored(cluster, "tally", id, { count: 0 });
    assert(count >= done && count <= tried, `${id} was counted ${count} times, of ${done} to ${tried}`);
  }

  /** Every node can call every object, and what is in memory is what is stored. */
  async function everybodyAgrees(cluster: SimulatedCluster): Promise<void> {
    for (const runtime of cluster.runtimes) {
      for (const id of ids) {
        const { entries } = await stored<LogState>(cluster, "log", id, { entries: [], fired: [] });
        const seen = [await runtime.get(Log, id).glance(), await runtime.get(Log, id).look()];
        assert.deepEqual(seen, [entries.length, entries.length], `${runtime.node} sees another ${id} than is stored`);
        const { count } = await stored(cluster, "tally", id, { count: 0 });
        assert.equal(await runtime.get(Tally, id).get(), count, `${runtime.node} sees another tally ${id}`);
      }
    }
    // Whoever has something else in memory than what is stored cannot write it.
    for (const id of ids) {
      const before = await stored<LogState>(cluster, "log", id, { entries: [], fired: [] });
      const [runtime] = cluster.runtimes;
      await runtime?.get(Log, id).append("last");
      const after = await stored<LogState>(cluster, "log", id, { entries: [], fired: [] });
      assert.deepEqual(after.entries, [...before.entries, "last"]);
    }
  }

  async function everyAlarmFired(cluster: SimulatedCluster): Promise<boolean> {
    for (const id of ids) {
      const { fired } = await stored<LogState>(cluster, "log", id, { entries: [], fired: [] });
      if (!history.allFired(id, fired)) return false;
    }
    return true;
  }
}

async function stored<State>(cluster: SimulatedCluster, type: string, id: string, initial: State): Promise<State> {
  const found = await cluster.stored({ tenant: "", type, id });
  return typeof found?.state === "string" ? (JSON.parse(found.state) as State) : initial;
}
