/** What can be found wrong with a SQLite file, and around it, without writing to it. */

import { accessSync, constants, existsSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import type { DatabaseSync } from "node:sqlite";
import { dirname } from "node:path";
import { messageOf } from "../core/errors.ts";
import type { StoreFinding } from "../ports/store-inspector.ts";
import { networkFileSystem } from "./network-file-system.ts";
import { isOwnerAlive } from "./sqlite-owner-lock.ts";

/** Below this many free bytes a disk is called nearly full. */
const scarceBytes = 256 * 1024 * 1024;
/** Above this many bytes a log is longer than it is left after a checkpoint. */
const longLogBytes = 256 * 1024 * 1024;
/** Up to this many bytes a file is read whole, to see whether it is damaged. */
const quickBytes = 256 * 1024 * 1024;

/** Reads the file. */
type Look = <Result>(look: (database: DatabaseSync) => Result) => Result;

/** Looks at a file and its disk. Never throws. */
export async function diagnoseFile(path: string, look: Look): Promise<readonly StoreFinding[]> {
  const isThere = existsSync(path);
  const parts: readonly (() => StoreFinding | null | Promise<StoreFinding | null>)[] = [
    () => (isThere ? null : missing(path)),
    () => (isThere ? contentFinding(path, look) : null),
    () => (isThere ? journalFinding(path, look) : null),
    () => accessFinding(path, isThere ? [path, dirname(path)] : [dirname(path)]),
    () => fileSystemFinding(path),
    () => spaceFinding(path),
  ];
  const findings: StoreFinding[] = [];
  for (const part of parts) {
    try {
      const found = await part();
      if (found !== null) findings.push(found);
    } catch (error) {
      findings.push(finding("file", "error", messageOf(error), "Look at the file and its disk."));
    }
  }
  return findings;
}

function missing(path: string): StoreFinding {
  const message = `There is no file ${path} yet.`;
  return finding("file", "warning", message, "It is created when your application starts, or by `migrate`.");
}

function contentFinding(path: string, look: Look): StoreFinding {
  const bytes = statSync(path).size;
  const about = `${path}, ${Math.ceil(bytes / 1024)} KiB`;
  if (bytes > quickBytes) return finding("file", "ok", `${about}, too large to be read whole here.`, null);
  const faults = look((database) => database.prepare("PRAGMA quick_check(3)").all()).map(
    (row) => Object.values(row)[0],
  );
  if (faults.length === 1 && faults[0] === "ok") return finding("file", "ok", `${about}, not damaged.`, null);
  const advice = "Stop the application, copy the file with its -wal, and restore a backup.";
  return finding("file", "error", `${path} is damaged: ${faults.join("; ")}`, advice);
}

function journalFinding(path: string, look: Look): StoreFinding | null {
  const mode = String(look((database) => database.prepare("PRAGMA journal_mode").get())?.["journal_mode"]);
  const logBytes = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  // A file that can only be read without a log is read as if it never had one.
  if (mode !== "wal" && !canWrite(dirname(path))) return null;
  if (mode !== "wal") {
    const advice = "The application sets it when it starts.";
    return finding("journal", "warning", `The journal mode is "${mode}" and not "wal".`, advice);
  }
  const message = `WAL mode; the log has ${Math.ceil(logBytes / 1024)} KiB.`;
  if (logBytes <= longLogBytes) return finding("journal", "ok", message, null);
  return finding("journal", "warning", message, "A program that reads for long keeps it from being cut: end that one.");
}

function accessFinding(path: string, needed: readonly string[]): StoreFinding {
  const refused = needed.find((place) => !canWrite(place));
  if (refused === undefined) {
    return finding("permissions", "ok", "This user can write the file and its directory.", null);
  }
  const advice =
    "The application needs to write the file and its directory: run this as its user, or give it the right.";
  // Whoever owns it can write it.
  const level = isOwnerAlive(path) ? "warning" : "error";
  return finding("permissions", level, `This user cannot write to ${refused}.`, advice);
}

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function fileSystemFinding(path: string): Promise<StoreFinding | null> {
  // Elsewhere the types are other numbers, and not stable.
  if (process.platform !== "linux") return null;
  const name = networkFileSystem((await statfs(dirname(path))).type);
  if (name === null) return finding("file-system", "ok", "The file lies on a local file system.", null);
  const message = `The file lies on a network file system (${name}), where SQLite's locks do not hold.`;
  return finding("file-system", "error", message, "Put it on a local disk.");
}

async function spaceFinding(path: string): Promise<StoreFinding> {
  const { bavail, bsize } = await statfs(dirname(path));
  const room = `${Math.round((bavail * bsize) / 1024 / 1024)} MiB are free on the disk.`;
  if (bavail * bsize >= scarceBytes) return finding("disk-space", "ok", room, null);
  return finding("disk-space", "warning", room, "Make room: a full disk refuses every write.");
}

function finding(check: string, level: StoreFinding["level"], message: string, advice: string | null): StoreFinding {
  return { check, level, message, advice };
}
