/** Objects in PostgreSQL that are not in memory: the first read of each after a restart, and a SELECT for each. */

import { createRuntime } from "../../src/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { Counter, counterIds } from "./counter.ts";
import { takeTurns, type Slice } from "./measure.ts";
import { poolSizes, RowsByHand } from "./postgres-by-hand.ts";
import { postgresRow, type PostgresRow } from "./postgres-rows.ts";
import { shown } from "./report.ts";
import type { Settings } from "./settings.ts";

/** Measures bringing back `count` stored objects by each number of callers. */
export async function measureColdActivation(
  url: string,
  count: number,
  callerCounts: readonly number[],
  settings: Settings,
): Promise<PostgresRow[]> {
  const ids = counterIds(count);
  const open = () => createRuntime({ objects: [Counter], store: postgres(url, { schema: "cold" }) });
  const writer = await open();
  await Promise.all(ids.map((id, index) => writer.get(Counter, id).increment(index)));
  await writer.stop();
  const byHand = await Promise.all(poolSizes.map((size) => RowsByHand.create(url, size, `cold_by_hand_${size}`, ids)));

  /** Reads every object once, so many at a time. */
  const readAll = async (callers: number, read: (id: string, index: number) => Promise<void>): Promise<Slice> => {
    let taken = 0;
    const reader = async (): Promise<void> => {
      while (taken < count) {
        const index = taken++;
        await read(ids[index] ?? "", index);
      }
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: callers }, reader));
    return { calls: count, seconds: (performance.now() - start) / 1_000 };
  };
  const activateAll = async (callers: number): Promise<Slice> => {
    const runtime = await open();
    const slice = await readAll(callers, async (id, index) => {
      if ((await runtime.get(Counter, id).value()) !== index) throw new Error(`${id} has a wrong state.`);
    });
    if (runtime.activeCount !== count) throw new Error("Not every object came to life.");
    await runtime.stop();
    return slice;
  };

  const rows: PostgresRow[] = [];
  for (const callers of callerCounts) {
    const [library, ...pools] = await takeTurns(
      [
        { name: "library", run: () => activateAll(callers) },
        ...byHand.map((hand) => ({
          name: `by hand, pool ${hand.connections}`,
          run: () => readAll(callers, async (id) => void (await hand.read(id))),
        })),
      ] as const,
      settings,
    );
    rows.push(
      postgresRow({ what: `objects brought back after a restart, of ${shown(count)}`, callers, library, pools }),
    );
  }
  await Promise.all(byHand.map((one) => one.close()));
  return rows;
}
