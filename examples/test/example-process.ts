/** An example in a process of its own: what it prints is heard line by line, and it can be killed. */

import { spawn, type ChildProcess } from "node:child_process";
import { on, once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

export class ExampleProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<[string]>;
  readonly #exited: Promise<unknown>;
  /** All that it has printed and that somebody has waited for. */
  readonly printed: string[] = [];

  /**
   * @param name - the folder of the example
   * @param env - added to the environment of this process, without its DATABASE_URL
   */
  constructor(name: string, env: Readonly<Record<string, string>> = {}) {
    const main = join(import.meta.dirname, "..", name, "main.ts");
    const { DATABASE_URL: _, ...here } = process.env;
    this.#child = spawn(process.execPath, [main], {
      env: { ...here, PORT: "0", ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    if (this.#child.stdout === null) throw new Error("there is no pipe");
    const lines = createInterface(this.#child.stdout);
    this.#lines = on(lines, "line", { close: ["close"] }) as AsyncIterator<[string]>;
    this.#exited = once(this.#child, "exit");
  }

  /** The next line that fits. Rejects if the process ends without it. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const { done, value } = await this.#lines.next();
      if (done === true) throw new Error(`It ended without ${pattern}. It printed:\n${this.printed.join("\n")}`);
      this.printed.push(value[0]);
      if (pattern.test(value[0])) return value[0];
    }
  }

  /** Waits for its end. Returns its exit code, and null if it was killed. */
  async ended(): Promise<number | null> {
    for (let next = await this.#lines.next(); next.done !== true; next = await this.#lines.next()) {
      this.printed.push(next.value[0]);
    }
    await this.#exited;
    return this.#child.exitCode;
  }

  /** `kill -9`. Resolves when it is dead. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}
