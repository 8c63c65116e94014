/**
 * The TypeScript of a page, as modules: what is compiled by the check of the documentation, and run by its tests.
 *
 * Each `ts` block is a module of its own, and may import the library by its public names. Flags on the line of the
 * fence change that:
 *
 * - `continues` appends the block to the one before it on the page;
 * - `file=name.ts` names the module, so that other blocks of the page can import it as `./name.ts`;
 * - `wrong=TS2322` shows a mistake that the compiler must refuse with that number, `wrong=INVALID_STATE` one that must
 *   fail with that code when it is run, `wrong=TS2322,INVALID_STATE` both;
 * - `ignore` leaves the block out, and needs a line `<!-- ignored: why -->` right before it.
 */

import type { Block, Page } from "./page.ts";
import type { Problem } from "./problem.ts";

/** A module made of one block, or of one and those that continue it. */
export interface Snippet {
  readonly page: Page;
  readonly file: string;
  readonly blocks: Block[];
  /** How it must fail: numbers of the compiler (`TS2322`), codes of errors (`INVALID_STATE`). None if it is right. */
  readonly wrong: readonly string[];
}

/** Whether a way to fail is one of the compiler's. */
export const isCompileError = (way: string): boolean => /^TS\d+$/.test(way);

/** The modules of a page. What is wrong with its fences is added to `problems`. */
export function snippetsOf(page: Page, problems: Problem[]): Snippet[] {
  const snippets: Snippet[] = [];
  for (const block of page.blocks) {
    if (!["ts", "typescript", "mts"].includes(block.language)) continue;
    const problem = (message: string): void =>
      void problems.push({ file: page.path, line: block.line - 1, rule: "snippet", message });
    const flags = new Set(block.flags);
    const name = takeValue(flags, "file");
    const wrong = takeValue(flags, "wrong")?.split(",") ?? [];
    if (flags.delete("ignore")) {
      if (!/<!--\s*ignored:\s*\S+.*-->/.test(block.lead)) problem("say why: `<!-- ignored: … -->` before the block.");
    } else if (flags.delete("continues")) {
      const before = snippets.at(-1);
      if (before === undefined) problem("there is no block before it on this page that it could continue.");
      before?.blocks.push(block);
    } else {
      snippets.push({ page, file: name ?? `line-${block.line}.ts`, blocks: [block], wrong });
    }
    if (flags.size > 0) {
      problem(`unknown: ${[...flags].join(" ")}. Known are continues, ignore, file=name.ts and wrong=CODE.`);
    }
  }
  return snippets;
}

/** Takes `name=value` out of the flags. */
function takeValue(flags: Set<string>, name: string): string | undefined {
  const flag = [...flags].find((each) => each.startsWith(`${name}=`));
  if (flag === undefined) return undefined;
  flags.delete(flag);
  return flag.slice(name.length + 1);
}

/** The text of the module: each block stands on the lines that it has on the page. */
export function moduleOf({ blocks }: Snippet): string {
  const lines: string[] = [];
  for (const block of blocks) {
    while (lines.length < block.line - 1) lines.push("");
    lines.push(...block.lines);
  }
  return `${lines.join("\n")}\nexport {};\n`;
}
