/** The figures as tables for README and docs, and where they are put there. */

import { readFileSync, writeFileSync } from "node:fs";
import { median } from "./measure.ts";
import { cell, shown, type Report } from "./report.ts";

/** The short table: what a reader of the README wants to know. */
export function headlineTable(reports: readonly Report[]): string {
  return [
    machineLine(reports),
    "",
    "| what | here | by hand: one prepared `UPDATE … RETURNING` for each call |",
    "|---|---|---|",
    ...reports.flatMap(({ headlines }) =>
      headlines.map(({ what, here, byHand }) => `| ${what} | ${here} | ${byHand} |`),
    ),
  ].join("\n");
}

/** Everything that one benchmark found. */
export function figureTable({ columns, rows, aims, at, machine, run }: Report): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(columns.map(({ title }) => title)),
    `|${columns.map(({ key }) => (typeof rows[0]?.[key] === "string" ? "---" : "---:")).join("|")}|`,
    ...rows.map((row) => line(columns.map((column) => cell(row, column)))),
    ...(aims.length === 0 ? [] : [""]),
    ...aims.map(({ aim, measured, reached }) => `- ${reached ? "Reached" : "Missed"}: ${aim}: ${shown(measured, 2)}`),
    "",
    `${at.slice(0, 10)}, Node ${machine["node"]}, a synced write of 4 KB took ${machine["syncedWriteMs"]} ms; ` +
      `${shown(run.seconds, 2)} s for each figure, in ${run.rounds} rounds.`,
  ].join("\n");
}

function machineLine(reports: readonly Report[]): string {
  const last = reports.at(-1);
  if (last === undefined) return "";
  const { machine, settings, at } = last;
  const { postgres } = settings;
  const syncedWriteMs = median(reports.map((report) => Number(report.machine["syncedWriteMs"])));
  const database =
    postgres === undefined ? `SQLite ${machine["sqlite"]}` : `PostgreSQL ${postgres} on the same machine`;
  const durably = postgres === undefined ? "`synchronous=FULL`" : "the server's default settings, `fsync` on";
  return (
    `${machine["cores"]} cores (${machine["cpu"]}), ${machine["platform"]}, ${machine["fileSystem"]}, ` +
    `Node ${machine["node"]}, ${database}, NODE_ENV=${machine["nodeEnv"]}, ${at.slice(0, 10)}. ` +
    `All writes are on the disk before the reply (${durably}; a synced write of 4 KB took ${shown(syncedWriteMs, 2)} ms).`
  );
}

/** Puts a table between `<!-- name -->` and `<!-- /name -->`; false if the page has no such place. */
export function replaceBetweenMarks(path: string, name: string, table: string): boolean {
  const page = readFileSync(path, "utf8");
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const start = page.indexOf(open);
  const end = page.indexOf(close, start);
  if (start === -1 || end === -1) return false;
  writeFileSync(path, `${page.slice(0, start + open.length)}\n\n${table}\n\n${page.slice(end)}`);
  return true;
}
