/** Why a command could not do what it was asked to: told to the user as it is, without a stack. */

import { DurableObjectError } from "../core/errors.ts";
import { StoreFailure } from "../ports/object-store.ts";
import { exitCodes, type ExitCode } from "./exit-code.ts";
import { withoutPasswords } from "./redaction.ts";

/** A failure of a command that the user can do something about. */
export class CommandFailure extends Error {
  readonly exitCode: ExitCode;
  /** A stable name, for `--json`. */
  readonly code: string;

  constructor(exitCode: ExitCode, code: string, message: string, cause?: unknown) {
    super(withoutPasswords(message), cause === undefined ? undefined : { cause });
    this.name = "CommandFailure";
    this.exitCode = exitCode;
    this.code = code;
  }
}

/** Trying again later does not help against these. */
const incurable: ReadonlySet<string> = new Set(["STORE_TOO_NEW", "STORE_CORRUPT"]);

/** What any error means for whoever runs the command; null if it is a fault of the library, to be shown whole. */
export function commandFailure(error: unknown): CommandFailure | null {
  if (error instanceof CommandFailure) return error;
  if (error instanceof StoreFailure || error instanceof DurableObjectError) {
    const mayHelp = error.code.startsWith("STORE_") && !incurable.has(error.code);
    return new CommandFailure(mayHelp ? exitCodes.unavailable : exitCodes.found, error.code, error.message, error);
  }
  return null;
}
