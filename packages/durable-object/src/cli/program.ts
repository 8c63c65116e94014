/**
 * The commands. Each is one file that adds itself to the program; what it does stands in an exported function beside
 * it that takes a shell, so that a test can run it in its own process.
 */

import { Command, CommanderError } from "commander";
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
import { addNew } from "./new-command.ts";
import { addRedrive } from "./redrive-command.ts";
import { exitCodes, type ExitCode } from "./exit-code.ts";
import { commandFailure } from "./failure.ts";
import { Shell, type Surroundings } from "./shell.ts";

/** Adds a command to the program. */
export type AddCommand = (program: Command, shell: Shell) => void;

/** In the order of the help. */
const commands: readonly AddCommand[] = [
  addInit,
  addNew,
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
 * Runs the command line.
 *
 * @param args - without `node` and the script
 * @returns the exit code; what there is to say has been printed
 */
export async function run(args: readonly string[], surroundings: Surroundings, version: string): Promise<ExitCode> {
  const shell = new Shell(surroundings);
  const program = new Command("durable-object")
    .description("Objects that keep their state: set up, look at, repair.")
    .version(version)
    .option("--json", "print JSON, for programs")
    .showSuggestionAfterError()
    .showHelpAfterError("(--help says what there is)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void surroundings.stdout.write(text),
      writeErr: (text) => void surroundings.stderr.write(text),
    });
  for (const add of commands) add(program, shell);
  program.hook("preAction", (_, command) => {
    shell.json = command.optsWithGlobals<{ json?: boolean }>().json === true;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return shell.exitCode;
  } catch (error) {
    // Help and version end this way too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    return fail(shell, error);
  }
}

function fail(shell: Shell, error: unknown): ExitCode {
  const failure = commandFailure(error);
  if (failure === null) throw error;
  const { code, message, exitCode } = failure;
  const { stdout, stderr } = shell.surroundings;
  if (shell.json) stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  else stderr.write(`${code}: ${message}\n`);
  return exitCode;
}
