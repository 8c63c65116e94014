/** What the pages show can be run, and what they call wrong fails with the code they name. */

import { expect, test } from "vitest";
import { runSnippets } from "./run-snippets.ts";

const forAgents = "packages/durable-object";

/** How many blocks of these run at least. */
const rules = new Map([
  [`${forAgents}/usage-rules.md`, 12],
  [`${forAgents}/llms.txt`, 1],
  [`${forAgents}/skills/durable-object/SKILL.md`, 1],
  [`${forAgents}/skills/durable-object/recipes.md`, 9],
  ["README.md", 3],
  ["docs/guide/getting-started.md", 3],
]);

/**
 * Pages whose blocks run as well, but for those that need a server. The others have tests of their own (testing,
 * adapters), or show what cannot run here (certificates of a transport).
 */
const guides = [
  "docs/README.md",
  "docs/guide/state-and-schemas.md",
  "docs/guide/calls-and-errors.md",
  "docs/guide/alarms.md",
  "docs/guide/lifecycle.md",
  "docs/guide/sqlite.md",
  "docs/guide/postgres.md",
  "docs/guide/cluster.md",
  "docs/guide/job-queues.md",
  "docs/guide/observability.md",
  "docs/guide/operating.md",
  "docs/guide/migrating-from-elixir.md",
  "docs/guide/comparing.md",
  "docs/telemetry.md",
];

test("the TypeScript of the pages runs, and what is called wrong fails as it says", { timeout: 60_000 }, async () => {
  const runs = await runSnippets([...rules.keys(), ...guides]);
  expect(runs.filter(({ expected, failure }) => failure !== expected)).toEqual([]);
  for (const [path, least] of rules) {
    expect(runs.filter(({ at }) => at.startsWith(`${path}:`)).length, path).toBeGreaterThanOrEqual(least);
  }
  expect(runs.filter(({ expected }) => expected !== null).length).toBeGreaterThanOrEqual(8);
});
