/**
 * `init`: durable objects in a project, new or existing.
 *
 * Nothing that is there is overwritten, and a second run changes nothing. Where there is a configuration already, the
 * project is set up: only what it lacks around it is added, and an object if one is named.
 */

import { InvalidArgumentError, Option, type Command } from "commander";
import { relative, resolve } from "node:path";
import { existsSync } from "node:fs";
import { withAgentRules } from "./agent-rules.ts";
import { configurationNames } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { askInit, type InitAnswers } from "./init-questions.ts";
import { addToConfiguration } from "./new-object-command.ts";
import { checkObjectName } from "./object-name.ts";
import { firstObjectText, type Language } from "./object-text.ts";
import { ownManifest, ownSource } from "./own-manifest.ts";
import { findPackageManager, installPackages } from "./installer.ts";
import { parseManifest, withNeeds, type ManifestNeeds } from "./package-manifest.ts";
import {
  applicationFiles,
  configurationFile,
  dependenciesOf,
  languageOf,
  objectPath,
  settingsOf,
  tsconfigFile,
  type Extension,
  type ProjectChoice,
} from "./project-files.ts";
import { changesText, Project } from "./project.ts";
import type { Shell } from "./shell.ts";

/** The options of `init`; what is not given is asked for, or has its default. */
export interface InitOptions extends Omit<InitAnswers, "cluster"> {
  readonly language?: Language;
  readonly queue?: string;
  /** `true` is the flag without a value. */
  readonly cluster?: "peers" | "nats" | true;
  readonly from?: string;
  readonly yes?: boolean;
  readonly install: boolean;
  readonly agents: boolean;
  readonly dryRun?: boolean;
}

export function addInit(program: Command, shell: Shell): void {
  program
    .command("init")
    .description("set up durable objects in this folder; what is there stays as it is")
    .option("--object <Name>", "the first object (default: Counter)")
    .addOption(new Option("--language <language>", "of what is written").choices(["ts", "js"]))
    .addOption(new Option("--store <kind>", "where objects are kept (default: sqlite)").choices(["sqlite", "postgres"]))
    .addOption(
      new Option("--scheduler <kind>", "what finds alarms that are due (default: polling)").choices([
        "polling",
        "pg-boss",
      ]),
    )
    .option(
      "--queue <name>",
      "the queue of pg-boss that alarms are jobs of (default: durable-object-alarms)",
      queueName,
    )
    .addOption(
      new Option("--cluster [transport]", "several processes share the objects (default: peers)").choices([
        "peers",
        "nats",
      ]),
    )
    .option(
      "--from <spec>",
      "where durable-object is installed from: a version, a folder, a tarball (default: where this one came from)",
    )
    .option("--no-install", "write files, and install nothing")
    .option("--no-agents", "leave AGENTS.md and CLAUDE.md alone")
    .option("--dry-run", "say what would be done, and do nothing")
    .option("-y, --yes", "ask nothing: take the defaults")
    .action(async (options: InitOptions) => await init(shell, options));
}

/** Sets up a project. */
async function init(shell: Shell, options: InitOptions): Promise<void> {
  const project = new Project(shell.surroundings.cwd);
  const configuration = configurationNames.find((name) => project.has(name)) ?? null;
  const choice = await choose(shell, project, configuration, options);
  const notes =
    configuration === null ? setUp(project, choice, options) : addTo(project, configuration, choice, options);
  if (options.agents) {
    for (const path of ["AGENTS.md", "CLAUDE.md"]) {
      if (path === "AGENTS.md" || project.has(path)) project.change(path, withAgentRules);
    }
  }
  const isChanged = project.changes.some(({ change }) => change === "created" || change === "changed");
  if (options.dryRun !== true) project.write();
  const installed = options.dryRun !== true && options.install && (await install(shell, project));
  const next = [...notes, ...(isChanged ? nextSteps(choice, project, installed, configuration === null) : [])];
  shell.result({ files: project.changes, installed, next }, () =>
    [
      changesText(project.changes),
      ...(isChanged ? [] : ["", "Everything was there already: nothing was changed."]),
      ...(options.dryRun === true && isChanged ? ["", "Nothing of this was done: --dry-run."] : []),
      ...(next.length === 0 ? [] : ["", "Next:", ...next.map((step) => `  ${step}`)]),
    ].join("\n"),
  );
}

