/** docs/guide/lifecycle.md draws the life of an object three times: as a picture, a diagram and a table. All are the code's. */

import { expect, test } from "vitest";
import { checkNextPhase, type Phase } from "../../src/runtime/activation-phase.ts";
import { codeIn, rowsUnder, textOf } from "./page.ts";

const page = "docs/guide/lifecycle.md";
const phases: readonly Phase[] = ["activating", "active", "hibernated", "deactivating", "gone"];
const address = { tenant: "", type: "counter", id: "a" };

/** The ways there are, as `from → to`: what the engine lets through. */
const ways = phases.flatMap((from) => phases.filter((to) => isWay(from, to)).map((to) => `${from} → ${to}`));

function isWay(from: Phase, to: Phase): boolean {
  try {
    checkNextPhase(address, from, to);
    return true;
  } catch {
    return false;
  }
}

test("the table has every way, and no other", () => {
  const rows = rowsUnder(page, "Lifecycle", "phase");
  expect(rows.map(({ phase }) => codeIn(phase)[0])).toEqual(phases);
  const told = rows.flatMap((row) =>
    codeIn(row["may be followed by"]).map((to) => `${codeIn(row["phase"])[0]} → ${to}`),
  );
  expect(told.toSorted()).toEqual(ways.toSorted());
});

test("the diagram has every way, and no other", () => {
  const told = [...textOf(page).matchAll(/^ +(\w+) --> (\w+):/gm)].map(([, from, to]) => `${from} → ${to}`);
  expect(told.toSorted()).toEqual(ways.toSorted());
});

test("the description of the picture has every way, and no other", () => {
  const [, description = ""] =
    /<desc[^>]*>(.*?)<\/desc>/s.exec(textOf("docs/guide/images/life-of-an-object.svg")) ?? [];
  const told = [...description.matchAll(/(\w+) goes to ([^.]*)\./g)].flatMap(([, from, list = ""]) =>
    phases.filter((to) => new RegExp(`\\b${to}\\b`).test(list)).map((to) => `${from} → ${to}`),
  );
  expect(told.toSorted()).toEqual(ways.toSorted());
});
