/** `new object`: an object with its fields, and its place in the configuration. */

import type { Command } from "commander";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { checkObjectName, objectText, parseFields } from "./object-fields.ts";
import { objectPath, type ProjectChoice } from "./project-files.ts";
import { changesText, Project } from "./project.ts";
import type { Shell } from "./shell.ts";

export function addNew(program: Command, shell: Shell): void {
  program
    .command("new")
    .description("write something new into this project")
    .command("object")
    .description("declare an object: src/objects/<name>, and its place in durable-object.config")
    .argument("<Name>", "as ShoppingCart")
    .option(
      "--fields <fields>",
      "name:type,… of integer, float, string, boolean, map, list, utc_datetime, naive_datetime",
      "",
    )
    .action((name: string, { fields }: { readonly fields: string }) => newObject(shell, name, fields));
}

function newObject(shell: Shell, given: string, fields: string): void {
  const project = new Project(shell.surroundings.cwd);
  const name = checkObjectName(given);
  const language: ProjectChoice["language"] =
    project.read("durable-object.config.js") !== null && project.read("durable-object.config.ts") === null
      ? "js"
      : "ts";
  const path = objectPath(name, language);
  const text = objectText(name, parseFields(fields), language);
  if (project.read(path) !== null && project.read(path) !== text) {
    throw new CommandFailure(exitCodes.found, "ALREADY_THERE", `${path} is there already, and was left as it is.`);
  }
  project.create({ path, text });

  const config = `durable-object.config.${language}`;
  const before = project.read(config);
  const after = before === null ? null : withObject(before, name, path);
  if (after !== null) project.change(config, () => after);
  const hint =
    after === null
      ? `Add it to the objects of your runtime: import { ${name} } from "./${path}"; objects: [${name}]`
      : null;
  shell.result({ files: project.changes, hint }, () =>
    [changesText(project.changes), ...(hint === null ? [] : ["", hint])].join("\n"),
  );
}

/** The configuration with one more object; null if it is not in the shape that `init` writes. */
function withObject(text: string, name: string, path: string): string | null {
  const list = /^([ \t]*objects: \[)([^\]]*)(\])/m.exec(text);
  if (list === null) return null;
  const [whole, start = "", inside = "", end = ""] = list;
  const names = inside
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  if (names.some((each) => !/^[\w$]+$/.test(each))) return null;
  const listed = names.includes(name) ? whole : `${start}${[...names, name].join(", ")}${end}`;
  const line = `import { ${name} } from "./${path}";`;
  const withList = text.replace(whole, () => listed);
  if (withList.includes(line)) return withList;
  const imports = [...withList.matchAll(/^import .*$/gm)];
  const last = imports.at(-1);
  if (last === undefined) return `${line}\n${withList}`;
  const at = last.index + last[0].length;
  return `${withList.slice(0, at)}\n${line}${withList.slice(at)}`;
}
