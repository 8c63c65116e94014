/** Optional packages that are not installed are named, with what to do. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../fixtures/sqlite-fixture.ts";

const run = join(import.meta.dirname, "../../src/cli/program.ts");

/** Runs commands in a process in which `pg` is not to be found. */
const script = `
  import { registerHooks } from "node:module";
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier !== "pg") return next(specifier, context);
      throw Object.assign(new Error("Cannot find package 'pg'"), { code: "ERR_MODULE_NOT_FOUND" });
    },
  });
  const { run } = await import(process.argv[1]);
  const { stdin, stdout, stderr, env } = process;
  for (const command of ["ls", "migrate"]) {
    const args = [command, "--json", "--store", "postgres://app:pa55word@localhost/app"];
    const code = await run(args, { cwd: process.cwd(), env, stdin, stdout, stderr }, "0.0.0");
    console.log(code);
  }
`;

test("without pg a command says so, and how to install it", async () => {
  const args = ["--input-type=module", "-e", script, run];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: temporaryDirectory() });
  const lines = stdout.trim().split("\n");
  expect(lines).toHaveLength(4);
  for (const line of [0, 2]) {
    expect(lines[line]).toContain("STORE_UNAVAILABLE");
    expect(lines[line]).toContain("npm install pg");
  }
  expect([lines[1], lines[3]]).toEqual(["3", "3"]);
});
