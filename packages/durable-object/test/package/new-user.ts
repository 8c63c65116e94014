/**
 * The path of a new user, on a machine with nothing but Node.js: an empty folder, `init`, `npm start`, a call, an alarm,
 * `ls` and `check` while it runs, a second start that finds what the first one left, a second `init` that has nothing
 * to do. Real programs, from the packed tarball; what it depends on comes from the registry, or from the cache of npm.
 */

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { cleanEnvironment, run } from "./packed-package.ts";

/** An application that runs, and what it has printed. */
interface Running {
  /** The first line, from the beginning, that begins so. */
  line(start: string): Promise<string>;
  /** Ends it as a person at a terminal does, and waits for its last line. */
  stop(): Promise<readonly string[]>;
}

/** Adds the test. */
export function testNewUser(tarball: () => string): void {
  test("a new user comes from an empty folder to a running application", { timeout: 120_000 }, async () => {
    const place = mkdtempSync(join(tmpdir(), "durable-object-new-user-"));
    onTestFinished(() => rmSync(place, { recursive: true, force: true, maxRetries: 3 }));
    const app = join(place, "app");
    mkdirSync(app);
    const env = await bareEnvironment(place);
    const npx = (...args: string[]): Promise<string> => run("npx", args, app, env);
    const json = async (...args: string[]): Promise<unknown> =>
      JSON.parse(await npx("durable-object", ...args, "--json"));

    const file = tarball();
    const said = await npx("--yes", "--package", file, "durable-object", "init", "--yes");
    expect(said).toContain("created        src/main.ts");
    expect(said).toContain("npm start");

    const first = start(app, env);
    expect(await first.line("call:")).toContain("started 1 time;");
    expect(await first.line("alarm:")).toContain('"starts" is at 1 and has chimed 1 time');
    expect(await json("ls")).toMatchObject([{ type: "counter", objects: 1, dead: 0 }]);
    expect(await json("check")).toMatchObject({ objects: 1, errors: 0, warnings: 0, problems: [] });
    expect((await first.stop()).at(-1)).toBe("stopped: what was answered is kept");

    const second = start(app, env);
    expect(await second.line("call:")).toContain("started 2 times;");
    const before = textsOf(app);
    expect(await json("init")).toMatchObject({ installed: false, next: [] });
    expect(textsOf(app)).toEqual(before);
    await second.stop();
  });
}

/** `npm start`. */
function start(cwd: string, env: NodeJS.ProcessEnv): Running {
  const options = { cwd, env, shell: isWindows, detached: !isWindows };
  const child = spawn("npm", ["start"], { ...options, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  // npm, its shell and the application are a group, as at a terminal.
  const signal = (name: NodeJS.Signals): void => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    if (isWindows) child.kill(name);
    else process.kill(-child.pid, name);
  };
  onTestFinished(() => signal("SIGKILL"));
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout })
    .on("line", (line) => {
      lines.push(line);
      for (const look of waiting) look();
    })
    .on("close", () => {
      for (const look of waiting) look();
    });
  return {
    line: async (begin) => {
      for (;;) {
        const found = lines.find((line) => line.startsWith(begin));
        if (found !== undefined) return found;
        if (child.exitCode !== null) throw new Error(`it ended without "${begin}":\n${lines.join("\n")}`);
        await new Promise<void>((resolve) => waiting.add(resolve));
      }
    },
    stop: async () => {
      signal("SIGINT");
      await ended;
      return lines;
    },
  };
}

/** The small files of a project. */
function textsOf(app: string): Record<string, string> {
  const names = readdirSync(app, { recursive: true, encoding: "utf8" }).filter(
    (name) => !name.startsWith("node_modules") && !name.startsWith("app.db") && /\.\w+$/.test(name),
  );
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(app, name), "utf8")]));
}

const isWindows = process.platform === "win32";

/**
 * What a machine with nothing but Node.js has: a PATH with node and npm, and the shell that npm runs scripts with. npm
 * has its cache, so that little has to be fetched, but leaves nothing of this test there.
 */
async function bareEnvironment(place: string): Promise<NodeJS.ProcessEnv> {
  const env = { ...cleanEnvironment(), PORT: "0", npm_config_prefer_offline: "true", npm_config_audit: "false" };
  const cache = join(place, "cache");
  mkdirSync(cache);
  const shared = join((await run("npm", ["config", "get", "cache"], place)).trim(), "_cacache");
  mkdirSync(shared, { recursive: true });
  symlinkSync(shared, join(cache, "_cacache"), "junction");
  if (isWindows) return { ...env, npm_config_cache: cache };
  const bin = join(place, "bin");
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, "node"));
  for (const name of ["npm", "npx", "sh"]) symlinkSync(whereIs(name), join(bin, name));
  return { ...env, npm_config_cache: cache, PATH: bin };
}

function whereIs(program: string): string {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder === "") continue;
    try {
      return realpathSync(join(folder, program));
    } catch {
      // Not in this one.
    }
  }
  throw new Error(`there is no ${program}`);
}
