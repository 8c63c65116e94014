/** docs/cli.md names every command with its options, and the exit codes of the code. */

import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit-code.ts";
import { commandLine } from "../support/command-line.ts";
import { codeIn, rowsUnder, textOf } from "./page.ts";

const page = "docs/cli.md";
const cli = commandLine({ cwd: "/" });

/** The commands below one, from its help. */
async function commandsBelow(path: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await cli(...path, "--help");
  const [, list = ""] = /^Commands:\n((?: {2}.*\n?)+)/m.exec(stdout) ?? [];
  return [...list.matchAll(/^ {2}(\w+)/gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
}

/** Every command that does something, as the words that call it. */
async function leavesOf(path: readonly string[]): Promise<readonly (readonly string[])[]> {
  const below = await commandsBelow(path);
  if (below.length === 0) return [path];
  return (await Promise.all(below.map((name) => leavesOf([...path, name])))).flat();
}

/** The text under the heading of a command, or of the one that it belongs to. */
function sectionOf(command: readonly string[]): string {
  const sections = textOf(page).split(/^## /m);
  const names = [command.join(" "), command[0] ?? ""];
  return names.map((name) => sections.find((section) => section.startsWith(`${name}\n`))).find(Boolean) ?? "";
}

test("the exit codes are those of the code", () => {
  const rows = rowsUnder(page, "What is printed", "exit code");
  const documented = rows.map((row) => [codeIn(row["name"])[0], Number(row["exit code"])]);
  expect(Object.fromEntries(documented)).toEqual(exitCodes);
});

test("every command is documented with an example and each of its options", async () => {
  const everywhere = textOf(page).split(/^## init/m)[0] ?? "";
  const commands = await leavesOf([]);
  expect(commands.map((command) => command.join(" "))).toEqual(expect.arrayContaining(["init", "new object", "ls"]));
  const missing: string[] = [];
  for (const command of commands) {
    const section = sectionOf(command);
    if (!section.includes(`npx durable-object ${command.join(" ")}`)) missing.push(command.join(" "));
    const { stdout } = await cli(...command, "--help");
    for (const [, option = ""] of stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)) {
      const isSaid = [section, everywhere].some((text) => new RegExp(`${option}(?![\\w-])`).test(text));
      if (option !== "--help" && !isSaid) missing.push(`${command.join(" ")} ${option}`);
    }
  }
  expect(missing).toEqual([]);
});
