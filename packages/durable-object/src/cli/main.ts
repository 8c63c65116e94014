/** The process of the command line. */

import { readFileSync } from "node:fs";
import process from "node:process";
import { run } from "./program.ts";

/** Runs the command that the process was started with. */
export async function main(): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const { stdin, stdout, stderr, env } = process;
  // Not `process.exit`: what was printed has to arrive.
  process.exitCode = await run(process.argv.slice(2), { cwd: process.cwd(), env, stdin, stdout, stderr }, version);
}
