/**
 * The project that `init` and `new object` write to.
 *
 * What is to be done is collected first and done at the end, so that a mistake that is found on the way leaves the
 * project as it was. A file that is there is never overwritten: `create` leaves it, `change` adds to it.
 */

import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf } from "../core/errors.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";

/** A file of a project. */
export interface ProjectFile {
  readonly path: string;
  readonly text: string;
}

/** What becomes of a file. */
export interface FileChange {
  readonly path: string;
  /** `kept`: it is there, and is not what would have been written. */
  readonly change: "created" | "changed" | "unchanged" | "kept";
  /** What the user has to do about it. */
  readonly note?: string;
}

/** A directory, and what is to be done to the files in it. */
export class Project {
  readonly directory: string;
  readonly changes: FileChange[] = [];
  readonly #pending = new Map<string, { readonly text: string; readonly isNew: boolean }>();

  constructor(directory: string) {
    this.directory = directory;
  }

  /** The text of a file as it will be; null if there is none. */
  read(path: string): string | null {
    const pending = this.#pending.get(path);
    if (pending !== undefined) return pending.text;
    try {
      return readFileSync(join(this.directory, path), "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw notWritable(path, error);
    }
  }

  /** Whether a file is there, or will be. */
  has(path: string): boolean {
    return this.#pending.has(path) || statSync(join(this.directory, path), { throwIfNoEntry: false }) !== undefined;
  }

  /**
   * Writes a file that is not there.
   *
   * @param note - what to do if it is there with another text
   */
  create({ path, text }: ProjectFile, note?: string): void {
    const before = this.read(path);
    if (before === null) this.#pending.set(path, { text, isNew: true });
    if (before === null) this.changes.push({ path, change: "created" });
    else if (before === text) this.changes.push({ path, change: "unchanged" });
    else this.changes.push({ path, change: "kept", ...(note === undefined ? {} : { note }) });
  }

  /** Writes a file anew from what it was; null if it was not there. */
  change(path: string, next: (before: string | null) => string, note?: string): void {
    const before = this.read(path);
    const text = next(before);
    if (text !== before) this.#pending.set(path, { text, isNew: before === null });
    const change = before === null ? "created" : text === before ? "unchanged" : "changed";
    this.changes.push({ path, change, ...(note === undefined ? {} : { note }) });
  }

  /** Leaves a file as it is, and says what the user has to do about it. */
  keep(path: string, note: string): void {
    this.changes.push({ path, change: "kept", note });
  }

  /** Does what was collected. A file that came to be in the meantime is not overwritten. */
  write(): void {
    for (const [path, { text, isNew }] of this.#pending) {
      const file = join(this.directory, path);
      try {
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, text, { flag: isNew ? "wx" : "w" });
      } catch (error) {
        throw notWritable(path, error);
      }
    }
    this.#pending.clear();
  }
}

/** What was done, in words. */
export function changesText(changes: readonly FileChange[]): string {
  const words = { created: "created", changed: "changed", unchanged: "already there", kept: "left as it is" };
  const width = Math.max(...Object.values(words).map((word) => word.length));
  return changes
    .map(({ path, change, note }) => {
      const line = `${words[change].padEnd(width)}  ${path}`;
      return note === undefined ? line : `${line}\n${" ".repeat(width)}  → ${note}`;
    })
    .join("\n");
}

function notWritable(path: string, error: unknown): CommandFailure {
  return new CommandFailure(exitCodes.usage, "INVALID_PROJECT", `${path}: ${messageOf(error)}`, error);
}
