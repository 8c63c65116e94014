/** The files of a source tree, read once, with what each imports. */

import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import type { Problem } from "./problem.ts";
import { codeOnly, importsOf, type Import } from "./source-text.ts";

/** One file of `src`. */
export interface SourceFile {
  /** Relative to `src`, with forward slashes. */
  readonly path: string;
  /** The top folder; `.` for a file of `src` itself. */
  readonly folder: string;
  /** The text with comments and the inside of literals blanked, at unchanged offsets. */
  readonly code: string;
  readonly imports: readonly Import[];
  readonly lines: number;
}

/** All TypeScript files below a directory, in order of their paths. */
export function readSources(directory: string): SourceFile[] {
  return globSync("**/*.ts", { cwd: directory })
    .map((path) => path.replaceAll("\\", "/"))
    .toSorted()
    .map((path) => {
      const source = readFileSync(join(directory, path), "utf8");
      const code = codeOnly(source);
      const lines = source.trimEnd().split("\n").length;
      return { path, folder: topFolder(path), code, imports: importsOf(source, code), lines };
    });
}

/** The top folder of a path that is relative to `src`. */
export function topFolder(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : ".";
}

/** The path that a relative import of a file means. */
export function resolveImport(file: SourceFile, specifier: string): string {
  return posix.join(posix.dirname(file.path), specifier);
}

/** A problem of a file of `src`. */
export function problemAt(path: string, line: number, rule: string, message: string): Problem {
  return { file: posix.join("src", path), line, rule, message };
}
