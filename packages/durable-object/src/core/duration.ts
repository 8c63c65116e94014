/** Durations as people write them: a number of milliseconds, or `"250ms"`, `"30s"`, `"5m"`, `"1h"`, `"7d"`. */

/** A number of milliseconds, or a number with a unit: `ms`, `s`, `m`, `h` or `d`. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** The largest instant a `Date` can hold, in ms: no duration can usefully exceed it. */
const maxMs = 8.64e15;

/**
 * A duration in milliseconds, or null if it is not one.
 *
 * @param duration - for instance `1500`, `"1.5s"`, `"5m"`; not negative, not `NaN`, not infinite
 */
export function parseDuration(duration: unknown): number | null {
  if (typeof duration === "number") return duration >= 0 && duration <= maxMs ? duration : null;
  if (typeof duration !== "string") return null;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration);
  if (match === null) return null;
  const ms = Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
  return ms <= maxMs ? ms : null;
}

/** A duration for a message: `"5s"` as it is, `1000` as `1000ms`. */
export function formatDuration(duration: Duration): string {
  return typeof duration === "number" ? `${duration}ms` : duration;
}
