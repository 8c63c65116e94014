/** What the tests import is the library as it is packed, in this process and in those that the examples start. */

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createRuntime } from "durable-object";
import { expect, test } from "vitest";

const examples = join(import.meta.dirname, "..");
const library = join(examples, "../node_modules/durable-object");
const entry = join(library, "dist/index.js");

test("the library is the unpacked tarball, and not the package in the repository", async () => {
  expect(createRequire(import.meta.url).resolve("durable-object")).toBe(entry);
  const packed = (await import(pathToFileURL(entry).href)) as { readonly createRuntime: unknown };
  expect(packed.createRuntime).toBe(createRuntime);
  expect(existsSync(join(library, "dist/index.d.ts"))).toBe(true);
  expect(existsSync(join(library, "test"))).toBe(false);
});

test("so it is in a process that an example starts", () => {
  const code = "console.log(import.meta.resolve('durable-object'))";
  const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", code], {
    cwd: join(examples, "shop"),
    encoding: "utf8",
  });
  expect(printed.trim()).toBe(pathToFileURL(entry).href);
});

const names = ["ai-agent", "chat-room", "game-lobby", "rate-limiter", "shopping-cart"];

test.each(names)("%s has at most 150 lines, and is in the table", (name) => {
  const files = readdirSync(join(examples, name));
  const lines = files.map(
    (file) =>
      readFileSync(join(examples, name, file), "utf8")
        .trimEnd()
        .split("\n").length,
  );
  expect(lines.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(150);
  expect(files).toContain("main.ts");
  expect(readFileSync(join(examples, "README.md"), "utf8")).toContain(`npm run example -- ${name}`);
});
