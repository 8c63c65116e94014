/** `init`: durable objects in a project, new or existing. A second run changes nothing. */

import { select } from "@clack/prompts";
import { Option, type Command } from "commander";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { checkObjectName } from "./object-fields.ts";
import { parseManifest, withNeeds } from "./package-manifest.ts";
import { dependenciesOf, projectFiles, type ProjectChoice } from "./project-files.ts";
import { changesText, Project } from "./project.ts";
import type { Shell } from "./shell.ts";

interface InitOptions {
  readonly store?: ProjectChoice["store"];
  readonly scheduler?: ProjectChoice["scheduler"];
  readonly language?: ProjectChoice["language"];
  readonly cluster?: boolean;
  readonly object: string;
  readonly yes?: boolean;
  readonly install: boolean;
  readonly from?: string;
}

/** Ranges of what a project in TypeScript needs to be checked. It runs without. */
const typeScriptTools = { "@types/node": ">=22", typescript: ">=5.9" };

const agentsMark = "<!-- durable-object -->";
const agentsBlock = `${agentsMark}
## durable-object

This project uses durable objects. Before you write or change one, read node_modules/durable-object/usage-rules.md.
${agentsMark}
`;

export function addInit(program: Command, shell: Shell): void {
  program
    .command("init")
    .description("set up durable objects in this folder; files that are there stay as they are")
    .addOption(new Option("--store <kind>", "where objects are kept").choices(["sqlite", "postgres"]))
    .addOption(new Option("--scheduler <kind>", "what finds alarms that are due").choices(["polling", "pg-boss"]))
    .addOption(new Option("--language <language>", "of what is written").choices(["ts", "js"]))
    .option("--cluster", "several processes share the objects; needs PostgreSQL")
    .option("--object <Name>", "the first object", "Counter")
    .option("--yes", "ask nothing, take the defaults")
    .option("--no-install", "install no packages")
    .option("--from <spec>", "where durable-object is installed from: a version, a folder, a tarball")
    .action(async (options: InitOptions) => await init(shell, program.version() ?? "", options));
}

async function init(shell: Shell, version: string, options: InitOptions): Promise<void> {
  const project = new Project(shell.surroundings.cwd);
  const choice = await choose(shell, project, options);
  const { language } = choice;
  project.change("package.json", (before) =>
    withNeeds(before, project.directory, {
      start: `node src/main.${language}`,
      dependencies: { "durable-object": options.from ?? `^${version}`, ...dependenciesOf(choice) },
      devDependencies: language === "ts" ? typeScriptTools : {},
    }),
  );
  for (const file of projectFiles(choice)) project.create(file);
  project.change(".gitignore", (before) => withLines(before, ["node_modules/", "app.db*"]));
  for (const path of ["AGENTS.md", "CLAUDE.md"]) {
    if (path === "AGENTS.md" || project.read(path) !== null) project.change(path, withAgentsBlock);
  }

  const isInstalled = options.install && (await install(shell, project));
  const steps = nextSteps(choice, isInstalled);
  shell.result({ files: project.changes, installed: isInstalled, next: steps }, () =>
    [
      changesText(project.changes),
      ...(project.changes.some(({ change }) => change === "kept")
        ? ["", "What was left as it is was there already and is yours; nothing in it was changed."]
        : []),
      "",
      "Next:",
      ...steps.map((step) => `  ${step}`),
    ].join("\n"),
  );
}

/** What no flag says and nobody can be asked has a default. */
async function choose(shell: Shell, project: Project, options: InitOptions): Promise<ProjectChoice> {
  const asks = shell.isInteractive && options.yes !== true;
  const cluster = options.cluster === true;
  const needsPostgres = cluster || options.scheduler === "pg-boss";
  if (needsPostgres && options.store === "sqlite") {
    const what = cluster ? "A cluster" : "pg-boss";
    throw new CommandFailure(exitCodes.usage, "INVALID_ARGUMENTS", `${what} needs PostgreSQL: --store postgres.`);
  }
  let store = options.store ?? (needsPostgres ? "postgres" : null);
  if (store === null && asks && project.read("durable-object.config.ts") === null) {
    const answer = await select({
      message: "Where are objects kept?",
      options: [
        { value: "sqlite" as const, label: "SQLite", hint: "a file beside the application; nothing to install" },
        { value: "postgres" as const, label: "PostgreSQL", hint: "also for several processes" },
      ],
    });
    if (typeof answer === "symbol")
      throw new CommandFailure(exitCodes.declined, "NOT_CONFIRMED", "Nothing was changed.");
    store = answer;
  }
  return {
    store: store ?? "sqlite",
    cluster,
    scheduler: options.scheduler ?? "polling",
    language: options.language ?? languageOf(project),
    object: checkObjectName(options.object),
  };
}

