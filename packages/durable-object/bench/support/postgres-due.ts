/** Alarms on PostgreSQL that are due at the same moment: set, fired in memory and cold, and rows handled by hand. */

import { setTimeout as sleep } from "node:timers/promises";
import { createRuntime, type Runtime } from "../../src/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { allExpired, setAlarms, Ticket, ticketIds } from "./due-alarms.ts";
import { takeTurns, type Slice } from "./measure.ts";
import { poolSizes, RowsByHand } from "./postgres-by-hand.ts";
import { postgresRow, type PostgresRow } from "./postgres-rows.ts";
import { shown } from "./report.ts";
import type { Settings } from "./settings.ts";

interface FiringSlice extends Slice {
  /** Setting the alarms. */
  readonly setting: Slice;
}

/** Measures setting and firing `count` alarms of as many objects. */
export async function measureDueAlarms(url: string, count: number, settings: Settings): Promise<PostgresRow[]> {
  const ids = ticketIds(count);
  const someIds = ids.slice(0, Math.min(count, 1_000));
  const open = (): Promise<Runtime> =>
    createRuntime({ objects: [Ticket], store: postgres(url, { schema: "tickets" }) });
  let runtime = await open();
  const byHand = await Promise.all(poolSizes.map((size) => RowsByHand.create(url, size, `due_by_hand_${size}`, ids)));
  /** Longer than it takes to set all alarms. */
  let aheadMs = 10_000;

  /** Sets all alarms to one time in the near future. */
  const setAll = async (): Promise<{ dueAtMs: number; setting: Slice }> => {
    const start = performance.now();
    const dueAtMs = Date.now() + aheadMs;
    await setAlarms(runtime, ids, () => dueAtMs);
    const tookMs = performance.now() - start;
    const setting = { calls: count, seconds: tookMs / 1_000 };
    aheadMs = Math.max(1_000, 4 * tookMs);
    if (Date.now() >= dueAtMs) throw new Error("The alarms were due before all of them were set.");
    return { dueAtMs, setting };
  };
  const fireActive = async (): Promise<FiringSlice> => {
    const { dueAtMs, setting } = await setAll();
    await allExpired(() => runtime, count);
    return { calls: count, seconds: (Date.now() - dueAtMs) / 1_000, setting };
  };
  const fireCold = async (): Promise<FiringSlice> => {
    const { dueAtMs, setting } = await setAll();
    await runtime.stop();
    await sleep(Math.max(0, dueAtMs - Date.now()));
    const start = performance.now();
    await allExpired(async () => (runtime = await open()), count);
    return { calls: count, seconds: (performance.now() - start) / 1_000, setting };
  };
  const setByHand = (hand: RowsByHand) => async () =>
    timed(someIds.length, async () => void (await Promise.all(someIds.map((id) => hand.schedule(id, 1)))));
  const handle = (hand: RowsByHand) => async () => {
    await hand.handleDue(1);
    await hand.scheduleAll(someIds);
    return timed(someIds.length, async () => void (await hand.handleDue(1)));
  };

  const [active, cold, ...hands] = await takeTurns(
    [
      { name: "active", run: fireActive },
      { name: "cold", run: fireCold },
      ...byHand.map((hand) => ({ name: "set by hand", run: setByHand(hand) })),
      ...byHand.map((hand) => ({ name: "handled by hand", run: handle(hand) })),
    ] as const,
    settings,
  );
  await runtime.stop();
  await Promise.all(byHand.map((one) => one.close()));

  const settingPools = hands.slice(0, poolSizes.length);
  const handlingPools = hands.slice(poolSizes.length);
  const alarms = `of ${shown(count)} alarms`;
  return [
    postgresRow({
      what: `alarms set, each by a call, ${alarms}`,
      callers: null,
      library: active.map(({ setting }) => setting),
      pools: settingPools,
    }),
    postgresRow({
      what: `due at once, objects in memory, ${alarms}`,
      callers: null,
      library: active,
      pools: handlingPools,
    }),
    postgresRow({
      what: `due at once, objects not in memory, ${alarms}`,
      callers: null,
      library: cold,
      pools: handlingPools,
    }),
  ];
}

async function timed(calls: number, work: () => Promise<void>): Promise<Slice> {
  const start = performance.now();
  await work();
  return { calls, seconds: (performance.now() - start) / 1_000 };
}
