/**
 * The list of all pages, in `docs/README.md`: sections of links, in the order in which to read them. The site is built
 * from it, and no page is left out.
 */

import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import type { Page } from "./page.ts";
import type { Problem } from "./problem.ts";

/** The page that lists the others. */
const indexPath = "docs/README.md";

/** A page in the list. */
export interface Entry {
  readonly section: string;
  readonly title: string;
  /** Relative to the repository. */
  readonly path: string;
  readonly line: number;
}

/** The items of the list that are links, each with the heading it stands under. */
export function readIndex(root: string): Entry[] {
  let section = "";
  return readFileSync(join(root, indexPath), "utf8")
    .split("\n")
    .flatMap((line, index): Entry[] => {
      section = /^## (.+)$/.exec(line)?.[1] ?? section;
      const [, title, target] = /^- \[(.+?)\]\(([^)\s]+)\)/.exec(line) ?? [];
      if (title === undefined || target === undefined) return [];
      return [{ section, title, path: posix.join(posix.dirname(indexPath), target), line: index + 1 }];
    });
}

/** Pages under `docs/` that the list leaves out, and pages that it has twice. */
export function indexListProblems(root: string, pages: readonly Page[]): Problem[] {
  const problem = (line: number, message: string): Problem => ({ file: indexPath, line, rule: "index", message });
  const listed = new Map<string, Entry>();
  const problems: Problem[] = [];
  for (const entry of readIndex(root)) {
    if (listed.has(entry.path)) problems.push(problem(entry.line, `${entry.path} is listed twice.`));
    listed.set(entry.path, entry);
  }
  const missing = pages.filter(({ path }) => path.startsWith("docs/") && path !== indexPath && !listed.has(path));
  return [
    ...problems,
    ...missing.map(({ path }) => problem(1, `${path} is not listed. Add it where it is to be read.`)),
  ];
}
