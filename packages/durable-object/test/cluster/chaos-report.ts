/** What faults have come to, kind by kind, as a table. */

import type { FailedAttempt } from "../support/cluster-history.ts";

/** One fault, or two at once. */
export interface Episode {
  readonly faults: readonly string[];
  readonly failures: readonly FailedAttempt[];
  /** The longest time that an object was without an answer. */
  readonly longestGapMs: number;
  /** After the fault was over, until every object answered at every node. */
  readonly answersAfterMs: number;
}

/** What the failures of an episode were, the most frequent first. */
export function codesOf(failures: readonly FailedAttempt[]): string {
  const counts = [...Map.groupBy(failures, ({ code, outcome }) => (outcome === "unknown" ? `${code}?` : code))]
    .map(([code, all]) => ({ code, count: all.length }))
    .toSorted((a, b) => b.count - a.count);
  return counts.map(({ code, count }) => `${code} ${count}`).join(", ");
}

/** The table. Codes with a question mark left the outcome unknown. */
export function tableOf(episodes: readonly Episode[]): string {
  const kinds = Map.groupBy(episodes, ({ faults }) => (faults.length === 1 ? String(faults[0]) : "two at once"));
  const rows = [...kinds].toSorted(([a], [b]) => a.localeCompare(b)).map(([kind, of]) => rowOf(kind, of));
  const head = [
    "fault",
    "count",
    "failed calls",
    "of these unknown",
    "longest without service",
    "median",
    "answers after",
  ];
  const lines = [head, ...rows, rowOf("all", episodes)];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines
    .map((line) =>
      line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))),
    )
    .map((cells) => cells.join("  "))
    .join("\n");
}

function rowOf(kind: string, episodes: readonly Episode[]): string[] {
  const failures = episodes.flatMap((episode) => episode.failures);
  const gaps = episodes.map(({ longestGapMs }) => longestGapMs).toSorted((a, b) => a - b);
  return [
    kind,
    String(episodes.length),
    String(failures.length),
    String(failures.filter(({ outcome }) => outcome === "unknown").length),
    seconds(gaps.at(-1) ?? 0),
    seconds(gaps[Math.floor(gaps.length / 2)] ?? 0),
    seconds(Math.max(0, ...episodes.map(({ answersAfterMs }) => answersAfterMs))),
  ];
}

/** A length of time as a person reads it. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}
