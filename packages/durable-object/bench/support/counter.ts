/** The object that most benchmarks use: a durable counter. */

import { createRuntime, defineObject, read, reply, type Runtime } from "../../src/index.ts";
import { sqlite, type SqliteOptions } from "../../src/sqlite/index.ts";

export const Counter = defineObject({
  type: "counter",
  state: { n: 0 },
  handlers: {
    increment: ({ state }, amount: number) => {
      const n = state.n + amount;
      return reply(n, { n });
    },
    value: read(({ state }) => reply(state.n)),
  },
});

/** A runtime with counters, and the file it writes. */
export interface CounterRuntime {
  readonly runtime: Runtime;
  readonly path: string;
}

/** Opens a file of counters; those with the ids are there afterwards. */
export async function openCounters(
  path: string,
  ids: readonly string[],
  options: SqliteOptions = {},
): Promise<CounterRuntime> {
  const runtime = await createRuntime({ objects: [Counter], store: sqlite(path, options) });
  await Promise.all(ids.map((id) => runtime.get(Counter, id).increment(0)));
  await Promise.all(ids.map((id) => runtime.get(Counter, id).increment(1)));
  return { runtime, path };
}

/** `count` ids of the same length. */
export function counterIds(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `counter-${String(index).padStart(6, "0")}`);
}
