/**
 * Adds up the reports that the test runs left behind, and prints `N passed, N failed` as the last line.
 *
 * Failed is every test that failed, every test file that failed outside of its tests, and every run that
 * failed outside of its files. A workspace without a report did not run, and is said so. The exit code is 1
 * unless all workspaces ran and nothing failed.
 *
 *   node scripts/test-summary.ts <directory with the reports>
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const workspaces = ["durable-object", "examples"];

/** A report, as far as it matters here. */
interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

const directory = process.argv[2];
if (directory === undefined) throw new Error("usage: node scripts/test-summary.ts <directory>");

let passed = 0;
let failed = 0;
for (const workspace of workspaces) {
  const file = join(directory, `${workspace}.json`);
  if (!existsSync(file)) {
    console.log(`The tests of ${workspace} did not run.`);
    process.exitCode = 1;
    continue;
  }
  const report = JSON.parse(readFileSync(file, "utf8")) as Report;
  passed += report.numPassedTests;
  failed += failuresOf(report);
}
if (failed > 0) process.exitCode = 1;
console.log(`${passed} passed, ${failed} failed`);

function failuresOf(report: Report): number {
  const files = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((assertion) => assertion.status === "failed"),
  );
  const found = report.numFailedTests + files.length;
  return found === 0 && !report.success ? 1 : found;
}
