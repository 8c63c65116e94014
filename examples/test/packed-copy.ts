/**
 * The examples as a user would have them: a copy of their folder, in which `durable-object` is what `npm pack` makes
 * of the package. The tests run in such a copy, and the check compiles one. Everything else comes from the
 * `node_modules` of the repository.
 *
 *   copy/examples/                      files, copied: what runs in them finds the next node_modules above
 *   copy/node_modules/durable-object/   the tarball, unpacked
 *   copy/node_modules/…                 links
 */

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const examples = join(import.meta.dirname, "..");
const repository = join(examples, "..");
const left = new Set(["node_modules", "data"]);

/**
 * Packs the library as it was built last, and makes the copy. Whoever calls it removes it.
 *
 * @returns the folder that holds `examples` and `node_modules`
 */
export async function makePackedCopy(): Promise<string> {
  const copy = realpathSync(mkdtempSync(join(tmpdir(), "durable-object-examples-")));
  const modules = join(copy, "node_modules");
  const library = join(modules, "durable-object");
  mkdirSync(library, { recursive: true });
  const pack = ["pack", "--json", "--ignore-scripts", "--workspace", "durable-object", "--pack-destination", copy];
  const { stdout } = await promisify(execFile)("npm", pack, {
    cwd: repository,
    shell: process.platform === "win32",
  });
  const [packed] = JSON.parse(stdout) as { readonly filename: string }[];
  if (packed === undefined) throw new Error("npm pack packed nothing");
  await promisify(execFile)("tar", ["-xzf", join(copy, packed.filename), "-C", library, "--strip-components=1"]);

  for (const name of readdirSync(join(repository, "node_modules"))) {
    if (name === "durable-object" || name === ".cache") continue;
    symlinkSync(join(repository, "node_modules", name), join(modules, name), "junction");
  }
  // Tests use the servers of the library's tests.
  symlinkSync(join(repository, "packages"), join(copy, "packages"), "junction");
  cpSync(join(repository, "tsconfig.base.json"), join(copy, "tsconfig.base.json"));
  const isExample = (path: string): boolean => !left.has(basename(path));
  cpSync(examples, join(copy, "examples"), { recursive: true, filter: isExample });
  return copy;
}
