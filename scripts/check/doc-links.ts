/** Links inside the repository lead somewhere: to a file that exists, and to an anchor that the page has. */

import { existsSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import type { Link, Page } from "./page.ts";
import type { Problem } from "./problem.ts";

/** The links of the pages that lead nowhere. Links to other sites are not followed. */
export function linkProblems(root: string, pages: readonly Page[]): Problem[] {
  const byPath = new Map(pages.map((page) => [page.path, page]));
  return pages.flatMap((page) =>
    page.links.flatMap((link) => {
      const message = linkProblem(root, page, link, byPath);
      return message === null ? [] : [{ file: page.path, line: link.line, rule: "link", message }];
    }),
  );
}

function linkProblem(root: string, page: Page, { target }: Link, byPath: ReadonlyMap<string, Page>): string | null {
  if (/^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(target)) return null;
  const [path = "", anchor = ""] = target.split("#", 2);
  const file = path === "" ? page.path : resolve(page, decodeURIComponent(path));
  if (file.startsWith("../")) return `"${target}" leaves the repository.`;
  if (!existsSync(join(root, file))) return `"${target}" does not exist: there is no ${file}.`;
  if (statSync(join(root, file)).isDirectory())
    return `"${target}" is a folder, which the site cannot show. Link a file in it.`;
  const anchors = byPath.get(file)?.anchors;
  if (anchor === "" || anchors === undefined || anchors.has(anchor)) return null;
  return `"${target}": ${file} has no heading or id "${anchor}".`;
}

function resolve(page: Page, path: string): string {
  return path.startsWith("/") ? path.slice(1) : posix.join(posix.dirname(page.path), path);
}
