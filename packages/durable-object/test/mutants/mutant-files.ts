/**
 * The mutants: patches that break one promise of the library each. The first line of a patch says what it
 * breaks; the rest is for `git apply` in the directory of the package.
 */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** The directory of the package. */
export const packageDirectory = join(import.meta.dirname, "..", "..");

/** A patch that breaks something. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** What it breaks, in words. */
  readonly breaks: string;
  /** The files it changes, from the directory of the package. */
  readonly changes: readonly string[];
}

/** All mutants, in order. */
export function mutants(): readonly Mutant[] {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".patch"));
  return files.sort().map((each) => {
    const file = join(import.meta.dirname, each);
    const lines = readFileSync(file, "utf8").split("\n");
    const changes = lines.filter((line) => line.startsWith("+++ b/")).map((line) => line.slice("+++ b/".length).trim());
    return { name: basename(each, ".patch"), file, breaks: lines[0] ?? "", changes };
  });
}

/**
 * Applies a patch to the package in `directory`.
 *
 * @param options - of `git apply`: `--reverse`, `--check`
 * @throws if it does not apply
 */
export function applyMutant(directory: string, { file }: Mutant, ...options: readonly string[]): void {
  // A repository further up would have git look for the files there.
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(directory), GIT_DIR: join(directory, ".no-repository") };
  execFileSync("git", ["apply", ...options, file], { cwd: directory, env, stdio: "pipe" });
}
