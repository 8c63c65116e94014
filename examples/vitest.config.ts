/**
 * How the tests of the examples run: in a copy of this folder, against the library as it is packed, each file in a
 * process of its own.
 */

import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { makePackedCopy } from "./test/packed-copy.ts";

/** Where to leave the numbers of the run as JSON, for whoever started it; `.ci/run` does. */
const reports = process.env["TEST_REPORT_DIRECTORY"];

const copy = await makePackedCopy();

export default defineConfig({
  root: join(copy, "examples"),
  test: {
    environment: "node",
    include: ["**/*.test.ts"],
    globalSetup: "test/remove-copy.ts",
    pool: "forks",
    maxWorkers: "100%",
    testTimeout: 20_000,
    hookTimeout: 60_000,
    reporters:
      reports === undefined ? ["default"] : ["default", ["json", { outputFile: join(reports, "examples.json") }]],
  },
});
