/**
 * Compiles the TypeScript of the pages, as a user with strict settings would. What a page calls wrong must be refused.
 *
 * A block is written to the same line it has on the page, so the compiler's lines are the page's lines.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Page } from "./page.ts";
import type { Problem } from "./problem.ts";
import { isCompileError, moduleOf, snippetsOf, type Snippet } from "./snippet.ts";

/** The problems of all TypeScript on the pages. */
export function snippetProblems(root: string, pages: readonly Page[]): { problems: Problem[]; count: number } {
  const problems: Problem[] = [];
  const snippets = pages.flatMap((page) => snippetsOf(page, problems));
  const directory = join(root, "node_modules/.cache/check-docs");
  writeProject(root, directory, snippets);
  if (snippets.length > 0) problems.push(...compile(root, directory, snippets));
  return { problems, count: snippets.length };
}

const folderOf = (page: Page): string => page.path.replaceAll("/", "__");

function writeProject(root: string, directory: string, snippets: readonly Snippet[]): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const tsconfig = {
    extends: relative(directory, join(root, "tsconfig.base.json")),
    compilerOptions: {
      noEmit: true,
      allowImportingTsExtensions: true,
      noUnusedLocals: false,
      noUnusedParameters: false,
      paths: publicPaths(root, directory),
    },
    include: ["**/*.ts"],
  };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(tsconfig, null, 2));
  writeFileSync(join(directory, "package.json"), JSON.stringify({ type: "module" }));
  for (const snippet of snippets) {
    const path = join(directory, folderOf(snippet.page), snippet.file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, moduleOf(snippet));
  }
}

/** The public names of the library, each with the source it is built from. */
function publicPaths(root: string, directory: string): Record<string, string[]> {
  const home = join(root, "packages/durable-object");
  const manifest = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as {
    readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
  };
  return Object.fromEntries(
    Object.entries(manifest.exports).flatMap(([subpath, target]) => {
      if (typeof target === "string") return [];
      const source = target.types.replace(/^\.\/dist\//, "src/").replace(/\.d\.ts$/, ".ts");
      return [[subpath.replace(".", "durable-object"), [relative(directory, join(home, source))]]];
    }),
  );
}

function compile(root: string, directory: string, snippets: readonly Snippet[]): Problem[] {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { stdout, status } = spawnSync(process.execPath, [tsc, "-p", directory, "--pretty", "false"], {
    cwd: directory,
    encoding: "utf8",
  });
  const byFile = new Map(snippets.map((snippet) => [`${folderOf(snippet.page)}/${snippet.file}`, snippet]));
  const errors = [...stdout.matchAll(/^(\S[^(\n]*)\((\d+),\d+\): error ((TS\d+).*(?:\n\s+.*)*)$/gm)];
  const problems: Problem[] = [];
  const refused = new Set<string>();
  let elsewhere = 0;
  for (const [, file = "", line = "1", message = "", code = ""] of errors) {
    const name = file.replaceAll("\\", "/");
    const snippet = byFile.get(name);
    if (snippet === undefined) elsewhere += 1;
    else if (snippet.wrong.includes(code)) refused.add(`${name} ${code}`);
    else problems.push({ file: snippet.page.path, line: Number(line), rule: "snippet", message });
  }
  if (elsewhere > 0 || (status !== 0 && errors.length === 0)) {
    const message = `the library itself does not compile (${elsewhere} errors), so its documentation cannot be checked.`;
    problems.push({ file: "packages/durable-object", line: 1, rule: "snippet", message });
  }
  for (const [name, { page, blocks, wrong }] of byFile) {
    const accepted = wrong.filter((way) => isCompileError(way) && !refused.has(`${name} ${way}`));
    if (accepted.length === 0) continue;
    const message = `the page says that the compiler refuses this with ${accepted.join(", ")}; it does not.`;
    problems.push({ file: page.path, line: blocks[0]?.line ?? 1, rule: "snippet", message });
  }
  return problems;
}
