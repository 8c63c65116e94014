/**
 * Compiles the TypeScript of the pages, as a user with strict settings would.
 *
 * Each `ts` block is a module of its own, and may import the library by its public names. Flags on the line
 * of the fence change that: `continues` appends the block to the one before it on the page; `file=name.ts`
 * names the module, so that other blocks of the page can import it as `./name.ts`; `ignore` leaves the block
 * out, and needs a line `<!-- ignored: why -->` right before it.
 *
 * A block is written to the same line it has on the page, so the compiler's lines are the page's lines.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Block, Page } from "./page.ts";
import type { Problem } from "./problem.ts";

/** A module made of one block, or of one and those that continue it. */
interface Snippet {
  readonly page: Page;
  readonly file: string;
  readonly blocks: Block[];
}

/** The problems of all TypeScript on the pages. */
export function snippetProblems(root: string, pages: readonly Page[]): { problems: Problem[]; count: number } {
  const problems: Problem[] = [];
  const snippets = pages.flatMap((page) => snippetsOf(page, problems));
  const directory = join(root, "node_modules/.cache/check-docs");
  writeProject(root, directory, snippets);
  if (snippets.length > 0) problems.push(...compile(root, directory, snippets));
  return { problems, count: snippets.length };
}

function snippetsOf(page: Page, problems: Problem[]): Snippet[] {
  const snippets: Snippet[] = [];
  for (const block of page.blocks) {
    if (!["ts", "typescript", "mts"].includes(block.language)) continue;
    const problem = (message: string): void =>
      void problems.push({ file: page.path, line: block.line - 1, rule: "snippet", message });
    const flags = new Set(block.flags);
    const name = block.flags.find((flag) => flag.startsWith("file="))?.slice("file=".length);
    flags.delete(`file=${name}`);
    if (flags.delete("ignore")) {
      if (!/<!--\s*ignored:\s*\S+.*-->/.test(block.lead)) problem("say why: `<!-- ignored: … -->` before the block.");
    } else if (flags.delete("continues")) {
      const before = snippets.at(-1);
      if (before === undefined) problem("there is no block before it on this page that it could continue.");
      before?.blocks.push(block);
    } else {
      snippets.push({ page, file: name ?? `line-${block.line}.ts`, blocks: [block] });
    }
    if (flags.size > 0) problem(`unknown: ${[...flags].join(" ")}. Known are continues, ignore and file=name.ts.`);
  }
  return snippets;
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
  for (const { page, file, blocks } of snippets) {
    const path = join(directory, folderOf(page), file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, moduleOf(blocks));
  }
}

function moduleOf(blocks: readonly Block[]): string {
  const lines: string[] = [];
  for (const block of blocks) {
    while (lines.length < block.line - 1) lines.push("");
    lines.push(...block.lines);
  }
  return `${lines.join("\n")}\nexport {};\n`;
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
  if (status === 0) return [];
  const pages = new Map(snippets.map(({ page, file }) => [`${folderOf(page)}/${file}`, page.path]));
  const errors = [...stdout.matchAll(/^(\S[^(\n]*)\((\d+),\d+\): error (.*(?:\n\s+.*)*)$/gm)];
  const problems: Problem[] = [];
  for (const [, file = "", line = "1", message = ""] of errors) {
    const page = pages.get(file.replaceAll("\\", "/"));
    if (page !== undefined) problems.push({ file: page, line: Number(line), rule: "snippet", message });
  }
  const elsewhere = errors.length - problems.length;
  if (elsewhere > 0 || errors.length === 0) {
    const message = `the library itself does not compile (${elsewhere} errors), so its documentation cannot be checked.`;
    problems.push({ file: "packages/durable-object", line: 1, rule: "snippet", message });
  }
  return problems;
}
