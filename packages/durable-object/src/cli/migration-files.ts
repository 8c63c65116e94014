/**
 * Files with migrations in a project that applies them with a tool of its own. What versions a file leads from and to
 * stands in its own line: nothing is guessed from its name or its SQL.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, sep } from "node:path";
import { messageOf } from "../core/errors.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";

/** What marks a file that was written here. */
const marker = /^-- durable-object migration\b(?:[ \t]+(\d+)[ \t]+->[ \t]+(\d+)[ \t]*\r?$)?/gm;
/** What no file has but one with our tables. */
const recorded = /INSERT\s+INTO\s+\S*durable_object_migrations\b/i;

/**
 * The highest version that the migrations in a directory lead to; 0 if there are none, or no directory.
 *
 * @throws {@link CommandFailure} `UNKNOWN_MIGRATION` for one of ours that does not say which versions it is about
 */
export function highestGenerated(directory: string): number {
  let highest = 0;
  for (const path of sqlFiles(directory)) {
    const text = readFileSync(path, "utf8");
    const marks = [...text.matchAll(marker)];
    if (marks.length === 0 ? recorded.test(text) : marks.some(([, , to]) => to === undefined)) {
      throw new CommandFailure(
        exitCodes.found,
        "UNKNOWN_MIGRATION",
        `${path} has tables of durable-object, and does not say which versions it is about. Give it the line ` +
          `"-- durable-object migration <from> -> <to>", then run this again. Nothing was written.`,
      );
    }
    highest = Math.max(highest, ...marks.map(([, , to]) => Number(to)));
  }
  return highest;
}

/** All files with SQL in a directory and below it. */
function sqlFiles(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  try {
    const entries = readdirSync(directory, { withFileTypes: true, recursive: true });
    const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".sql"));
    // What other packages bring along is none of ours.
    const own = files.filter(({ parentPath }) => !parentPath.split(sep).includes("node_modules"));
    return own.map(({ parentPath, name }) => join(parentPath, name));
  } catch (error) {
    throw new CommandFailure(exitCodes.usage, "NOT_READ", `${directory} cannot be read: ${messageOf(error)}`, error);
  }
}

/** The text of a file. */
export function migrationText(from: number, to: number, sql: string): string {
  return `-- durable-object migration ${from} -> ${to}\n-- Keep the line above: the next migration begins where it ends.\n\n${sql}`;
}

/** Writes a file under the name of now, in UTC. */
export function writeMigration(directory: string, from: number, to: number, text: string): string {
  const now = new Date().toISOString().replaceAll(/\D/g, "").slice(0, 14);
  const what = from === 0 ? "add_durable_objects" : `upgrade_durable_objects_v${to}`;
  const path = join(directory, `${now}_${what}.sql`);
  try {
    mkdirSync(directory, { recursive: true });
    writeFileSync(path, text, { flag: "wx" });
  } catch (error) {
    throw new CommandFailure(exitCodes.usage, "NOT_WRITTEN", `${path} cannot be written: ${messageOf(error)}`, error);
  }
  return path;
}
