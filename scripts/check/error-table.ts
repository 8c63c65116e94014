/** `docs/errors.md` and the code say the same of every error code: that it exists, `retryable`, `outcome`. */

import { errorCodes } from "../../packages/durable-object/src/core/errors.ts";
import type { Page } from "./page.ts";
import type { Problem } from "./problem.ts";

interface Row {
  readonly line: number;
  readonly code: string;
  readonly retryable: string;
  readonly outcome: string;
}

/** Compares the tables of a page with the codes, both ways. */
export function errorTableProblems(page: Page): Problem[] {
  const problem = (line: number, message: string): Problem => ({ file: page.path, line, rule: "errors", message });
  const known: Readonly<Record<string, { retryable: boolean; outcome: string }>> = errorCodes;
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const row of errorRows(page)) {
    const actual = known[row.code];
    if (seen.has(row.code)) problems.push(problem(row.line, `${row.code} is listed twice.`));
    seen.add(row.code);
    if (actual === undefined) {
      problems.push(problem(row.line, `${row.code} is not a code in src/core/errors.ts. Remove the row.`));
      continue;
    }
    const retryable = actual.retryable ? "yes" : "no";
    if (row.retryable !== retryable) {
      problems.push(
        problem(row.line, `${row.code}: retryable is "${retryable}" in the code, "${row.retryable}" here.`),
      );
    }
    if (row.outcome !== actual.outcome) {
      problems.push(
        problem(row.line, `${row.code}: outcome is "${actual.outcome}" in the code, "${row.outcome}" here.`),
      );
    }
  }
  const missing = Object.keys(known).filter((code) => !seen.has(code));
  return [...problems, ...missing.map((code) => problem(1, `${code} has no row. Add one.`))];
}

/** The rows of all tables whose first column is headed "code". */
function errorRows({ prose }: Page): Row[] {
  const rows: Row[] = [];
  let columns: readonly string[] = [];
  for (const [index, line] of prose.entries()) {
    const cells = cellsOf(line);
    if (cells.length === 0) {
      columns = [];
    } else if (columns.length === 0) {
      columns = cells.map((cell) => cell.toLowerCase());
    } else if (columns[0] === "code" && !/^:?-+:?$/.test(cells[0] ?? "")) {
      const [code = "", retryable = "", outcome = ""] = ["code", "retryable", "outcome"].map(columnOf(columns, cells));
      rows.push({ line: index + 1, code, retryable, outcome });
    }
  }
  return rows;
}

const columnOf = (columns: readonly string[], cells: readonly string[]) => (name: string) =>
  cells[columns.indexOf(name)];

/** The cells of a line of a table, without quotes of any kind; none if it is not part of one. */
function cellsOf(line: string): string[] {
  if (!line.trimStart().startsWith("|")) return [];
  const cells = line
    .trim()
    .replace(/^\|/, "")
    .replace(/\|$/, "")
    .split(/(?<!\\)\|/);
  return cells.map((cell) => cell.trim().replaceAll(/[`"]/g, ""));
}
