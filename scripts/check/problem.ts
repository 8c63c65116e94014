/** What a check finds, and how it is told. */

/** One finding: where it is, and what to do about it. */
export interface Problem {
  /** Relative to the repository, or to the tree that was checked. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** The rule that was broken, in a word or two. */
  readonly rule: string;
  readonly message: string;
}

/** Prints the problems, or the summary if there are none, and sets the exit code. */
export function report(problems: readonly Problem[], summary: string): void {
  const sorted = problems.toSorted((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
  for (const { file, line, rule, message } of sorted) console.error(`${file}:${line}  ${rule}: ${message}`);
  if (problems.length === 0) {
    console.log(summary);
    return;
  }
  console.error(`\n${problems.length} ${problems.length === 1 ? "problem" : "problems"}`);
  process.exitCode = 1;
}

/** The number of the line that holds an offset, from 1. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
