/** How the tests of the library run: every file in a process of its own, as many at once as there are cores. */

import { join } from "node:path";
import { defineConfig } from "vitest/config";

/** Where to leave the numbers of the run as JSON, for whoever started it; `.ci/run` does. */
const reports = process.env["TEST_REPORT_DIRECTORY"];

export default defineConfig({
  test: {
    environment: "node",
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/postgres-setup.ts", "test/support/nats-setup.ts"],
    pool: "forks",
    maxWorkers: "100%",
    // Tests that run side by side in one file wait most of the time.
    maxConcurrency: 8,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // What is waited for comes when it comes: machines that run tests are slow.
    expect: { poll: { timeout: 15_000 } },
    // Type tests: compiled, not run. Errors elsewhere are for `npm run check`.
    typecheck: {
      enabled: true,
      checker: "tsc",
      include: ["test/types/**/*.test-d.ts"],
      ignoreSourceErrors: true,
    },
    reporters:
      reports === undefined ? ["default"] : ["default", ["json", { outputFile: join(reports, "durable-object.json") }]],
  },
});
