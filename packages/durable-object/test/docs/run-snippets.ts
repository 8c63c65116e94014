/**
 * Runs the TypeScript of a page: every block is a program, as the check of the documentation compiles it. All of
 * them run one after the other in one process, with the library from its sources, in a folder of their own.
 */

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";
import { readPage } from "../../../../scripts/check/page.ts";
import type { Problem } from "../../../../scripts/check/problem.ts";
import { isCompileError, moduleOf, snippetsOf } from "../../../../scripts/check/snippet.ts";
import { pathOf } from "./page.ts";
import { onSources } from "./run-guide.ts";

/** What came of a block. */
export interface SnippetRun {
  /** The page and the line of the block. */
  readonly at: string;
  /** The code it must fail with by the page's word; null if it must not fail. */
  readonly expected: string | null;
  /** The code or the message it failed with; null if it did not. */
  readonly failure: string | null;
}

/** Doors that need a server or a port: blocks that import them are compiled, and not run. */
const needsServer = /^import .*"(?:node:http|durable-object\/(?:postgres|nats|pg-boss|graphile-worker))";$/m;
/** A program that takes a server only if there is one. */
const choosesItself = /\burl === undefined \?/;

const runner = `
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
const unhandled = [];
process.on("unhandledRejection", (error) => unhandled.push(error));
console.log = () => {};
const runs = [];
for (const [folder, file] of JSON.parse(process.argv[2])) {
  process.chdir(fileURLToPath(new URL(folder + "/", import.meta.url)));
  let failure = null;
  try {
    await import(new URL(folder + "/" + file, import.meta.url).href);
    await new Promise((resolve) => setImmediate(resolve));
    if (unhandled.length > 0) throw unhandled.splice(0)[0];
  } catch (error) {
    failure = error?.code ?? String(error?.stack ?? error);
    if (failure === "ERR_MODULE_NOT_FOUND") failure = error.message;
  }
  runs.push(failure);
}
writeFileSync(new URL("runs.json", import.meta.url), JSON.stringify(runs));
process.exit(0);
`;

/** Runs the blocks of these pages, those of each page in a folder of its own. */
export async function runSnippets(pages: readonly string[]): Promise<SnippetRun[]> {
  const directory = await mkdtemp(join(tmpdir(), "durable-object-snippets-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));
  await writeFile(join(directory, "package.json"), '{ "type": "module" }');
  await symlink(pathOf("node_modules"), join(directory, "node_modules"), "junction");
  await writeFile(join(directory, "runner.mjs"), runner);
  const problems: Problem[] = [];
  const programs: { readonly folder: string; readonly file: string; readonly run: Omit<SnippetRun, "failure"> }[] = [];
  for (const [index, path] of pages.entries()) {
    for (const snippet of snippetsOf(readPage(pathOf(""), path), problems)) {
      const code = moduleOf(snippet);
      const folder = `page-${index}`;
      const file = join(directory, folder, snippet.file);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, onSources(code));
      const expected = snippet.wrong.find((way) => !isCompileError(way)) ?? null;
      if (snippet.wrong.length > 0 && expected === null) continue;
      if (needsServer.test(code) && !choosesItself.test(code)) continue;
      programs.push({ folder, file: snippet.file, run: { at: `${path}:${snippet.blocks[0]?.line}`, expected } });
    }
  }
  const list = JSON.stringify(programs.map(({ folder, file }) => [folder, file]));
  const { NODE_ENV: _mode, NODE_OPTIONS: _options, DATABASE_URL: _database, ...env } = process.env;
  const args = [join(directory, "runner.mjs"), list];
  await promisify(execFile)(process.execPath, args, { cwd: directory, env });
  const failures = JSON.parse(await readFile(join(directory, "runs.json"), "utf8")) as readonly (string | null)[];
  return programs.map(({ run }, index) => ({ ...run, failure: failures[index] ?? null }));
}