/** A project that is there and has nothing of TypeScript stays with JavaScript. */
function languageOf(project: Project): ProjectChoice["language"] {
  const text = project.read("package.json");
  if (project.read("durable-object.config.js") !== null) return "js";
  if (text === null || project.read("tsconfig.json") !== null || project.read("durable-object.config.ts") !== null)
    return "ts";
  const { dependencies = {}, devDependencies = {} } = parseManifest(text);
  const has = Object.keys({ ...dependencies, ...devDependencies });
  return has.length === 0 || has.includes("typescript") ? "ts" : "js";
}

function withLines(before: string | null, lines: readonly string[]): string {
  const there = new Set((before ?? "").split(/\r?\n/).map((line) => line.trim()));
  const missing = lines.filter((line) => !there.has(line) && !there.has(line.replace(/\/$/, "")));
  if (missing.length === 0) return before ?? "";
  const start = before === null || before === "" || before.endsWith("\n") ? (before ?? "") : `${before}\n`;
  return `${start}${missing.join("\n")}\n`;
}

function withAgentsBlock(before: string | null): string {
  if (before?.includes(agentsMark) === true) return before;
  return before === null || before.trim() === "" ? agentsBlock : `${before.trimEnd()}\n\n${agentsBlock}`;
}

/** Installs with the package manager that the project uses. Whether anything was to be installed, and was. */
async function install(shell: Shell, project: Project): Promise<boolean> {
  const isChanged = project.changes.some(({ path, change }) => path === "package.json" && change !== "unchanged");
  if (!isChanged && existsSync(join(project.directory, "node_modules/durable-object"))) return false;
  const manager = packageManager(project);
  const args = manager === "npm" ? ["install", "--no-audit", "--no-fund", "--loglevel=error"] : ["install"];
  shell.note(`${manager} ${args.join(" ")}`);
  const child = spawn(manager, args, {
    cwd: project.directory,
    env: { ...shell.surroundings.env },
    stdio: ["ignore", shell.json ? "ignore" : process.stderr, shell.json ? "ignore" : process.stderr],
    shell: process.platform === "win32",
  });
  const status = await new Promise<number | string | null>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", resolve);
  });
  if (status === 0) return true;
  throw new CommandFailure(
    exitCodes.unavailable,
    "INSTALL_FAILED",
    `${manager} ${args.join(" ")} failed (${status ?? "killed"}). The files are written; run it again by hand.`,
  );
}

function packageManager(project: Project): string {
  if (project.read("pnpm-lock.yaml") !== null) return "pnpm";
  if (project.read("yarn.lock") !== null) return "yarn";
  if (project.read("bun.lock") !== null || existsSync(join(project.directory, "bun.lockb"))) return "bun";
  return "npm";
}

function nextSteps({ store, scheduler, cluster }: ProjectChoice, isInstalled: boolean): readonly string[] {
  return [
    ...(isInstalled ? [] : ["npm install"]),
    ...(store === "postgres"
      ? [
          "export DATABASE_URL=postgres://user:password@localhost/app",
          "npx durable-object migrate          creates the tables; or `npx durable-object migrations sql` for your own tool",
        ]
      : []),
    "npm start                           a call, and an alarm two seconds later; start it again, and it goes on",
    "npx durable-object ls               what is stored",
    "npx durable-object check            whether all that is stored loads with your code",
    ...(scheduler === "pg-boss" ? ['alarms are jobs of the queue "durable-object-alarms" of pg-boss'] : []),
    ...(cluster ? ["start it on several machines: each owns a part of the objects, any of them takes any call"] : []),
  ];
}
