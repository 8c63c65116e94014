/** The adapters that docs/guide/adapters.md shows pass the suites, under `node --test`. */

import { expect, test } from "vitest";
import { runGuide } from "./run-guide.ts";

test("every adapter of the guide passes its suite", { timeout: 60_000 }, async () => {
  const { files, passed, failed, output } = await runGuide("docs/guide/adapters.md");
  expect([...files.keys()].filter((name) => name.endsWith(".test.ts"))).toHaveLength(3);
  expect(failed, output).toBe(0);
  for (const suite of ["my store", "http", "pausable"])
    expect(output).toMatch(new RegExp(`^ok \\d+ - ${suite}: `, "m"));
  expect(passed).toBeGreaterThan(80);
});