/** What no option says, and nobody can be asked, has a default. */
async function choose(
  shell: Shell,
  project: Project,
  configuration: string | null,
  { language, queue, ...options }: InitOptions,
): Promise<ProjectChoice> {
  const given = options.cluster === true ? "peers" : options.cluster;
  const needs = given === undefined ? (options.scheduler === "pg-boss" ? "pg-boss" : null) : "A cluster";
  if (needs !== null && options.store === "sqlite") throw invalid(`${needs} needs PostgreSQL: --store postgres.`);
  if (queue !== undefined && options.scheduler !== "pg-boss") throw invalid("--queue needs --scheduler pg-boss.");
  if (options.object !== undefined) checkObjectName(options.object);
  const known: InitAnswers = {
    object: options.object,
    store: options.store ?? (needs === null ? undefined : "postgres"),
    scheduler: options.scheduler,
    cluster: given,
  };
  const extension = extensionOf(project, configuration, language);
  const asks = shell.isInteractive && options.yes !== true && configuration === null;
  const { object, store, scheduler, cluster } = asks ? await askInit(shell, known) : known;
  return {
    extension,
    object: object ?? "Counter",
    store: store ?? "sqlite",
    scheduler: scheduler ?? "polling",
    queue: queue ?? "durable-object-alarms",
    cluster: cluster ?? null,
  };
}

/** TypeScript, unless the project that is there has nothing of it; `.mts` and `.mjs` where a module has to say so. */
function extensionOf(project: Project, configuration: string | null, wanted: Language | undefined): Extension {
  if (configuration !== null) return configuration.slice(configuration.lastIndexOf(".") + 1) as Extension;
  const text = project.read("package.json");
  if (text === null) return wanted ?? "ts";
  const { type, dependencies, devDependencies } = parseManifest(text);
  const packages = Object.keys({ ...dependencies, ...devDependencies });
  const isTyped = packages.length === 0 || packages.includes("typescript") || project.has("tsconfig.json");
  const language = wanted ?? (isTyped ? "ts" : "js");
  return type === "module" ? language : `m${language}`;
}

/** A project without a configuration gets all of it. The configuration is the last: it says that the rest is there. */
function setUp(project: Project, choice: ProjectChoice, options: InitOptions): readonly string[] {
  const { extension } = choice;
  const isTyped = languageOf(extension) === "ts";
  const start = `node src/main.${extension}`;
  const notes: string[] = [];
  changeManifest(project, options.from, {
    scripts: { start, ...(isTyped && !project.has("package.json") ? { typecheck: "tsc" } : {}) },
    dependencies: dependenciesOf(choice),
    devDependencies: isTyped ? typeScriptTools() : {},
  });
  if (isTyped) {
    project.create(
      tsconfigFile(extension),
      /allowImportingTsExtensions|rewriteRelativeImportExtensions/.test(project.read("tsconfig.json") ?? "")
        ? undefined
        : "Node.js imports .ts files by their whole name: it needs allowImportingTsExtensions or rewriteRelativeImportExtensions",
    );
  }
  project.change(".gitignore", (before) =>
    withLines(before, ["node_modules/", ...(choice.store === "sqlite" ? ["app.db*"] : [])]),
  );
  for (const file of applicationFiles(choice)) {
    const isMain = file.path.startsWith("src/main.");
    project.create(file, isMain ? "it is yours: give createRuntime what durable-object.config exports" : undefined);
  }
  project.create(configurationFile(choice));
  const has = parseManifest(project.read("package.json") ?? "{}").scripts?.["start"];
  if (has !== start) notes.push(`${start}   ("npm start" is something of yours)`);
  return notes;
}

