/**
 * The rows of what the Elixir library does, against the tests here: no row of these areas may be missing,
 * and no test may name a row that does not exist.
 */

import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** How many rows each area has. */
const areas: Readonly<Record<string, number>> = {
  CALL: 27,
  STATE: 24,
  LOAD: 8,
  AFL: 7,
  LIFE: 12,
  ALARM: 20,
  POLL: 18,
  OBAN: 8,
  DSL: 13,
  KEYS: 9,
  ID: 5,
  TEL: 7,
  TEST: 12,
  "W-ST": 13,
  "W-CA": 7,
  "W-LI": 3,
  "W-AL": 11,
  "W-OB": 5,
  "W-TE": 1,
  "W-TS": 1,
  MIG: 8,
  "W-MI": 1,
  GEN: 10,
  "W-GE": 1,
};

function rowsOf(area: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${area}-${index + 1}`);
}

/** The rows that tests in this directory are named by. */
function testedRows(): string[] {
  const rows: string[] = [];
  for (const file of readdirSync(import.meta.dirname)) {
    if (!file.startsWith("elixir-")) continue;
    const text = readFileSync(new URL(file, import.meta.url), "utf8");
    for (const [, name = ""] of text.matchAll(/\btest(?:\.each[^"`]*)?\(\s*["`]((?:W-)?[A-Z]+-\d[^"`]*)["`]/g)) {
      rows.push(...(/^(?:(?:W-)?[A-Z]+-\d+(?:, )?)+/.exec(name)?.[0].split(", ") ?? []));
    }
    for (const [, name = ""] of text.matchAll(/\)\("((?:W-)?[A-Z]+-\d+) /g)) rows.push(name);
  }
  return rows;
}

test("every row has a test, every test a row, and no row two", () => {
  const rows = Object.entries(areas).flatMap(([area, count]) => rowsOf(area, count));
  expect(testedRows().toSorted()).toEqual(rows.toSorted());
});
