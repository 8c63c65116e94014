/** How the tests of the examples run: each file in a process of its own. `npm test` has them run in a packed copy. */

import { join } from "node:path";
import { defineConfig } from "vitest/config";

/** Where to leave the numbers of the run as JSON, for whoever started it; `.ci/run` does. */
const reports = process.env["TEST_REPORT_DIRECTORY"];

export default defineConfig({
  test: {
    environment: "node",
    include: ["**/*.test.ts"],
    pool: "forks",
    maxWorkers: "100%",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters:
      reports === undefined ? ["default"] : ["default", ["json", { outputFile: join(reports, "examples.json") }]],
  },
});
