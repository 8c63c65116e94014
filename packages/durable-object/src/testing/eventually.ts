/** Waiting for something to become true, in real time: for what no virtual clock can move. */

import { AssertionError } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { formatDuration, parseDuration, type Duration } from "../core/duration.ts";
import { messageOf } from "../core/errors.ts";

/** For how long, and how often, to look. */
export interface EventuallyOptions {
  /** When to give up. Default `"5s"`. */
  readonly timeout?: Duration;
  /** How long to wait between two looks. Default `"50ms"`. */
  readonly interval?: Duration;
}

/**
 * Resolves once a condition holds: it is looked at at once, and then again and again. A condition that
 * throws does not hold.
 *
 * @throws AssertionError when the time is up, with what the condition came to last
 */
export function eventually(condition: () => unknown, options: EventuallyOptions = {}): Promise<void> {
  const startMs = performance.now();
  return untilTrue(
    condition,
    options,
    (ms) => sleep(ms),
    () => performance.now() - startMs,
  );
}

/** The same with another kind of time. */
export async function untilTrue(
  condition: () => unknown,
  { timeout = "5s", interval = "50ms" }: EventuallyOptions,
  pass: (ms: number) => Promise<unknown>,
  passedMs: () => number,
): Promise<void> {
  const timeoutMs = durationOf("timeout", timeout);
  const intervalMs = Math.max(1, durationOf("interval", interval));
  for (;;) {
    let last: unknown;
    try {
      last = await condition();
      if (last) return;
    } catch (error) {
      last = error;
    }
    const leftMs = timeoutMs - passedMs();
    if (leftMs <= 0) {
      const came = last instanceof Error ? `It failed with: ${messageOf(last)}` : `It came to ${String(last)}.`;
      const message = `The condition did not become true within ${formatDuration(timeout)}. ${came}`;
      throw new AssertionError({ message, actual: last, expected: true });
    }
    await pass(Math.min(intervalMs, leftMs));
  }
}

function durationOf(name: string, value: Duration): number {
  const ms = parseDuration(value);
  if (ms === null) throw new TypeError(`eventually: ${name} must be a duration such as "5s", not ${String(value)}.`);
  return ms;
}
