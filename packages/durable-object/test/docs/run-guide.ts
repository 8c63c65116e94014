/** Runs what a page of the guide shows: its named snippets, under `node --test`, as a reader would. */

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";
import { pathOf, textOf } from "./page.ts";

/** What the run of a page came to. */
export interface GuideRun {
  /** The files that the page shows, with their code. */
  readonly files: ReadonlyMap<string, string>;
  readonly passed: number;
  readonly failed: number;
  /** What was printed. */
  readonly output: string;
}

/** Runs the `*.test.ts` snippets of a page, with the library as it stands here. */
export async function runGuide(page: string): Promise<GuideRun> {
  const files = filesOf(page);
  const directory = await mkdtemp(join(tmpdir(), "durable-object-guide-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, "package.json"), '{ "type": "module" }');
  for (const [name, code] of files) await writeFile(join(directory, name), onSources(code));
  const tests = [...files.keys()].filter((name) => name.endsWith(".test.ts"));
  const { NODE_TEST_CONTEXT: _nested, NODE_OPTIONS: _options, ...env } = process.env;
  const args = ["--test", "--test-reporter=tap", ...tests];
  // What fails is in the output, and not in the exit code alone.
  const output = await promisify(execFile)(process.execPath, args, { cwd: directory, env }).then(
    ({ stdout }) => stdout,
    (error: unknown) => (error as { readonly stdout: string }).stdout,
  );
  const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(output)?.[1]);
  return { files, passed: count("pass"), failed: count("fail"), output };
}

/** The files that a page shows, by their names. */
function filesOf(page: string): ReadonlyMap<string, string> {
  const fences = textOf(page).matchAll(/^```ts file=(\S+)\n([\s\S]*?)^```$/gm);
  return new Map(Array.from(fences, ([, name = "", code = ""]) => [name, code]));
}

/** The same code, with the library from its sources. */
export function onSources(code: string): string {
  return code.replace(/"durable-object(?:\/([\w-]+))?"/g, (_whole, door: string | undefined) => {
    const file = `packages/durable-object/src/${door === undefined ? "" : `${door}/`}index.ts`;
    return JSON.stringify(pathToFileURL(pathOf(file)).href);
  });
}
