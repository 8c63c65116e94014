/** The project that `init` and `new object` write to. A file that is there stays as it is. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ProjectFile } from "./project-files.ts";

/** What became of a file. */
export interface FileChange {
  readonly path: string;
  /** `kept`: it is there, and is not what would have been written. */
  readonly change: "created" | "changed" | "unchanged" | "kept";
}

/** A directory, and what was done to the files in it. */
export class Project {
  readonly directory: string;
  readonly changes: FileChange[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  read(path: string): string | null {
    const file = join(this.directory, path);
    return existsSync(file) ? readFileSync(file, "utf8") : null;
  }

  /** Writes a file that is not there. */
  create({ path, text }: ProjectFile): void {
    const before = this.read(path);
    if (before === null) this.#write(path, text);
    this.changes.push({ path, change: before === null ? "created" : before === text ? "unchanged" : "kept" });
  }

  /** Writes a file anew from what it was; null if it was not there. */
  change(path: string, next: (before: string | null) => string): void {
    const before = this.read(path);
    const after = next(before);
    if (after !== before) this.#write(path, after);
    this.changes.push({ path, change: before === null ? "created" : after === before ? "unchanged" : "changed" });
  }

  #write(path: string, text: string): void {
    const file = join(this.directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** What was done, in words. */
export function changesText(changes: readonly FileChange[]): string {
  const words = { created: "created", changed: "changed", unchanged: "already there", kept: "left as it is" };
  const width = Math.max(...Object.values(words).map((word) => word.length));
  return changes.map(({ path, change }) => `${words[change].padEnd(width)}  ${path}`).join("\n");
}
