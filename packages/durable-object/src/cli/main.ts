/** The process of the command line. */

import process from "node:process";
import type { Writable } from "node:stream";
import { ownManifest } from "./own-manifest.ts";
import { run } from "./program.ts";

/** How long a process may take to end by itself, in ms. */
const lingerMs = 200;

/** Runs the command that the process was started with, and ends the process. */
export async function main(): Promise<void> {
  const { stdin, stdout, stderr, env } = process;
  process.exitCode = await run(
    process.argv.slice(2),
    { cwd: process.cwd(), env, stdin, stdout, stderr },
    ownManifest().version,
  );
  // What was printed has to arrive.
  await Promise.all([written(stdout), written(stderr)]);
  // A configuration may have opened what nobody closes: a pool, a queue, a connection.
  setTimeout(() => process.exit(), lingerMs).unref();
}

/** Resolves when everything before was written, or nobody reads it any more. */
function written(stream: Writable): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}
