/** What a command has of the world: where it runs, and how it speaks. */

import { createInterface } from "node:readline/promises";
import type { Readable, Writable } from "node:stream";
import { exitCodes, type ExitCode } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";

/** The streams and settings of the process. */
export interface Surroundings {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
}

/** How a command speaks. Results go to the standard output, everything else to the standard error. */
export class Shell {
  readonly surroundings: Surroundings;
  /** Whether the result is JSON: one value, or one value a line for lists. Nothing else is printed then. */
  json = false;
  /** How the command ends, if nothing is thrown. */
  exitCode: ExitCode = exitCodes.done;

  constructor(surroundings: Surroundings) {
    this.surroundings = surroundings;
  }

  /** Whether a person can be asked. */
  get isInteractive(): boolean {
    const { stdin, stderr } = this.surroundings;
    return !this.json && stdin.isTTY === true && stderr.isTTY === true;
  }

  /** Prints a line of the result. */
  print(line: string): void {
    this.surroundings.stdout.write(`${line}\n`);
  }

  /** Prints a result: as JSON if that was asked for, else in words. */
  result(value: unknown, inWords: () => string): void {
    this.print(this.json ? JSON.stringify(value) : inWords());
  }

  /** Tells the user something beside the result. */
  note(line: string): void {
    if (!this.json) this.surroundings.stderr.write(`${line}\n`);
  }

  /**
   * Asks before something is destroyed.
   *
   * @param yes - the flag `--yes`
   * @throws {@link CommandFailure} if the answer is no, or nobody can be asked
   */
  async confirm(question: string, yes: boolean): Promise<void> {
    if (yes) return;
    if (!this.isInteractive) {
      throw new CommandFailure(
        exitCodes.declined,
        "NOT_CONFIRMED",
        `${question} Say so with --yes. Nothing was changed.`,
      );
    }
    const { stdin, stderr } = this.surroundings;
    const reader = createInterface({ input: stdin, output: stderr });
    try {
      const answer = await reader.question(`${question} [y/N] `);
      if (/^y(?:es)?$/i.test(answer.trim())) return;
    } finally {
      reader.close();
    }
    throw new CommandFailure(exitCodes.declined, "NOT_CONFIRMED", "Nothing was changed.");
  }
}
