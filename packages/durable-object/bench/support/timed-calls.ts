/** Callers whose calls are timed one by one. */

import { callUntil, type Slice } from "./measure.ts";

/** A slice with how long its calls took, in µs. */
export interface TimedSlice extends Slice {
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Has `callers` callers call until the time is up, and times each call. */
export async function timedCalls(
  callers: number,
  seconds: number,
  call: (caller: number) => Promise<unknown>,
): Promise<TimedSlice> {
  const times: number[] = [];
  const slice = await callUntil({ callers, seconds }, async (caller) => {
    const start = performance.now();
    await call(caller);
    times.push((performance.now() - start) * 1_000);
  });
  return { ...slice, p50Us: percentile(times, 0.5), p99Us: percentile(times, 0.99) };
}

/** The smallest value that so great a part of them does not exceed. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}
