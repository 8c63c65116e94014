/** The package manager of a project, and having it install. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import type { Shell } from "./shell.ts";

export type PackageManager = "npm" | "pnpm" | "yarn" | "bun";

/** The file by which each one is known. */
const lockFiles: readonly (readonly [file: string, manager: PackageManager])[] = [
  ["package-lock.json", "npm"],
  ["pnpm-lock.yaml", "pnpm"],
  ["yarn.lock", "yarn"],
  ["bun.lock", "bun"],
  ["bun.lockb", "bun"],
];

/** What the npm that runs this tells its children, and what an installation elsewhere must not hear. */
const ofThisRun = /^npm_(?!config_(?:cache|registry|userconfig|prefer_offline|offline|audit|fund)$)|^INIT_CWD$/i;

/**
 * The package manager of a directory: what its package.json says, or the lock file in it or above, or what started
 * this process.
 *
 * @param declared - `packageManager` of package.json
 */
export function findPackageManager(
  directory: string,
  declared: string | undefined,
  env: Shell["surroundings"]["env"],
): PackageManager {
  const names = [declared, findLock(directory), env["npm_config_user_agent"]];
  for (const name of names) {
    const known = /^(npm|pnpm|yarn|bun)\b/.exec(name ?? "")?.[1];
    if (known !== undefined) return known as PackageManager;
  }
  return "npm";
}

function findLock(directory: string): PackageManager | undefined {
  const found = lockFiles.find(([file]) => existsSync(join(directory, file)))?.[1];
  const parent = dirname(directory);
  return found ?? (parent === directory ? undefined : findLock(parent));
}

/**
 * Installs what package.json says.
 *
 * @throws {@link CommandFailure} with the exit code for what may help later
 */
export async function installPackages(shell: Shell, directory: string, manager: PackageManager): Promise<void> {
  const { env, stderr } = shell.surroundings;
  const args = manager === "npm" ? ["install", "--no-audit", "--no-fund", "--loglevel=error"] : ["install"];
  const command = `${manager} ${args.join(" ")}`;
  shell.note(`${manager} install …`);
  const child = spawn(manager, args, {
    cwd: directory,
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !ofThisRun.test(name))),
    stdio: ["ignore", "pipe", "pipe"],
    shell: process.platform === "win32",
  });
  let said = "";
  const hear = (text: string): void => {
    said = (said + text).slice(-2_000);
    if (!shell.json) stderr.write(text);
  };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", hear);
  const status = await new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code === 0 ? "" : `${code ?? signal}`));
  });
  if (status === "") return;
  const why = shell.json && said !== "" ? `\n${said.trim()}` : "";
  throw new CommandFailure(
    exitCodes.unavailable,
    "INSTALL_FAILED",
    `${command} failed (${status}). The files are written: run it by hand, and go on from there.${why}`,
  );
}