/** A project that is set up gets what an option names, and nothing that its owner may have taken away. */
function addTo(
  project: Project,
  configuration: string,
  choice: ProjectChoice,
  options: InitOptions,
): readonly string[] {
  const { object, store, scheduler, cluster } = options;
  const isSaid = [store, scheduler, cluster].some((option) => option !== undefined);
  changeManifest(project, options.from, {
    scripts: {},
    dependencies: isSaid ? dependenciesOf(choice) : {},
    devDependencies: {},
  });
  const notes: string[] = [];
  if (object !== undefined) {
    const path = objectPath(object, choice.extension);
    project.create({ path, text: firstObjectText(object) });
    const missing = addToConfiguration(project, configuration, object, path);
    if (missing !== null) notes.push(missing);
  }
  if (!isSaid) {
    if (object === undefined) project.change(configuration, (before) => before ?? "");
    return notes;
  }
  const settings = settingsOf(choice)
    .map((line) => line.trim())
    .filter((line) => !line.startsWith("//"));
  const text = project.read(configuration) ?? "";
  if (settings.every((line) => text.includes(line))) project.change(configuration, () => text);
  else project.keep(configuration, `it is yours; with these options it has ${settings.join(" ")}`);
  return notes;
}

function changeManifest(project: Project, from: string | undefined, needs: ManifestNeeds): void {
  const dependencies = { "durable-object": dependencySpec(project.directory, from), ...needs.dependencies };
  project.change("package.json", (before) => withNeeds(before, project.directory, { ...needs, dependencies }));
}

/** What package.json says of this package. A path is one from the project. */
function dependencySpec(directory: string, given: string | undefined): string {
  const from = given ?? ownSource() ?? undefined;
  if (from === undefined) return `^${ownManifest().version}`;
  const path = resolve(directory, from);
  return existsSync(path) ? `file:${relative(directory, path).replaceAll("\\", "/")}` : from;
}

/** What a project in TypeScript needs to be checked. It runs without. */
function typeScriptTools(): Readonly<Record<string, string>> {
  return { "@types/node": `^${process.versions.node.split(".")[0] ?? "24"}.0.0`, typescript: "^7.0.0" };
}

function withLines(before: string | null, lines: readonly string[]): string {
  const text = before ?? "";
  const there = new Set(text.split(/\r?\n/).map((line) => line.trim().replace(/^\/|\/$/g, "")));
  const missing = lines.filter((line) => !there.has(line.replace(/\/$/, "")));
  if (missing.length === 0) return text;
  const start = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return `${start}${missing.join("\n")}\n`;
}

/** Whether anything was to be installed, and was. */
async function install(shell: Shell, project: Project): Promise<boolean> {
  const isChanged = project.changes.some(({ path, change }) => path === "package.json" && change !== "unchanged");
  if (!isChanged && project.has("node_modules/durable-object")) return false;
  const { packageManager } = parseManifest(project.read("package.json") ?? "{}");
  const { directory } = project;
  await installPackages(shell, directory, findPackageManager(directory, packageManager, shell.surroundings.env));
  return true;
}

/** What to do now, in order. */
function nextSteps(choice: ProjectChoice, project: Project, isInstalled: boolean, isNew: boolean): string[] {
  const { store, scheduler, queue, cluster } = choice;
  const needsInstall = !isInstalled && !project.has("node_modules/durable-object");
  const steps = [
    ...(needsInstall ? ["npm install"] : []),
    ...(store === "postgres"
      ? [
          "export DATABASE_URL=postgres://user:password@localhost/app",
          "npx durable-object migrate   creates the tables; `migrations new` writes the SQL for a tool of your own",
        ]
      : []),
    ...(scheduler === "pg-boss"
      ? [`pg-boss: alarms are jobs of the queue "${queue}", which the first start makes, in the same database`]
      : []),
  ];
  if (!isNew) return steps;
  return [
    ...steps,
    "npm start                    a call, and two seconds later an alarm; start it again: it goes on",
    "npx durable-object ls        what is stored",
    "npx durable-object check     whether all that is stored loads with your code",
    ...(cluster === null
      ? []
      : ["npm start, again and again   each process owns a part of the objects, any of them takes any call"]),
  ];
}

function queueName(name: string): string {
  if (/^[\w./-]{1,128}$/.test(name)) return name;
  throw new InvalidArgumentError("It consists of letters, digits, and _ . / -");
}

function invalid(problem: string): CommandFailure {
  return new CommandFailure(exitCodes.usage, "INVALID_ARGUMENTS", problem);
}
