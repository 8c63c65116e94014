/**
 * The commands. Each is one file that adds itself to the program; what it does stands in an exported function beside
 * it that takes a shell, so that a test can run it in its own process.
 */

import { Command, CommanderError } from "commander";
import type { Writable } from "node:stream";
import { addAlarms } from "./alarms-command.ts";
import { addCall } from "./call-command.ts";
import { addCheck } from "./check-command.ts";
import { addDelete } from "./delete-command.ts";
import { addExport } from "./export-command.ts";
import { addGet } from "./get-command.ts";
import { addImport } from "./import-command.ts";
import { addInit } from "./init-command.ts";
import { addDoctor } from "./doctor-command.ts";
import { addLs } from "./ls-command.ts";
import { addMigrate } from "./migrate-command.ts";
import { addMigrations } from "./migrations-command.ts";
import { addNewObject } from "./new-object-command.ts";
import { addRedrive } from "./redrive-command.ts";
import { exitCodes, type ExitCode } from "./exit-code.ts";
import { commandFailure } from "./failure.ts";
import { Shell, type Surroundings } from "./shell.ts";

/** Adds a command to the program. */
export type AddCommand = (program: Command, shell: Shell) => void;

/** In the order of the help. */
const commands: readonly AddCommand[] = [
  addInit,
  addNewObject,
  addLs,
  addGet,
  addCall,
  addAlarms,
  addRedrive,
  addDelete,
  addCheck,
  addExport,
  addImport,
  addMigrate,
  addMigrations,
  addDoctor,
];

/**
 * The program with its commands; nothing is run yet.
 *
 * @param version - of this package
 */
function buildProgram(shell: Shell, version: string): Command {
  const { stdout, stderr } = shell.surroundings;
  const program = new Command("durable-object")
    .description("Objects that keep their state: set up, look at, repair.")
    .version(version)
    .option("--json", "print JSON, for programs")
    .showSuggestionAfterError()
    .showHelpAfterError("(--help says what there is)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      // What is wrong with the arguments is told below, where JSON was asked for.
      writeErr: (text) => void (shell.json || stderr.write(text)),
    });
  program.hook("preAction", (_, command) => {
    shell.json = command.optsWithGlobals<{ json?: boolean }>().json === true;
  });
  for (const add of commands) add(program, shell);
  return program;
}

/**
 * Runs the command line.
 *
 * @param args - without `node` and the script
 * @returns the exit code; what there is to say has been printed
 */
export async function run(args: readonly string[], surroundings: Surroundings, version: string): Promise<ExitCode> {
  const shell = new Shell(surroundings);
  const program = buildProgram(shell, version);
  // A guess, for arguments that are wrong; a command that is run knows.
  shell.json = args.slice(0, args.includes("--") ? args.indexOf("--") : args.length).includes("--json");
  try {
    await program.parseAsync([...args], { from: "user" });
    return shell.exitCode;
  } catch (error) {
    return fail(shell, error);
  }
}

function fail(shell: Shell, error: unknown): ExitCode {
  const { stdout, stderr } = shell.surroundings;
  if (error instanceof CommanderError) {
    // Help and version end this way too.
    if (error.exitCode === 0) return exitCodes.done;
    if (shell.json) tell(stdout, "INVALID_ARGUMENTS", error.message.replace(/^error: /, ""));
    return exitCodes.usage;
  }
  const failure = commandFailure(error);
  if (failure === null) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (shell.json) tell(stdout, "INTERNAL", text);
    else stderr.write(`This is a fault of durable-object itself. Please report it with the text below.\n${text}\n`);
    return exitCodes.fault;
  }
  const { code, message, exitCode } = failure;
  if (shell.json) tell(stdout, code, message);
  else stderr.write(`${code}: ${message}\n`);
  return exitCode;
}

function tell(stdout: Writable, code: string, message: string): void {
  stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
}
