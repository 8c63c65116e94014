/**
 * `import`: what `export` wrote, into a store. Through the store's own commits, as its owner; of a file every line is
 * read before the first one is written.
 *
 * An alarm that was attempted, or is dead, needs two commits of its object: one that sets it, and one that counts the
 * attempts. Where an import was cut off between the two, the next one with `--skip-existing` makes up for it.
 */

import type { Command } from "commander";
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { messageOf } from "../core/errors.ts";
import { withStoreOptions } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { readLine, WrongLine } from "./export-format.ts";
import { CommandFailure } from "./failure.ts";
import { importBatch, type Existing, type ImportedLine } from "./import-batch.ts";
import { withOpenStore, withWaitOption, type WhichOwnership } from "./ownership.ts";
import { Progress } from "./progress.ts";
import type { Shell } from "./shell.ts";
import { countText } from "./table.ts";
import { textLines } from "./text-lines.ts";

interface ImportOptions extends WhichOwnership {
  readonly overwrite?: boolean;
  readonly skipExisting?: boolean;
}

/** How many objects go in one commit, and how much of their text, in characters. */
const [batchSize, batchCharacters] = [500, 4 * 1024 * 1024];

export function addImport(program: Command, shell: Shell): void {
  const command = program
    .command("import")
    .description("read objects and their alarms as export wrote them; the application must not run")
    .argument("[file]", "where from, instead of the standard input")
    .option("--overwrite", "objects that exist are replaced, with their alarms")
    .option("--skip-existing", "objects that exist are left as they are; goes on with an import that was cut off")
    .action(async (file: string | undefined, options: ImportOptions) => await importAll(shell, file, options));
  withStoreOptions(withWaitOption(command));
}

async function importAll(
  shell: Shell,
  file: string | undefined,
  { overwrite, skipExisting, ...which }: ImportOptions,
): Promise<void> {
  if (overwrite === true && skipExisting === true) {
    throw new CommandFailure(exitCodes.usage, "INVALID_ARGUMENTS", "Say --overwrite or --skip-existing, not both.");
  }
  const existing: Existing = overwrite === true ? "overwrite" : skipExisting === true ? "skip" : "refuse";
  const { cwd, stdin } = shell.surroundings;
  if (file === undefined && stdin.isTTY === true) {
    throw new CommandFailure(exitCodes.usage, "INVALID_ARGUMENTS", "Name a file, or pipe an export in.");
  }
  const path = file === undefined ? null : resolve(cwd, file);
  let total: number | null = null;
  if (path !== null) {
    const checking = new Progress(shell, "Reading", null);
    total = 0;
    const lines = linesOf(createReadStream(path), path);
    while ((await lines.next()).done !== true) {
      total += 1;
      checking.step();
    }
    checking.end();
  }
  const from = path === null ? stdin : createReadStream(path);
  const place = path ?? "the standard input";
  const count = { imported: 0, skipped: 0, alarms: 0 };
  const progress = new Progress(shell, "Importing", total);
  await withOpenStore(shell, which, false, async (store) => {
    try {
      for await (const batch of batchesOf(linesOf(from, place))) {
        const done = await importBatch(store, batch, existing, place);
        count.imported += done.imported;
        count.skipped += done.skipped;
        count.alarms += done.alarms;
        progress.step(batch.length);
      }
    } catch (error) {
      if (error instanceof CommandFailure && count.imported > 0) throw withCount(error, count.imported);
      throw error;
    } finally {
      progress.end();
    }
  });
  shell.result(count, () => {
    const words = `Imported ${countText(count.imported, "object")} and ${countText(count.alarms, "alarm")}`;
    return `${words}${count.skipped === 0 ? "" : `; ${countText(count.skipped, "object")} existed and ${count.skipped === 1 ? "was" : "were"} left`}.`;
  });
}

function withCount({ exitCode, code, message, cause }: CommandFailure, imported: number): CommandFailure {
  const before = `${countText(imported, "object")} before it ${imported === 1 ? "is" : "are"} imported. Go on with --skip-existing.`;
  return new CommandFailure(exitCode, code, `${message} ${before}`, cause);
}

/**
 * The objects of an export, in order.
 *
 * @throws {@link CommandFailure} `INVALID_LINE` with the number of the line; `INCOMPLETE` if the end is missing
 */
async function* linesOf(from: Readable, place: string): AsyncGenerator<ImportedLine> {
  let number = 0;
  let ended = false;
  const wrong = (problem: string): CommandFailure =>
    new CommandFailure(exitCodes.found, "INVALID_LINE", `${place}, line ${number}: ${problem}.`);
  try {
    for await (const text of textLines(from)) {
      number += 1;
      if (text.trim() === "") continue;
      let line;
      try {
        line = readLine(text, number);
      } catch (error) {
        throw error instanceof WrongLine ? wrong(error.message) : error;
      }
      if (ended) throw wrong("there is something after the end");
      if (line.kind === "last") ended = true;
      if (line.kind === "object") yield { number, object: line.object, size: text.length };
    }
  } catch (error) {
    const { syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    throw new CommandFailure(exitCodes.usage, "NOT_READ", `${place} cannot be read: ${messageOf(error)}`, error);
  }
  if (ended) return;
  const message = `${place} ends at line ${number} without {"end":true}: it is not a whole export.`;
  throw new CommandFailure(exitCodes.found, "INCOMPLETE", message);
}

/** Lines of distinct objects that go in one commit. */
async function* batchesOf(lines: AsyncIterable<ImportedLine>): AsyncGenerator<readonly ImportedLine[]> {
  let batch: ImportedLine[] = [];
  let size = 0;
  const seen = new Set<string>();
  for await (const line of lines) {
    const { tenant, type, id } = line.object.address;
    const key = JSON.stringify([tenant, type, id]);
    if (batch.length >= batchSize || size >= batchCharacters || seen.has(key)) {
      yield batch;
      batch = [];
      size = 0;
      seen.clear();
    }
    batch.push(line);
    size += line.size;
    seen.add(key);
  }
  if (batch.length > 0) yield batch;
}
