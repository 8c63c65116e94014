/** Rows of text under headings, as wide as they have to be. */

/** Lays out rows; the last column is not padded, so that it may be long. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  "),
    )
    .map((line) => line.trimEnd())
    .join("\n");
}

/** A time, in UTC. */
export function timeText(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${ms}`;
}

/** A size, for people. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** A text on one line, without what a terminal would take for a command, and cut off if it is too long. */
export function lineText(text: string, longest = 80): string {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, " ");
  return line.length > longest ? `${line.slice(0, longest - 1)}…` : line;
}

/** `1 object`, `2 objects`. */
export function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
