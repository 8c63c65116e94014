/** What the pages show can be run, and what they call wrong fails with the code they name. */

import { expect, test } from "vitest";
import { runSnippets } from "./run-snippets.ts";

const forAgents = "packages/durable-object";

/** Pages whose blocks run, and how many that must be at least. */
const pages = [
  [`${forAgents}/usage-rules.md`, 12],
  [`${forAgents}/llms.txt`, 1],
  [`${forAgents}/skills/durable-object/SKILL.md`, 1],
  [`${forAgents}/skills/durable-object/recipes.md`, 9],
  ["README.md", 3],
  ["docs/guide/getting-started.md", 4],
  ["docs/guide/calls-and-errors.md", 4],
  ["docs/guide/lifecycle.md", 2],
  ["docs/README.md", 1],
  ["docs/guide/state-and-schemas.md", 3],
  ["docs/guide/alarms.md", 2],
  ["docs/guide/cluster.md", 1],
  ["docs/guide/sqlite.md", 1],
  ["docs/guide/observability.md", 0],
  ["docs/telemetry.md", 0],
] as const;

test("the TypeScript of the pages runs, and what is called wrong fails as it says", { timeout: 60_000 }, async () => {
  const runs = await runSnippets(pages.map(([path]) => path));
  expect(runs.filter(({ expected, failure }) => failure !== expected)).toEqual([]);
  for (const [path, least] of pages) {
    expect(runs.filter(({ at }) => at.startsWith(`${path}:`)).length, path).toBeGreaterThanOrEqual(least);
  }
});
