/**
 * Reads a page of markdown: its code blocks, its links, and the anchors that links may point to. What stands
 * in code is neither a link nor a heading. Headings are those that begin with `#`.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A fenced block. */
export interface Block {
  /** The line of the page where its first line stands, from 1. */
  readonly line: number;
  readonly language: string;
  /** What follows the language on the line of the fence. */
  readonly flags: readonly string[];
  readonly lines: readonly string[];
  /** The nearest line before the block that is not empty. */
  readonly lead: string;
}

/** A link to somewhere. */
export interface Link {
  readonly target: string;
  readonly line: number;
}

/** A page of markdown. */
export interface Page {
  /** Relative to the repository. */
  readonly path: string;
  /** The lines of the page; those of code blocks are empty. */
  readonly prose: readonly string[];
  readonly blocks: readonly Block[];
  readonly links: readonly Link[];
  readonly anchors: ReadonlySet<string>;
}

/** Reads the page at a path relative to the repository. */
export function readPage(root: string, path: string): Page {
  const { prose, blocks } = separate(readFileSync(join(root, path), "utf8").split("\n"));
  return { path, prose, blocks, links: linksOf(prose), anchors: anchorsOf(prose) };
}

function separate(lines: readonly string[]): Pick<Page, "prose" | "blocks"> {
  const prose: string[] = [];
  const blocks: Block[] = [];
  let fence: { mark: string; indent: number; start: number; info: string } | null = null;
  let lead = "";
  for (const [index, line] of lines.entries()) {
    const [, space = "", mark = "", info = ""] = /^(\s*)(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    prose.push(fence === null && mark === "" ? line : "");
    if (fence === null) {
      if (mark !== "") fence = { mark, indent: space.length, start: index + 1, info };
      else if (line.trim() !== "") lead = line;
    } else if (mark.startsWith(fence.mark) && info.trim() === "") {
      const [language = "", ...flags] = fence.info.trim().split(/\s+/);
      const { indent, start } = fence;
      const content = lines.slice(start, index).map((text) => text.slice(Math.min(indent, text.search(/\S|$/))));
      blocks.push({ line: start + 1, language, flags, lines: content, lead });
      fence = null;
      lead = "";
    }
  }
  return { prose, blocks };
}

const linkPatterns = [/\]\(\s*<?([^)\s>]+)/g, /^\s{0,3}\[[^\]]+\]:\s*<?([^\s>]+)/g, /\b(?:href|src)="([^"]+)"/g];

function linksOf(prose: readonly string[]): Link[] {
  return prose.flatMap((line, index) => {
    const text = line.replaceAll(/(`+)(?!`).*?[^`]\1(?!`)/g, "code");
    return linkPatterns
      .flatMap((pattern) => [...text.matchAll(pattern)])
      .map((match) => ({ target: match[1] ?? "", line: index + 1 }));
  });
}

/** The anchors of a page, as GitHub makes them of headings, and those set by hand with `id="…"`. */
function anchorsOf(prose: readonly string[]): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const line of prose) {
    const heading = /^#{1,6}\s+(.*?)\s*#*\s*$/.exec(line)?.[1];
    if (heading !== undefined) {
      const slug = slugOf(heading);
      let anchor = slug;
      for (let repeat = 1; anchors.has(anchor); repeat++) anchor = `${slug}-${repeat}`;
      anchors.add(anchor);
    }
    for (const match of line.matchAll(/\b(?:id|name)="([^"]+)"/g)) anchors.add(match[1] ?? "");
  }
  return anchors;
}

function slugOf(heading: string): string {
  const text = heading.replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll(/<[^>]+>/g, "");
  return text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
    .replaceAll(" ", "-");
}
