/**
 * Checks that the documentation is true where a machine can tell: its TypeScript compiles, its links lead
 * somewhere, `docs/README.md` lists every page, and `docs/errors.md` says what the code says.
 *
 *   node scripts/check-docs.ts
 */

import { globSync } from "node:fs";
import { join } from "node:path";
import { indexListProblems } from "./check/doc-index.ts";
import { linkProblems } from "./check/doc-links.ts";
import { snippetProblems } from "./check/doc-snippets.ts";
import { errorTableProblems } from "./check/error-table.ts";
import { readPage, type Page } from "./check/page.ts";
import { report, type Problem } from "./check/problem.ts";

const places = [
  "*.md",
  "docs/**/*.md",
  "packages/*/*.md",
  "packages/*/llms.txt",
  "packages/*/skills/**/*.md",
  "examples/**/*.md",
];
const required = ["README.md", "docs/README.md", "docs/errors.md"];

/** Words that the pages do not use, and what to write instead. */
const forbiddenWords: readonly { readonly pattern: RegExp; readonly instead: string }[] = [];

const root = join(import.meta.dirname, "..");
const pages = globSync(places, { cwd: root })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => !path.includes("node_modules/"))
  .toSorted()
  .map((path) => readPage(root, path));
const snippets = snippetProblems(root, pages);

report(
  [
    ...missingProblems(pages),
    ...linkProblems(root, pages),
    ...indexListProblems(root, pages),
    ...pages.filter((page) => page.path === "docs/errors.md").flatMap(errorTableProblems),
    ...pages.flatMap(wordProblems),
    ...snippets.problems,
  ],
  `${pages.length} pages, ${pages.flatMap((page) => page.links).length} links, ${snippets.count} snippets`,
);

function missingProblems(present: readonly Page[]): Problem[] {
  return required
    .filter((path) => !present.some((page) => page.path === path))
    .map((path) => ({ file: path, line: 1, rule: "page", message: "is missing." }));
}

function wordProblems(page: Page): Problem[] {
  return page.prose.flatMap((line, index) =>
    forbiddenWords
      .filter(({ pattern }) => pattern.test(line))
      .map(({ pattern, instead }) => ({
        file: page.path,
        line: index + 1,
        rule: "word",
        message: `${pattern.source}: write ${instead} instead.`,
      })),
  );
}
