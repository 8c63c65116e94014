/** `init`: what it writes compiles and runs, what is there stays, and a second run changes nothing. */

import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ownManifest, peerRange } from "../../src/cli/own-manifest.ts";
import { jsonOf } from "../support/command-line.ts";
import { freshName, hasPostgres, postgresUrl, sql } from "../support/postgres-place.ts";
import { emptyProject, linkPackages, runUntil, type TestProject } from "../support/project.ts";
import { compileProjects } from "../support/compile-projects.ts";

const quietly = ["--yes", "--no-install"];

interface Report {
  readonly files: readonly { readonly path: string; readonly change: string; readonly note?: string }[];
  readonly installed: boolean;
  readonly next: readonly string[];
}

async function initialise(project: TestProject, ...args: readonly string[]): Promise<Report> {
  const ended = await project.cli("init", ...quietly, "--json", ...args);
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  return jsonOf(ended) as Report;
}

const changesOf = ({ files }: Report): Record<string, string> =>
  Object.fromEntries(files.map(({ path, change }) => [path, change]));

const manifestOf = (project: TestProject): Record<string, Record<string, string>> =>
  JSON.parse(project.read("package.json")) as Record<string, Record<string, string>>;

describe("an empty folder", () => {
  test("becomes a project, and a second run changes nothing", async () => {
    const project = emptyProject();
    expect(changesOf(await initialise(project))).toEqual({
      "package.json": "created",
      "tsconfig.json": "created",
      ".gitignore": "created",
      "src/objects/counter.ts": "created",
      "src/main.ts": "created",
      "durable-object.config.ts": "created",
      "AGENTS.md": "created",
    });
    expect(manifestOf(project)).toMatchObject({
      type: "module",
      scripts: { start: "node src/main.ts" },
      engines: { node: ">=22.18" },
      dependencies: { "durable-object": `^${ownManifest().version}` },
    });
    expect(project.read(".gitignore")).toBe("node_modules/\napp.db*\n");
    const before = project.files();
    const second = await initialise(project);
    expect([...new Set(Object.values(changesOf(second)))]).toEqual(["unchanged"]);
    expect(second).toMatchObject({ installed: false, next: [] });
    expect((await project.cli("init", "--no-install")).stdout).toContain("nothing was changed");
    expect(project.files()).toEqual(before);
  });

  test("nothing is written where something is wrong, or with --dry-run", async () => {
    const project = emptyProject();
    for (const args of [
      ["--store", "mysql"],
      ["--cluster", "--store", "sqlite"],
      ["--cluster", "smoke"],
      ["--scheduler", "oban"],
      ["--scheduler", "pg-boss", "--store", "sqlite"],
      ["--queue", "alarms"],
      ["--object", "my-counter"],
      ["--stroe", "sqlite"],
    ]) {
      const ended = await project.cli("init", ...quietly, "--json", ...args);
      expect([args, ended.code]).toEqual([args, 2]);
      expect(jsonOf(ended)).toMatchObject({ error: { code: "INVALID_ARGUMENTS" } });
      expect(ended.stderr).toBe("");
    }
    const dry = await project.cli("init", "--dry-run", "--yes");
    expect(dry.stdout).toContain("created        durable-object.config.ts");
    expect(project.files()).toEqual({});
  });

  test("a file that cannot be written is named", async () => {
    const project = emptyProject();
    project.write("src", "a file where a folder belongs");
    const ended = await project.cli("init", ...quietly);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain("INVALID_PROJECT: src/objects/counter.ts");
    expect(Object.keys(project.files())).toEqual(["src"]);
  });
});

