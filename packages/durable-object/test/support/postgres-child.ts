/** The parent's side of `postgres-process.ts`: another owner, which can be suspended and killed. */

import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { PostgresOptions } from "../../src/postgres/index.ts";
import { postgresUrl } from "./postgres-place.ts";
import type { Step, StepAnswer } from "./postgres-process.ts";

/** A process that uses a store; it is gone when the test is over. */
export class PostgresChild {
  readonly #child: ChildProcess;

  constructor(options: PostgresOptions) {
    const script = join(import.meta.dirname, "postgres-process.ts");
    this.#child = fork(script, [postgresUrl(), JSON.stringify(options)], { execArgv: [] });
    onTestFinished(() => void this.#child.kill("SIGKILL"));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Has it take a step; one at a time. */
  async take(step: Step): Promise<StepAnswer> {
    const answered = once(this.#child, "message") as Promise<[StepAnswer]>;
    this.#child.send(step);
    return (await answered)[0];
  }

  /** Has it take a step that has to succeed. */
  async succeed(step: Step): Promise<unknown> {
    const { value, failure } = await this.take(step);
    if (failure !== undefined) throw new Error(`the process failed: ${failure.message}`);
    return value;
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  /** Kills it. Resolves when it is gone. */
  async crash(): Promise<void> {
    const gone = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await gone;
  }
}
