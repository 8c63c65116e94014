/** `new object`: an object with its fields, its place in the configuration, and a test if it is wanted. */

import type { Command } from "commander";
import { configurationNames } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { fieldTypeNames, parseFields } from "./object-fields.ts";
import { withObject } from "./object-list.ts";
import { checkObjectName } from "./object-name.ts";
import { objectTestText, objectText } from "./object-text.ts";
import { languageOf, objectPath, type Extension } from "./project-files.ts";
import { changesText, Project } from "./project.ts";
import type { Shell } from "./shell.ts";

interface NewObjectOptions {
  readonly fields: string;
  readonly tests?: boolean;
}

export function addNewObject(program: Command, shell: Shell): void {
  program
    .command("new")
    .description("write something new into this project")
    .command("object")
    .description("declare an object: src/objects/<name>, and its place in durable-object.config")
    .argument("<Name>", "its name, as ShoppingCart")
    .option("--fields <fields>", `its state, as name:type,…; the types are ${fieldTypeNames.join(", ")}`, "")
    .option("--tests", "write a test beside it, for node --test")
    .action((name: string, options: NewObjectOptions) => newObject(shell, name, options));
}

/** Declares an object in a project. Nothing that is there is overwritten. */
function newObject(shell: Shell, given: string, { fields: list, tests }: NewObjectOptions): void {
  const name = checkObjectName(given);
  const fields = parseFields(list);
  const project = new Project(shell.surroundings.cwd);
  const configuration = configurationNames.find((file) => project.has(file)) ?? null;
  const extension = extensionOf(project, configuration);
  const path = objectPath(name, extension);
  const text = objectText(name, fields, languageOf(extension));
  if ((project.read(path) ?? text) !== text) {
    throw new CommandFailure(exitCodes.found, "ALREADY_THERE", `${path} is there already, and was left as it is.`);
  }
  project.create({ path, text });
  if (tests === true) {
    const file = path.replace(/\.(\w+)$/, ".test.$1");
    project.create({ path: file, text: objectTestText(name, fields, extension) });
  }
  const missing = addToConfiguration(project, configuration, name, path);
  project.write();
  const next = [...(missing === null ? [] : [missing]), ...(tests === true ? ["node --test"] : [])];
  shell.result({ files: project.changes, next }, () =>
    [changesText(project.changes), ...next.map((step) => `\nNext: ${step}`)].join("\n"),
  );
}

/** Puts an object into the list that the runtime is given. What is left to the user, if anything is. */
export function addToConfiguration(
  project: Project,
  configuration: string | null,
  name: string,
  path: string,
): string | null {
  const lines = `import { ${name} } from "./${path}", and objects: [${name}]`;
  if (configuration === null) return `there is no durable-object.config.ts: give it to createRuntime: ${lines}`;
  const after = withObject(project.read(configuration) ?? "", name, path);
  if (after === null) project.keep(configuration, `it has a shape of its own; add ${lines}`);
  else project.change(configuration, () => after);
  return null;
}

/** The ending of the configuration, or that of a project without one. */
function extensionOf(project: Project, configuration: string | null): Extension {
  if (configuration !== null) return configuration.slice(configuration.lastIndexOf(".") + 1) as Extension;
  return project.has("package.json") && !project.has("tsconfig.json") ? "js" : "ts";
}
