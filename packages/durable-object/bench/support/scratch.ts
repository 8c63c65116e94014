/**
 * Where benchmarks keep their files: beside the results, on the disk that holds the repository, because a
 * directory for temporary files may lie in memory, where a sync costs nothing and proves nothing.
 */

import { closeSync, fdatasyncSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { median } from "./measure.ts";

/** Where results and scratch files go; ignored by git. */
export const resultsDirectory = join(import.meta.dirname, "..", "results");

mkdirSync(resultsDirectory, { recursive: true });
const directory = mkdtempSync(join(resultsDirectory, "files-"));
process.once("exit", () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

let files = 0;

/** The path of a new file, in a directory that is removed when the process ends. */
export function scratchFile(name: string): string {
  files += 1;
  return join(directory, `${files}-${name}`);
}

const fileSystems: Readonly<Record<number, string>> = {
  0xef53: "ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x01021994: "tmpfs (in memory: a sync costs nothing here)",
  0x794c7630: "overlayfs",
  0x2fc12fc1: "zfs",
};

/** The file system that holds the scratch files. */
export function fileSystem(): string {
  const { type } = statfsSync(directory);
  return fileSystems[type] ?? `0x${type.toString(16)}`;
}

/** What one synced write of 4 KB costs here, in ms: the price of durability that all figures rest on. */
export function syncCostMs(): number {
  const handle = openSync(scratchFile("sync"), "w");
  const page = Buffer.alloc(4_096);
  const times: number[] = [];
  try {
    for (let index = 0; index < 60; index++) {
      const start = performance.now();
      writeSync(handle, page);
      fdatasyncSync(handle);
      times.push(performance.now() - start);
    }
  } finally {
    closeSync(handle);
  }
  return median(times);
}
