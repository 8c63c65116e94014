/**
 * How things are measured: callers that call until the time is up, and contestants that take turns.
 *
 * Contestants are measured in the same process in short slices, one after the other, the order turning from
 * round to round, so that whatever else the machine does hits all of them alike. What is reported is the
 * median of their rates, and the median of the ratios within a round.
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Settings } from "./settings.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options?: { type: "minor" }) => void;

/** Collects all garbage. */
export function collectGarbage(): void {
  collect();
}

/**
 * Collects the garbage that was made lately, so that nobody pays for what another one left. Only that: a full
 * collection also shrinks the space for new objects, and who comes next would pay for its growing again.
 */
export function sweepUp(): void {
  collect({ type: "minor" });
}

/** What was done in one slice of time. */
export interface Slice {
  /** How many calls were answered. */
  readonly calls: number;
  readonly seconds: number;
}

/** Something that is measured. */
export interface Contestant<Measured extends Slice = Slice> {
  readonly name: string;
  /** Works for about `seconds`. */
  run(seconds: number): Promise<Measured>;
}

/** The slices of one contestant, one for each round. */
export type Measurements<Measured extends Slice = Slice> = readonly Measured[];

/**
 * Lets contestants take turns.
 *
 * @returns for each contestant its slices; the same index is the same round
 */
export async function takeTurns<const Contestants extends readonly Contestant[]>(
  contestants: Contestants,
  { seconds, rounds }: Settings,
): Promise<{ [Index in keyof Contestants]: Contestants[Index] extends Contestant<infer M> ? M[] : never }> {
  const slice = seconds / rounds;
  const measured: Slice[][] = contestants.map(() => []);
  for (const contestant of contestants) await contestant.run(Math.min(slice, 0.25));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const index = (round + turn) % contestants.length;
      sweepUp();
      const result = await contestants[index]?.run(slice);
      if (result !== undefined) measured[index]?.push(result);
    }
  }
  return measured as never;
}

/** The median of the rates, in calls per second. */
export function medianRate(slices: Measurements): number {
  return median(slices.map(({ calls, seconds }) => calls / seconds));
}

/** The median over the rounds of how many times faster the first was. */
export function medianRatio(slices: Measurements, others: Measurements): number {
  return median(
    slices.map((slice, round) => {
      const other = others[round] ?? { calls: 0, seconds: 1 };
      return slice.calls / slice.seconds / (other.calls / other.seconds);
    }),
  );
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** How callers work. */
export interface Callers {
  readonly callers: number;
  readonly seconds: number;
  /** How many calls all callers together make between two looks at the clock. */
  readonly stride?: number;
}

/**
 * Has `callers` callers call until the time is up, each its next call as soon as the last one is answered.
 *
 * @param call - makes one call; `caller` counts from 0
 */
export async function callUntil(
  { callers, seconds, stride = 1 }: Callers,
  call: (caller: number) => Promise<unknown>,
): Promise<Slice> {
  let calls = 0;
  let over = false;
  const start = performance.now();
  const end = start + seconds * 1_000;
  const work = async (caller: number): Promise<void> => {
    while (!over) {
      await call(caller);
      calls += 1;
      if (calls % stride === 0 && performance.now() >= end) over = true;
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => work(caller)));
  return { calls, seconds: (performance.now() - start) / 1_000 };
}

/** Repeats something synchronous until the time is up; `step` returns how many calls it stands for. */
export function repeatUntil(seconds: number, step: () => number): Slice {
  let calls = 0;
  const start = performance.now();
  const end = start + seconds * 1_000;
  let now = start;
  while (now < end) {
    calls += step();
    now = performance.now();
  }
  return { calls, seconds: (now - start) / 1_000 };
}

/** Whole numbers from 0 below `limit` in an order that is the same in every run. */
export function chooser(limit: number, seed = 0x9e3779b9): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}
