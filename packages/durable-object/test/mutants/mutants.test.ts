/** The mutants still fit the code they break. `npm run mutants` finds out whether each of them is caught. */

import { expect, test } from "vitest";
import { applyMutant, mutants, packageDirectory } from "./mutant-files.ts";

test("there are as many mutants as promised, under names of their own", () => {
  const names = mutants().map(({ name }) => name.replace(/^\d+-/, ""));
  expect(names.length).toBeGreaterThanOrEqual(30);
  expect(new Set(names).size).toBe(names.length);
});

test.each(mutants())("$name can be applied, and changes the library alone", (mutant) => {
  expect(mutant.breaks).toMatch(/^[A-Z`].+\.$/);
  expect(mutant.changes.length).toBeGreaterThan(0);
  for (const file of mutant.changes) expect(file).toMatch(/^src\//);
  applyMutant(packageDirectory, mutant, "--check");
});
