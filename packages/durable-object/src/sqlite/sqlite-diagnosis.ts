/** What can be found wrong with a SQLite file, and around it, without writing to it. */

import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { StoreFinding, StoreInspector } from "../ports/store-inspector.ts";
import { messageOf } from "../core/errors.ts";
import { networkFileSystem } from "./network-file-system.ts";

/** Below this many free bytes a disk is called nearly full. */
const scarceBytes = 256 * 1024 * 1024;

/** Looks at a file and its disk. Never throws. */
export async function diagnoseFile(inspector: StoreInspector): Promise<readonly StoreFinding[]> {
  const path = inspector.location;
  if (!existsSync(path)) {
    const message = `There is no file ${path} yet.`;
    return [finding("file", "warning", message, "It is created when your application starts, or by `migrate`.")];
  }
  return [await diskFinding(path)].flat();
}

async function diskFinding(path: string): Promise<readonly StoreFinding[]> {
  try {
    const { type, bavail, bsize } = await statfs(dirname(path));
    const name = process.platform === "linux" ? networkFileSystem(type) : null;
    const free = bavail * bsize;
    const room = `${Math.round(free / 1024 / 1024)} MiB free`;
    return [
      name === null
        ? finding("file-system", "ok", "The file lies on a local file system.", null)
        : finding(
            "file-system",
            "error",
            `The file lies on a network file system (${name}).`,
            "Put it on a local disk.",
          ),
      free < scarceBytes
        ? finding("disk-space", "warning", room, "Make room: a full disk refuses every write.")
        : finding("disk-space", "ok", room, null),
    ];
  } catch (error) {
    return [finding("file-system", "warning", `The disk could not be asked: ${messageOf(error)}`, null)];
  }
}

function finding(check: string, level: StoreFinding["level"], message: string, advice: string | null): StoreFinding {
  return { check, level, message, advice };
}
