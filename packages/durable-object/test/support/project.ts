/** A user's project in a temporary folder, where `durable-object` is what stands in `src`. */

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { cleanEnvironment } from "../package/packed-package.ts";
import { commandLine, type Ended } from "./command-line.ts";

const home = join(import.meta.dirname, "../..");
const modules = join(home, "../../node_modules");

/** A folder, and the commands in it. */
export interface TestProject {
  readonly directory: string;
  readonly cli: (...args: readonly string[]) => Promise<Ended>;
  read(path: string): string;
  write(path: string, text: string): void;
  /** The text of every file but those that are installed. */
  files(): Readonly<Record<string, string>>;
}

export function emptyProject(env: Readonly<Record<string, string>> = {}): TestProject {
  const directory = mkdtempSync(join(tmpdir(), "durable-object-project-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));
  return {
    directory,
    cli: commandLine({ cwd: directory, env }),
    read: (path) => readFileSync(join(directory, path), "utf8"),
    write: (path, text) => {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), text);
    },
    files: () => {
      const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) =>
          join(entry.parentPath, entry.name)
            .slice(directory.length + 1)
            .replaceAll("\\", "/"),
        )
        .filter((path) => !path.startsWith("node_modules/") && !path.startsWith("app.db"));
      return Object.fromEntries(entries.map((path) => [path, readFileSync(join(directory, path), "utf8")]));
    },
  };
}

/** Has the project find this package, by its sources, and the packages beside it. */
export function linkPackages(directory: string, ...packages: readonly string[]): void {
  const own = join(directory, "node_modules/durable-object");
  mkdirSync(own, { recursive: true });
  const exports = { ".": "./src/index.ts", "./*": "./src/*/index.ts" };
  writeFileSync(join(own, "package.json"), JSON.stringify({ name: "durable-object", type: "module", exports }));
  symlinkSync(join(home, "src"), join(own, "src"), "junction");
  for (const name of packages) {
    const link = join(directory, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(modules, name), link, "junction");
  }
}

/** Runs the main file of a project until it has printed a line, then ends it. What it printed, and how it ended. */
export function runUntil(
  directory: string,
  file: string,
  begin: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly output: string; readonly code: number | null }> {
  const child = spawn(process.execPath, [file], {
    cwd: directory,
    env: { ...cleanEnvironment(), PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      const hadIt = `\n${output}`.includes(`\n${begin}`);
      output += text;
      if (!hadIt && `\n${output}`.includes(`\n${begin}`)) child.kill("SIGTERM");
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ output, code }));
  });
}
