/**
 * Durable increments on PostgreSQL in six ways, taking turns: with the library, by hand on three sizes of pool,
 * by hand with a lock, and with nothing but shared upserts.
 */

import { Client } from "pg";
import { createRuntime } from "../../src/index.ts";
import { postgres } from "../../src/postgres/index.ts";
import { Counter, counterIds } from "./counter.ts";
import { callUntil, chooser, takeTurns, type Slice } from "./measure.ts";
import { BatchedUpserts, poolSizes, RowsByHand } from "./postgres-by-hand.ts";
import { commitColumns, postgresRow, type PostgresRow } from "./postgres-rows.ts";
import { shown } from "./report.ts";
import type { Settings } from "./settings.ts";

/** A slice of the library's work, with the commits it took. */
interface LibrarySlice extends Slice {
  readonly commits: number;
  readonly rows: number;
}

/** Measures increments of `objects` counters by each number of callers. */
export async function measureIncrements(
  url: string,
  objects: number,
  callerCounts: readonly number[],
  settings: Settings,
): Promise<PostgresRow[]> {
  const ids = counterIds(objects);
  const schema = `counters_${objects}`;
  const runtime = await createRuntime({ objects: [Counter], store: postgres(url, { schema }) });
  await Promise.all(ids.map((id) => runtime.get(Counter, id).increment(0)));
  await Promise.all(ids.map((id) => runtime.get(Counter, id).increment(1)));
  const observer = await Observer.create(url, schema);
  const byHand = await Promise.all(
    poolSizes.map((size) => RowsByHand.create(url, size, `by_hand_${size}_${objects}`, ids)),
  );
  const locked = await RowsByHand.create(url, 10, `locked_${objects}`, ids);
  const raw = await BatchedUpserts.create(url, `raw_${objects}`, ids);

  const hot = objects === 1 ? runtime.get(Counter, ids[0] ?? "") : null;
  const next = chooser(objects);
  const id = (): string => ids[next()] ?? "";
  let answered = 0;
  const runLibrary = async (callers: number, seconds: number): Promise<LibrarySlice> => {
    const before = await observer.count();
    const slice = await callUntil({ callers, seconds, stride: callers }, () =>
      (hot ?? runtime.get(Counter, id())).increment(1),
    );
    const after = await observer.count();
    answered += slice.calls;
    const commits = after.commits - before.commits;
    const rows = after.rows - before.rows;
    return { ...slice, commits, rows };
  };

  const rows: PostgresRow[] = [];
  for (const callers of callerCounts) {
    const [library, first, second, third, lock, shared] = await takeTurns(
      [
        { name: "library", run: (seconds: number) => runLibrary(callers, seconds) },
        ...pools(byHand, (hand) => (seconds) => callUntil({ callers, seconds }, () => hand.increment(id(), 1))),
        {
          name: "FOR UPDATE",
          run: (seconds) => callUntil({ callers, seconds }, () => locked.readModifyWrite(id(), 1)),
        },
        {
          name: "raw",
          run: (seconds) => callUntil({ callers, seconds, stride: callers }, () => raw.increment(id(), 1)),
        },
      ] as const,
      settings,
    );
    const what = objects === 1 ? "increments of one object" : `increments over ${shown(objects)} objects`;
    rows.push({
      ...postgresRow({ what, callers, library, pools: [first, second, third] }),
      ...commitColumns({ library, locked: lock, raw: shared }),
    });
  }
  await runtime.stop();
  await observer.expectSum(objects + answered);
  await Promise.all([...byHand, locked, raw].map((one) => one.close()));
  return rows;
}

/** A contestant for each pool. */
function pools(
  [first, second, third]: readonly RowsByHand[],
  run: (hand: RowsByHand) => (seconds: number) => Promise<Slice>,
) {
  if (first === undefined || second === undefined || third === undefined) throw new Error("There are three pools.");
  const contestant = (hand: RowsByHand) => ({ name: `by hand, pool ${hand.connections}`, run: run(hand) });
  return [contestant(first), contestant(second), contestant(third)] as const;
}

/** A look at the library's tables on a connection of its own. */
class Observer {
  readonly #client: Client;
  readonly #schema: string;

  private constructor(client: Client, schema: string) {
    this.#client = client;
    this.#schema = schema;
  }

  /** The tables as they are after a minute: with statistics. */
  static async create(url: string, schema: string): Promise<Observer> {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query(`ANALYZE ${schema}.durable_objects`);
    return new Observer(client, schema);
  }

  /** How many commits there were, and how many rows they wrote. */
  async count(): Promise<{ readonly commits: number; readonly rows: number }> {
    const { rows } = await this.#client.query<{ commits: string; rows: string }>(
      `SELECT (SELECT number FROM ${this.#schema}.durable_object_lanes WHERE lane = 0) AS commits,
              (SELECT sum(revision) FROM ${this.#schema}.durable_objects) AS rows`,
    );
    return { commits: Number(rows[0]?.commits), rows: Number(rows[0]?.rows) };
  }

  /** Every call that was answered is in the database, once. */
  async expectSum(expected: number): Promise<void> {
    const { rows } = await this.#client.query<{ sum: string }>(
      `SELECT sum((state ->> 'n')::bigint) AS sum FROM ${this.#schema}.durable_objects`,
    );
    await this.#client.end();
    const sum = Number(rows[0]?.sum);
    if (sum !== expected) throw new Error(`The database has ${sum} increments, and ${expected} were answered.`);
  }
}