describe("a project that is there", () => {
  test("nothing of it is overwritten", async () => {
    const project = emptyProject();
    const mine = {
      "package.json":
        '{\n\t"name": "mine",\n\t"type": "module",\n\t"scripts": { "start": "node server.js" },\n\t"devDependencies": { "typescript": "5.9.3" }\n}\n',
      "tsconfig.json": "{}\n",
      "src/main.ts": "console.log(1);\n",
      "src/objects/counter.ts": "export const Counter = 1;\n",
      ".gitignore": "/node_modules\n*.log",
      "AGENTS.md": "# Mine\n",
      "CLAUDE.md": "# Also mine\n",
    };
    for (const [path, text] of Object.entries(mine)) project.write(path, text);
    const report = await initialise(project);
    const kept = report.files.filter(({ change }) => change === "kept");
    expect(kept.map(({ path }) => path)).toEqual(["tsconfig.json", "src/objects/counter.ts", "src/main.ts"]);
    expect(kept[0]?.note).toContain("allowImportingTsExtensions");
    expect(report.next.join("\n")).toContain("node src/main.ts");
    for (const { path } of kept) expect(project.read(path)).toBe(mine[path as keyof typeof mine]);
    expect(project.read("package.json")).toMatch(/^\{\n\t"name"/);
    expect(manifestOf(project)).toMatchObject({
      scripts: { start: "node server.js" },
      devDependencies: { typescript: "5.9.3", "@types/node": expect.stringMatching(/^\^\d+/) as string },
    });
    expect(project.read(".gitignore")).toBe("/node_modules\n*.log\napp.db*\n");
    for (const path of ["AGENTS.md", "CLAUDE.md"] as const) {
      expect(project.read(path).startsWith(mine[path])).toBe(true);
      expect(project.read(path)).toContain("node_modules/durable-object/usage-rules.md");
    }
  });

  test("what its owner changed stays in a second run, also where options say something else", async () => {
    const project = emptyProject();
    await initialise(project, "--object", "Room");
    project.write("src/main.ts", "// mine\n");
    project.write("AGENTS.md", `# Mine\n\n${project.read("AGENTS.md")}\nMore of mine\n`);
    const before = project.files();
    expect([...new Set(Object.values(changesOf(await initialise(project))))]).toEqual(["unchanged"]);
    const other = await initialise(project, "--store", "postgres", "--object", "Guest");
    expect(changesOf(other)).toMatchObject({ "package.json": "changed", "src/objects/guest.ts": "created" });
    expect(other.files.find(({ change }) => change === "kept")).toMatchObject({
      path: "durable-object.config.ts",
      note: expect.stringContaining("store: postgres(url)") as string,
    });
    expect(project.read("durable-object.config.ts")).toContain("objects: [Room, Guest]");
    expect(project.read("durable-object.config.ts")).toContain('sqlite("app.db")');
    for (const path of ["src/main.ts", "AGENTS.md", "src/objects/room.ts"])
      expect(project.read(path)).toBe(before[path]);
  });

  test("one without TypeScript stays with JavaScript; one that may be CommonJS stays what it is", async () => {
    const project = emptyProject();
    project.write("package.json", '{ "name": "old", "dependencies": { "express": "5" } }\n');
    const report = await initialise(project);
    expect(Object.keys(changesOf(report))).toEqual(
      expect.arrayContaining(["src/main.mjs", "src/objects/counter.mjs", "durable-object.config.mjs"]),
    );
    expect(project.files()["tsconfig.json"]).toBeUndefined();
    const manifest = manifestOf(project);
    expect(manifest["type"]).toBeUndefined();
    expect(manifest["scripts"]).toEqual({ start: "node src/main.mjs" });
    expect(manifest["devDependencies"]).toBeUndefined();
  });

  test("a package.json that cannot be read stays as it is", async () => {
    const project = emptyProject();
    for (const text of ["{ no", "[]", '{ "scripts": [] }']) {
      project.write("package.json", text);
      expect(await project.cli("init", ...quietly)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("INVALID_PROJECT: package.json") as string,
      });
      expect(project.files()).toEqual({ "package.json": text });
    }
  });
});

