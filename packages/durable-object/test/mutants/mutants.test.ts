/** Every mutant still is one: its patch applies to the engine as it stands. `npm run mutants` tries them. */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pathOf } from "../docs/page.ts";

const patches = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".patch"));

test("there are mutants enough", () => {
  expect(patches.length).toBeGreaterThanOrEqual(10);
});

test.each(patches)("%s applies, to the engine alone, and says what it breaks", (name) => {
  const path = join(import.meta.dirname, name);
  const text = readFileSync(path, "utf8");
  expect(text).toMatch(/^[A-Z].*\.\n\n/);
  const files = [...text.matchAll(/^\+\+\+ b\/(.*)$/gm)].map(([, file]) => file);
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) expect(file).toMatch(/^packages\/durable-object\/src\//);
  execFileSync("git", ["apply", "--check", path], { cwd: pathOf("") });
});
