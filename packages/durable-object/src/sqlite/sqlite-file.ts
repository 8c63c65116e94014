/**
 * The file of a SQLite store, before SQLite opens it: where it really is, and whether it can be used.
 *
 * The file is identified by its real path, so that two paths through symbolic links lead to one owner lock.
 * An existing file is never opened here: closing it would drop the locks that SQLite holds on it elsewhere
 * in this process (POSIX locks belong to the process, not to the descriptor).
 */

import { constants } from "node:fs";
import { access, open, realpath, stat, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf } from "../core/errors.ts";
import { StoreFailure } from "../ports/object-store.ts";
import { networkFileSystem } from "./network-file-system.ts";

/** A file that exists and can be written. */
export interface SqliteFile {
  /** Without symbolic links. */
  readonly path: string;
  /** Device and inode: the same for every name of the file. */
  readonly identity: string;
}

/**
 * Finds the file, or creates it empty, which is a database without tables.
 *
 * @param path - absolute
 * @throws {@link StoreFailure} `STORE_UNAVAILABLE`, `STORE_READ_ONLY`, `STORE_FULL`,
 *   `STORE_ON_NETWORK_FILE_SYSTEM`
 */
export async function findFile(path: string, allowNetworkFileSystem: boolean): Promise<SqliteFile> {
  const directory = await realDirectory(path);
  if (!allowNetworkFileSystem) await refuseNetworkFileSystem(directory, path);

  let real = await realpath(path).catch(() => null);
  if (real === null) {
    await createEmpty(path);
    real = join(directory, basename(path));
  }
  if (!allowNetworkFileSystem) await refuseNetworkFileSystem(dirname(real), path);
  await refuseReadOnly(real);

  return { path: real, identity: await identityOf(real) };
}

/**
 * Finds out that the file was removed or replaced while it is open. SQLite does not notice: it goes on
 * writing to a file that has no name any more.
 *
 * @throws {@link StoreFailure} `STORE_CORRUPT`
 */
export async function assertSameFile({ path, identity }: SqliteFile): Promise<void> {
  const found = await identityOf(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return null;
    throw fileFailure(error, path);
  });
  if (found === identity) return;
  throw new StoreFailure(
    "lost",
    "STORE_CORRUPT",
    `${path} was ${found === null ? "removed" : "replaced by another file"} while it was in use. Nothing more is ` +
      `written. Stop this process before you restore a backup or move the file.`,
  );
}

async function identityOf(path: string): Promise<string> {
  const { dev, ino } = await stat(path, { bigint: true });
  return `${dev}:${ino}`;
}

/** The directory of a path, without symbolic links. */
async function realDirectory(path: string): Promise<string> {
  const directory = dirname(path);
  try {
    const real = await realpath(directory);
    if ((await stat(real)).isDirectory()) return real;
  } catch (error) {
    if (codeOf(error) !== "ENOENT" && codeOf(error) !== "ENOTDIR") throw fileFailure(error, path);
  }
  throw new StoreFailure(
    "lost",
    "STORE_UNAVAILABLE",
    `${path} cannot be created: there is no directory ${await firstMissing(directory)}. Create it first; a store ` +
      `creates its file, but no directories.`,
  );
}

/** The part of a path that is missing; the parts below it are then missing as well. */
async function firstMissing(directory: string): Promise<string> {
  const parent = dirname(directory);
  if (parent === directory) return directory;
  const parentIsThere = await stat(parent).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return parentIsThere ? directory : await firstMissing(parent);
}

async function createEmpty(path: string): Promise<void> {
  try {
    await (await open(path, "wx", 0o644)).close();
  } catch (error) {
    // It is there, and yet `realpath` did not find it.
    if (codeOf(error) !== "EEXIST") throw fileFailure(error, path);
    throw new StoreFailure(
      "retry",
      "STORE_UNAVAILABLE",
      `${path} cannot be created: it is a symbolic link to nothing, or was created by somebody else just now.`,
    );
  }
}

/** Both are needed: the file, and the directory for the files that SQLite puts beside it. */
async function refuseReadOnly(path: string): Promise<void> {
  if (!(await stat(path)).isFile()) {
    throw new StoreFailure("lost", "STORE_UNAVAILABLE", `${path} is not a file.`);
  }
  for (const needed of [path, dirname(path)]) {
    try {
      await access(needed, constants.R_OK | constants.W_OK);
    } catch (error) {
      throw fileFailure(error, needed);
    }
  }
}

async function refuseNetworkFileSystem(directory: string, path: string): Promise<void> {
  // Elsewhere the types are other numbers, and not stable.
  if (process.platform !== "linux") return;
  const { type } = await statfs(directory);
  const name = networkFileSystem(type);
  if (name === null) return;
  throw new StoreFailure(
    "lost",
    "STORE_ON_NETWORK_FILE_SYSTEM",
    `${path} lies on a network file system (${name}), where SQLite's locks do not hold and databases get damaged. ` +
      `Put it on a local disk. If you are sure that only one machine ever opens it: allowNetworkFileSystem: true.`,
  );
}

/** What an error of the file system means for a store. */
function fileFailure(error: unknown, path: string): StoreFailure {
  const details = { cause: error };
  switch (codeOf(error)) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new StoreFailure(
        "full",
        "STORE_READ_ONLY",
        `${path} cannot be written by this process: ${messageOf(error)}. The owner of a store needs to write the ` +
          `file and the directory it is in.`,
        details,
      );
    case "ENOSPC":
    case "EDQUOT":
      return new StoreFailure("full", "STORE_FULL", `There is no room to create ${path}: ${messageOf(error)}`, details);
    default:
      return new StoreFailure("retry", "STORE_UNAVAILABLE", `${path} cannot be used: ${messageOf(error)}`, details);
  }
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code;
}
