/** The command line, run in the process of a test as in a shell that is no terminal. */

import { Readable, Writable } from "node:stream";
import { run } from "../../src/cli/program.ts";

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where commands are run. */
export interface Place {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What is piped in. */
  readonly input?: string;
}

/** Commands of a place. */
export function commandLine({ cwd, env = {}, input }: Place): (...args: readonly string[]) => Promise<Ended> {
  return async (...args) => {
    const [stdout, stderr] = [new Printed(), new Printed()];
    const code = await run(
      args,
      { cwd, env, stdin: Readable.from(input === undefined ? [] : [input]), stdout, stderr },
      "0.0.0",
    );
    return { code, stdout: stdout.text, stderr: stderr.text };
  };
}

/** The value that a command printed with `--json`. */
export function jsonOf({ stdout }: Ended): unknown {
  return JSON.parse(stdout);
}

class Printed extends Writable {
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
