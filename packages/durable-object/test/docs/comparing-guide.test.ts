/** The object that docs/guide/comparing.md ports from Cloudflare does what the page says, under `node --test`. */

import { expect, test } from "vitest";
import { runGuide } from "./run-guide.ts";

test("the ported object passes its test", { timeout: 60_000 }, async () => {
  const { files, passed, failed, output } = await runGuide("docs/guide/comparing.md");
  expect([...files.keys()]).toEqual(["batcher.ts", "batcher.test.ts"]);
  expect(failed, output).toBe(0);
  expect(passed).toBe(1);
});
