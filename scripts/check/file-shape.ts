/** The shape that files keep: names that say a concept, lengths that fit a head, index files that only list. */

import { posix } from "node:path";
import { lineAt, type Problem } from "./problem.ts";
import { problemAt, type SourceFile } from "./source-file.ts";

/** Lines of a file: none above `longest`; nine in ten at most `p90`; half at most `median`. */
const limits = { longest: 500, p90: 330, median: 130 };

/** Words that name a drawer, not a concept. */
const drawers = new Set(
  "type types util utils helper helpers lib libs manager managers common misc shared interfaces".split(" "),
);

/** Kebab-case, and no drawers. */
export function nameProblems({ path }: SourceFile): Problem[] {
  const segments = path.replace(/\.ts$/, "").split("/");
  const problems = segments
    .filter((segment) => !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(segment))
    .map((segment) => problemAt(path, 1, "name", `"${segment}" is not kebab-case.`));
  const drawer = segments
    .at(-1)
    ?.split("-")
    .find((word) => drawers.has(word));
  if (drawer !== undefined) {
    const advice = "Name the file after its concept; a type lives in the file of its concept.";
    problems.push(problemAt(path, 1, "name", `"${drawer}" names a drawer. ${advice}`));
  }
  return problems;
}

/** No file too long, and most of them short. */
export function lengthProblems(files: readonly SourceFile[]): Problem[] {
  const problems = files
    .filter((file) => file.lines > limits.longest)
    .map(({ path, lines }) =>
      problemAt(path, limits.longest, "length", `${lines} lines, at most ${limits.longest}. Split it by concept.`),
    );
  const { median, p90 } = distribution(files);
  const tooLong = (share: string, lines: number, limit: number): Problem =>
    problemAt(
      ".",
      1,
      "length",
      `${share} of the files have ${lines} lines or more, at most ${limit}. Split the longest.`,
    );
  if (median > limits.median) problems.push(tooLong("half", median, limits.median));
  if (p90 > limits.p90) problems.push(tooLong("one in ten", p90, limits.p90));
  return problems;
}

/** The lengths of the files, in a sentence. */
export function describeLengths(files: readonly SourceFile[]): string {
  const { median, p90, longest } = distribution(files);
  return `${files.length} files: half at most ${median} lines, nine in ten at most ${p90}, the longest ${longest}`;
}

function distribution(files: readonly SourceFile[]): { median: number; p90: number; longest: number } {
  const sorted = files.map((file) => file.lines).toSorted((a, b) => a - b);
  const share = (part: number): number => sorted[Math.ceil(sorted.length * part) - 1] ?? 0;
  return { median: share(0.5), p90: share(0.9), longest: share(1) };
}

/** Public folders, and only they, have an index.ts, which holds nothing but lists of names. */
export function indexProblems(files: readonly SourceFile[], publicFolders: ReadonlySet<string>): Problem[] {
  const indexes = files.filter((file) => posix.basename(file.path) === "index.ts");
  const present = new Set(indexes.map((file) => posix.dirname(file.path)));
  const missing = [...publicFolders].filter((folder) => !present.has(folder));
  return [
    ...indexes.flatMap((file) => [...closedIndex(file, publicFolders), ...codeInIndex(file)]),
    ...missing.map((folder) =>
      problemAt(
        posix.join(folder, "index.ts"),
        1,
        "index",
        "package.json exports this subpath, but it has no index.ts.",
      ),
    ),
  ];
}

function closedIndex({ path }: SourceFile, publicFolders: ReadonlySet<string>): Problem[] {
  const folder = posix.dirname(path);
  if (publicFolders.has(folder)) return [];
  const message = `${folder}/ is not a public subpath, so it has no index.ts. Import from the files themselves.`;
  return [problemAt(path, 1, "index", message)];
}

function codeInIndex({ path, code }: SourceFile): Problem[] {
  const lists = /(?:\s*export\s+(?:type\s+)?\{[^{}]*\}\s*from\s*(["'])\s*\1\s*;?)*\s*/y.exec(code)?.[0] ?? "";
  if (lists.length === code.length) return [];
  const message = "an index.ts holds only `export { names } from`: no code, no `export *`.";
  return [problemAt(path, lineAt(code, lists.length), "index", message)];
}
