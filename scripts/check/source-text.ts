/**
 * Reads TypeScript as text: enough to know what a file imports and which names it uses, and no more.
 *
 * `codeOnly` replaces comments, and what stands inside strings, templates and regular expressions, by
 * spaces. Everything else stays where it is, so an offset in the result is an offset in the source, and a
 * pattern that is found in the result is code. Whether a slash divides or begins a regular expression is
 * decided by what stands before it; after a closing parenthesis or brace it divides.
 */

import { lineAt } from "./problem.ts";

/** One import of a file. A re-export is an import, too. */
export interface Import {
  readonly specifier: string;
  /** `type`: erased, the module is not loaded. `dynamic`: `import(…)`, in a type or at run time. */
  readonly kind: "static" | "type" | "dynamic";
  readonly line: number;
}

const wordsBeforeRegex = new Set(
  "return typeof case in of delete void throw new do else yield await instanceof".split(" "),
);

/** The source with comments and the inside of literals blanked, at unchanged offsets. */
export function codeOnly(source: string): string {
  const out = source.split(""); // by UTF-16 units, as offsets count
  /** For each `${` that is open: how many braces are open inside it. */
  const holes: number[] = [];
  const blank = (from: number, to: number): void => {
    for (let at = from; at < to; at++) if (out[at] !== "\n") out[at] = " ";
  };
  /** Blanks a template from `from` to its end, or to its next hole; returns where code goes on. */
  const template = (from: number): number => {
    let at = from;
    while (at < source.length && source[at] !== "`" && !source.startsWith("${", at)) at += source[at] === "\\" ? 2 : 1;
    blank(from, at);
    if (source[at] === "`") return at + 1;
    holes.push(0);
    return at + 2;
  };

  let at = 0;
  while (at < source.length) {
    const char = source[at];
    const depth = holes.at(-1);
    if (source.startsWith("//", at) || source.startsWith("/*", at)) {
      const end = endOfComment(source, at);
      blank(at, end);
      at = end;
    } else if (char === '"' || char === "'") {
      const end = endOfString(source, at);
      blank(at + 1, end - 1);
      at = end;
    } else if (char === "`") {
      at = template(at + 1);
    } else if (char === "}" && depth === 0) {
      holes.pop();
      at = template(at + 1);
    } else if (char === "/" && startsRegex(out, at)) {
      const end = endOfRegex(source, at);
      blank(at + 1, end);
      at = end;
    } else {
      if (depth !== undefined && char === "{") holes[holes.length - 1] = depth + 1;
      if (depth !== undefined && char === "}") holes[holes.length - 1] = depth - 1;
      at++;
    }
  }
  return out.join("");
}

function endOfComment(source: string, start: number): number {
  const end = source[start + 1] === "/" ? source.indexOf("\n", start) : source.indexOf("*/", start + 2) + 2;
  return end < start + 2 ? source.length : end;
}

function endOfString(source: string, start: number): number {
  let at = start + 1;
  while (at < source.length && source[at] !== source[start] && source[at] !== "\n") at += source[at] === "\\" ? 2 : 1;
  return at + 1;
}

function endOfRegex(source: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  for (; at < source.length && source[at] !== "\n"; at++) {
    if (source[at] === "\\") at++;
    else if (source[at] === "[") inClass = true;
    else if (source[at] === "]") inClass = false;
    else if (source[at] === "/" && !inClass) return at;
  }
  return at;
}

function startsRegex(out: readonly string[], slash: number): boolean {
  let at = slash - 1;
  while (at >= 0 && /\s/.test(out[at] ?? "")) at--;
  const before = out[at];
  if (before === undefined) return true;
  if (!/[\w$]/.test(before)) return !")]}\"'`".includes(before);
  let word = "";
  for (; /[\w$]/.test(out[at] ?? ""); at--) word = (out[at] ?? "") + word;
  return wordsBeforeRegex.has(word);
}

const patterns: readonly { readonly pattern: RegExp; readonly kind: Import["kind"] }[] = [
  { pattern: /(?<![\w$.])(?:import|export)\s+(?<type>type\s+)?(?:[\w$*\s{},]*?\bfrom\s*)?(?=["'])/g, kind: "static" },
  { pattern: /(?<![\w$.])import\s*\(\s*(?=["'])/g, kind: "dynamic" },
  { pattern: /\bgetBuiltinModule\s*\(\s*(?=["'])/g, kind: "dynamic" },
];

/** What a file imports, in the order of its lines. `code` is what `codeOnly` made of `source`. */
export function importsOf(source: string, code: string): Import[] {
  const found: Import[] = [];
  for (const { pattern, kind } of patterns) {
    for (const match of code.matchAll(pattern)) {
      const quote = match.index + match[0].length;
      const specifier = source.slice(quote + 1, endOfString(source, quote) - 1);
      const typeOnly = match.groups?.["type"] !== undefined;
      found.push({ specifier, kind: typeOnly ? "type" : kind, line: lineAt(source, quote) });
    }
  }
  return found.toSorted((a, b) => a.line - b.line);
}
