/**
 * The library's promises under simulation: clients append to logs and look at them, call the same thing
 * again under an idempotency key, and set alarms. In the end the logs tell what happened, and every answer
 * that a client got is held against them.
 */

import assert from "node:assert/strict";
import { defineObject, DurableObjectError, noreply, read, reply, schedule } from "../../src/index.ts";
import {
  simulate,
  type SimulatedClient,
  type SimulatedFaults,
  type SimulationReport,
} from "../../src/testing/simulate.ts";
import { History } from "./history.ts";

const ids = ["a", "b", "c", "d", "e", "f"] as const;
const alarmsOfAnObject = 24;

const alarmNames = Array.from({ length: alarmsOfAnObject }, (_, index) => `alarm${index}`);

interface LogState {
  readonly entries: readonly string[];
  readonly fired: readonly string[];
}

/** What a handler returns is written down in the order of the entries, so that the order of turns can be told later. */
function appended(state: LogState, entry: string): LogState {
  return { ...state, entries: [...state.entries, entry] };
}

const Tally = defineObject({
  type: "tally",
  state: { count: 0 },
  handlers: { add: ({ state }) => reply(state.count + 1, { count: state.count + 1 }) },
});

/** Hears how long a log is, from the log itself. */
const Witness = defineObject({
  type: "witness",
  state: { heard: 0 },
  handlers: {
    hear: ({ state }, length: number) => noreply({ heard: Math.max(state.heard, length) }),
    heard: ({ state }) => reply(state.heard),
  },
});

/** @param tellWorld - what asynchronous handlers and alarms say outside, which nobody can take back */
function defineLog(tellWorld: (id: string, length: number) => void) {
  return defineObject({
    type: "log",
    state: { entries: [] as readonly string[], fired: [] as readonly string[] },
    handlers: {
      append: ({ state }, entry: string) => reply(state.entries.length, appended(state, entry)),
      appendSlowly: async ({ state, id, get }, entry: string) => {
        tellWorld(id, state.entries.length);
        await get(Tally, id).add();
        return reply(state.entries.length, appended(state, entry));
      },
      /** Tells of its length whoever wants to know, without waiting. */
      tell: ({ state, id, get }) => {
        get(Witness, id)
          .hear(state.entries.length)
          .catch(() => undefined);
        return reply(state.entries.length);
      },
      look: ({ state }) => reply(state.entries.length),
      glance: read(({ state }) => reply(state.entries.length)),
      remind: ({ state }, name: string, entry: string, ms: number) =>
        reply(null, state, schedule(name as "alarm0", ms, { payload: entry })),
    },
    alarms: Object.fromEntries(
      alarmNames.map((name) => [
        name,
        ({ state, id, payload }: { state: LogState; id: string; payload: unknown }) => {
          tellWorld(id, state.entries.length);
          return noreply({ ...state, fired: [...state.fired, payload as string] });
        },
      ]),
    ),
    hibernateAfter: "2s",
    shutdownAfter: "9s",
  });
}

/** What is simulated. */
export interface PromisesOptions {
  readonly seed: number;
  readonly nodes?: number;
  readonly steps?: number;
  readonly faults?: SimulatedFaults | false;
}

/** Runs one simulation; rejects if a promise was broken. */
export async function simulatePromises({
  seed,
  nodes = 1,
  steps = 150,
  faults,
}: PromisesOptions): Promise<SimulationReport> {
  const told = new Map<string, number>();
  const Log = defineLog((id, length) => void told.set(id, Math.max(told.get(id) ?? 0, length)));
  const history = new History();
  const freeAlarms = new Map<string, string[]>(ids.map((id) => [id, [...alarmNames]]));
  return await simulate({
    seed,
    nodes,
    steps,
    clients: 6,
    ...(faults === undefined ? {} : { faults }),
    objects: [Log, Tally, Witness],
    options: { alarmRetry: { attempts: 1_000, backoff: "200ms", maxBackoff: "1s" } },
    async act(client, step) {
      const id = client.random() < 0.5 ? "a" : client.pick(ids);
      const log = client.get(Log, id);
      const draw = client.random();
      const entry = `${client.number}.${step}`;
      if (draw < 0.05) await burst(client, id, entry);
      else if (draw < 0.1) await history.look(client, id, () => log.tell());
      else if (draw < 0.3) await history.append(client, id, entry, () => log.append(entry));
      else if (draw < 0.4) await history.append(client, id, entry, () => log.appendSlowly(entry));
      else if (draw < 0.55) await history.look(client, id, () => log.look());
      else if (draw < 0.7) await history.look(client, id, () => log.glance());
      else if (draw < 0.75)
        await history.look(client, id, () =>
          client.ask(async (runtime) => (await runtime.peek(Log, id))?.entries.length ?? 0),
        );
      else if (draw < 0.85) await appendOnce(client, id, entry);
      else {
        const name = freeAlarms.get(id)?.pop();
        if (name === undefined) return;
        const ms = Math.floor(client.random() * 6_000);
        await history.remind(client, id, entry, () => log.remind(name, entry, ms));
      }
    },
    async check(client) {
      // A clock that was wrong when an alarm was set makes it late.
      for (let waited = 0; waited < 60 && !(await everyAlarmFired(client)); waited++) await client.sleep(10_000);
      for (const id of ids) {
        const final = await finalState(client, id);
        history.judge(id, final);
        const heard = await client.get(Witness, id).heard();
        const outside = told.get(id) ?? 0;
        assert(outside <= final.entries.length, `the world knows of ${outside} entries of ${id}, which has fewer`);
        assert(heard <= final.entries.length, `${id} told of ${heard} entries, and has ${final.entries.length}`);
      }
    },
  });

  /** Three calls that arrive together: they run in the order in which they came. */
  async function burst(client: SimulatedClient, id: string, entry: string): Promise<void> {
    const entries = [1, 2, 3].map((index) => `${entry}.${index}`);
    const sent = client.ask(async (runtime) => {
      const log = runtime.get(Log, id);
      const appended = entries.map((each) => log.append(each));
      // Tells others of what is not durable yet.
      void log.tell().catch(() => undefined);
      return await Promise.allSettled(appended);
    });
    const answer = async (index: number): Promise<number> => {
      const answered = (await sent)[index];
      if (answered?.status === "fulfilled") return answered.value;
      throw answered?.reason as Error;
    };
    await Promise.all(entries.map((each, index) => history.append(client, id, each, () => answer(index))));
    history.inOrder(id, entries);
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

  async function finalState(client: SimulatedClient, id: string): Promise<LogState> {
    return (await client.ask((runtime) => runtime.peek(Log, id))) ?? { entries: [], fired: [] };
  }

  async function everyAlarmFired(client: SimulatedClient): Promise<boolean> {
    for (const id of ids) if (!history.allFired(id, (await finalState(client, id)).fired)) return false;
    return true;
  }
}