describe("what is installed", () => {
  test("by the package manager of the project, without what this process was told; a failure is said", async () => {
    const bin = emptyProject();
    const script = '#!/bin/sh\necho "$0 $@ [$npm_config_local_prefix] $npm_config_registry" >> "$LOG"\n[ ! -e fail ]\n';
    for (const name of ["npm", "pnpm"]) {
      bin.write(name, script);
      chmodSync(join(bin.directory, name), 0o755);
    }
    const log = join(bin.directory, "log");
    const env = { PATH: `${bin.directory}:/bin`, LOG: log, npm_config_local_prefix: "/", npm_config_registry: "R" };
    const project = emptyProject(env);
    expect(jsonOf(await project.cli("init", "--json", "--yes", "--from", "."))).toMatchObject({ installed: true });
    expect(manifestOf(project)["dependencies"]).toEqual({ "durable-object": "file:" });
    expect(bin.read("log")).toBe(`${join(bin.directory, "npm")} install --no-audit --no-fund --loglevel=error [] R\n`);

    const other = emptyProject(env);
    other.write("pnpm-lock.yaml", "");
    mkdirSync(join(other.directory, "inside"));
    other.write("fail", "");
    const failed = await other.cli("init", "--yes");
    expect(failed.code).toBe(3);
    expect(failed.stderr).toContain("INSTALL_FAILED: pnpm install failed (1)");
    expect(other.files()["durable-object.config.ts"]).toBeDefined();
    expect(bin.read("log")).toContain(`${join(bin.directory, "pnpm")} install [] R\n`);
  });

  test("what the choices need", async () => {
    const cases: [string[], Record<string, string>][] = [
      [["--store", "postgres"], { pg: "^8.12.0" }],
      [["--scheduler", "pg-boss"], { pg: "^8.12.0", "pg-boss": "^12.0.0" }],
      [["--cluster"], { pg: "^8.12.0", ws: "^8.17.0" }],
      [["--cluster", "nats"], { pg: "^8.12.0", "@nats-io/transport-node": peerRange("@nats-io/transport-node") }],
    ];
    for (const [args, needed] of cases) {
      const project = emptyProject();
      await initialise(project, "--from", "1.2.3", ...args);
      expect(manifestOf(project)["dependencies"]).toEqual({ "durable-object": "1.2.3", ...needed });
    }
  });
});

describe("the application that is written", () => {
  test("compiles under strict settings, whatever was chosen", { timeout: 60_000 }, async () => {
    const variants = [
      [],
      ["--store", "postgres"],
      ["--scheduler", "pg-boss", "--queue", "alarms"],
      ["--cluster"],
      ["--cluster", "nats", "--scheduler", "pg-boss", "--object", "HTTPServer"],
    ];
    const written: Readonly<Record<string, string>>[] = [];
    for (const args of variants) {
      const project = emptyProject();
      await initialise(project, ...args);
      written.push(project.files());
    }
    for (const language of ["ts", "js"]) {
      const project = emptyProject();
      if (language === "ts") project.write("package.json", "{}");
      await initialise(project, "--language", language);
      for (const [name, fields] of [
        ["Everything", "a:integer,b:float,c:string,d:boolean,e:map,f:list,g:utc_datetime,h:naive_datetime,i:any,j"],
        ["Words", "name:string"],
        ["Times", "at:utc_datetime"],
        ["Anything", "what"],
        ["Nothing", ""],
      ]) {
        expect(await project.cli("new", "object", name ?? "", "--fields", fields ?? "", "--tests")).toMatchObject({
          code: 0,
        });
      }
      written.push(project.files());
    }
    expect(await compileProjects(written)).toBe("");
  });

  test("JavaScript in a project of CommonJS runs", async () => {
    const project = emptyProject();
    project.write("package.json", '{ "type": "commonjs" }\n');
    await initialise(project, "--language", "js");
    linkPackages(project.directory);
    const { output, code } = await runUntil(project.directory, "src/main.mjs", 'alarm: "starts" is at 1');
    expect(output).toContain("call: this application was started 1 time;");
    expect(output).toContain("stopped: what was answered is kept");
    expect(code).toBe(0);
  });

  test.skipIf(!hasPostgres)("one of a cluster, with pg-boss, on PostgreSQL runs", async () => {
    const database = freshName();
    await sql(`CREATE DATABASE ${database}`);
    onTestFinished(async () => void (await sql(`DROP DATABASE ${database} WITH (FORCE)`)));
    const project = emptyProject();
    await initialise(project, "--cluster", "--scheduler", "pg-boss");
    linkPackages(project.directory, "pg", "pg-boss", "ws");
    const url = postgresUrl((changed) => (changed.pathname = `/${database}`));
    const run = await runUntil(project.directory, "src/main.ts", 'alarm: "starts" is at 1', { DATABASE_URL: url });
    expect(run.output).toContain("call: this application was started 1 time;");
    expect(run.code).toBe(0);

    const without = await runUntil(project.directory, "src/main.ts", "never", { DATABASE_URL: "" });
    expect(without.output).toContain("Set DATABASE_URL");
  });
});
