/** The package as it is published: built and packed, and the programs that a user has. */

import { execFile } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

const home = join(import.meta.dirname, "../..");
export const modules = join(home, "../../node_modules");
export const manifest = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
};

export interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

/** Builds and packs a copy of the package, tests included, so that leaving them out is put to the test. */
export async function pack(stage: string): Promise<Packed> {
  const passing = (path: string): boolean => !["node_modules", "dist"].includes(basename(path));
  cpSync(home, stage, { recursive: true, filter: passing });
  await tsc(["-p", join(home, "tsconfig.build.json"), "--outDir", join(stage, "dist")], home);
  const [result] = JSON.parse(await npm(["pack", "--json", "--ignore-scripts"], stage)) as Packed[];
  if (result === undefined) throw new Error("npm pack packed nothing");
  return result;
}

export function tsc(args: string[], cwd: string): Promise<string> {
  return run(process.execPath, [join(modules, "typescript/bin/tsc"), ...args], cwd);
}

export function npm(args: string[], cwd: string): Promise<string> {
  return run("npm", args, cwd);
}

/** The environment without what the npm that runs the tests tells its children. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^npm_(?!config_(?:cache|registry|userconfig)$)/.test(name),
  );
  return Object.fromEntries(kept);
}

/** What a program prints. */
export function run(program: string, args: string[], cwd: string, env = cleanEnvironment()): Promise<string> {
  const options = { cwd, env, shell: process.platform === "win32" && /npm|npx/.test(program) };
  return new Promise((resolve, reject) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(" ")}\n${stdout}${stderr}`));
    });
  });
}
