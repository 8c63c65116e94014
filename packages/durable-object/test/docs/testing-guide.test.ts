/** What docs/guide/testing.md shows works, under `node --test`: the test kit needs no runner of its own. */

import { expect, test } from "vitest";
import { runGuide } from "./run-guide.ts";

test("every snippet of the guide runs, under node:test", { timeout: 60_000 }, async () => {
  const { files, passed, failed, output } = await runGuide("docs/guide/testing.md");
  expect([...files.keys()].filter((name) => name.endsWith(".test.ts")).length).toBeGreaterThanOrEqual(4);
  expect(failed, output).toBe(0);
  expect(passed).toBe([...files.values()].join("\n").match(/^test\(/gm)?.length);
});
