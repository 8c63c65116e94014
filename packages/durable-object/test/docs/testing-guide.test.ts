/**
 * Runs every snippet of docs/guide/testing.md under `node --test`, as a reader would: what the page shows
 * works, and the test kit needs no runner of its own.
 */

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { pathOf, textOf } from "./page.ts";

/** The files that the page shows, by their names. */
function filesOf(page: string): ReadonlyMap<string, string> {
  const fences = textOf(page).matchAll(/^```ts file=(\S+)\n([\s\S]*?)^```$/gm);
  return new Map(Array.from(fences, ([, name = "", code = ""]) => [name, code]));
}

/** The same code, with the library as it stands here. */
function onSources(code: string): string {
  return code.replace(/"durable-object(?:\/(\w+))?"/g, (_whole, door: string | undefined) => {
    const file = `packages/durable-object/src/${door === undefined ? "" : `${door}/`}index.ts`;
    return JSON.stringify(pathToFileURL(pathOf(file)).href);
  });
}

test("every snippet of the guide runs, under node:test", { timeout: 60_000 }, async () => {
  const files = filesOf("docs/guide/testing.md");
  const tests = [...files.keys()].filter((name) => name.endsWith(".test.ts"));
  expect(tests.length).toBeGreaterThanOrEqual(4);
  const directory = await mkdtemp(join(tmpdir(), "durable-object-guide-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, "package.json"), '{ "type": "module" }');
  for (const [name, code] of files) await writeFile(join(directory, name), onSources(code));
  const { NODE_TEST_CONTEXT: _nested, NODE_OPTIONS: _options, ...env } = process.env;
  const args = ["--test", "--test-reporter=tap", ...tests];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: directory, env });
  expect(stdout).toMatch(/^# fail 0$/m);
  const passed = Number(/^# pass (\d+)$/m.exec(stdout)?.[1]);
  const declared = [...files.values()].join("\n").match(/^test\(/gm)?.length;
  expect(passed).toBe(declared);
});
