/**
 * Finds imports that come back to where they started. Erased imports count: files that need each other to
 * be understood are one concept in two places. `tolerated` names the exceptions.
 */

import type { Problem } from "./problem.ts";
import { problemAt, resolveImport, type SourceFile } from "./source-file.ts";
import type { Import } from "./source-text.ts";

/** At least one cycle of every group of files that reach each other. */
export function cycleProblems(
  files: readonly SourceFile[],
  tolerated: (from: SourceFile, to: SourceFile, kind: Import["kind"]) => boolean,
): Problem[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const problems: Problem[] = [];
  const done = new Set<string>();
  const path: string[] = [];

  const visit = (file: SourceFile): void => {
    path.push(file.path);
    for (const { specifier, kind, line } of file.imports) {
      const target = specifier.startsWith(".") ? byPath.get(resolveImport(file, specifier)) : undefined;
      if (target === undefined || done.has(target.path) || tolerated(file, target, kind)) continue;
      const start = path.indexOf(target.path);
      if (start === -1) {
        visit(target);
      } else {
        const cycle = [...path.slice(start), target.path].join(" → ");
        problems.push(problemAt(file.path, line, "cycle", `${cycle}. Move what both need into a file of its own.`));
      }
    }
    path.pop();
    done.add(file.path);
  };

  for (const file of files) if (!done.has(file.path)) visit(file);
  return problems;
}
