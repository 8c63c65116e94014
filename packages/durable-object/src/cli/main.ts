/** The process of the command line. */

import process from "node:process";
import { ownManifest } from "./own-manifest.ts";
import { run } from "./program.ts";

/** Runs the command that the process was started with. */
export async function main(): Promise<void> {
  const { stdin, stdout, stderr, env } = process;
  // Not `process.exit`: what was printed has to arrive.
  process.exitCode = await run(
    process.argv.slice(2),
    { cwd: process.cwd(), env, stdin, stdout, stderr },
    ownManifest().version,
  );
}
