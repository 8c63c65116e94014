/** The table of the benchmark on PostgreSQL: one line for each thing that is measured, whatever it is. */

import { median, medianRate, medianRatio, type Slice } from "./measure.ts";
import { poolSizes } from "./postgres-by-hand.ts";
import type { Column } from "./report.ts";

/** A line of the table. */
export interface PostgresRow {
  readonly [key: string]: string | number | null;
  readonly what: string;
  readonly callers: number | null;
  readonly library: number;
  /** To the fastest of the pools. */
  readonly ratio: number;
  readonly fastest: number;
  readonly fastestPool: number;
  /** To shared upserts without the library. */
  readonly ofRaw: number | null;
}

export const postgresColumns: readonly Column[] = [
  { key: "what", title: "" },
  { key: "callers", title: "callers" },
  { key: "library", title: "per second" },
  { key: "ratio", title: "ratio to the fastest by hand", digits: 2, unit: " ×" },
  ...poolSizes.map((size) => ({ key: `pool${size}`, title: `by hand, pool ${size}/s` })),
  { key: "locked", title: "FOR UPDATE, pool 10/s" },
  { key: "lockedRatio", title: "ratio to it", digits: 2, unit: " ×" },
  { key: "raw", title: "raw shared upserts/s" },
  { key: "ofRaw", title: "ratio to them", digits: 2, unit: " ×" },
  { key: "callsPerCommit", title: "calls per commit", digits: 1 },
  { key: "rowsPerCommit", title: "rows per commit", digits: 1 },
  { key: "commitUs", title: "µs per commit" },
  { key: "latencyMs", title: "mean latency ms", digits: 2 },
];

/** What the library did, and what was done by hand, round by round. */
export interface Measured {
  readonly what: string;
  readonly callers: number | null;
  readonly library: readonly Slice[];
  /** One for each size of pool. */
  readonly pools: readonly (readonly Slice[])[];
}

/** A line with everything that every line has. */
export function postgresRow({ what, callers, library, pools }: Measured): PostgresRow {
  const rate = medianRate(library);
  const rates = pools.map((slices) => medianRate(slices));
  const fastest = Math.max(...rates);
  const best = rates.indexOf(fastest);
  return {
    what,
    callers,
    library: rate,
    ratio: medianRatio(library, pools[best] ?? []),
    fastest,
    fastestPool: poolSizes[best] ?? 0,
    ...Object.fromEntries(poolSizes.map((size, index) => [`pool${size}`, rates[index] ?? null])),
    ofRaw: null,
    latencyMs: callers === null ? null : (callers / rate) * 1_000,
    /** The slowest and the fastest slice of the library: how calm the machine was. */
    lowest: Math.min(...library.map(({ calls, seconds }) => calls / seconds)),
    highest: Math.max(...library.map(({ calls, seconds }) => calls / seconds)),
  };
}

/** What is known of the commits of a line. */
export interface MeasuredCommits {
  readonly library: readonly (Slice & { readonly commits: number; readonly rows: number })[];
  readonly locked: readonly Slice[];
  readonly raw: readonly Slice[];
}

/** The columns of a line about its commits. */
export function commitColumns({ library, locked, raw }: MeasuredCommits) {
  return {
    locked: medianRate(locked),
    lockedRatio: medianRatio(library, locked),
    callsPerCommit: median(library.map(({ calls, commits }) => calls / commits)),
    rowsPerCommit: median(library.map(({ rows, commits }) => rows / commits)),
    commitUs: 1e6 / median(library.map(({ commits, seconds }) => commits / seconds)),
    raw: medianRate(raw),
    ofRaw: medianRatio(library, raw),
  };
}
