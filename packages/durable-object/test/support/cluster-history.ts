/**
 * The history of a run: what callers asked of the nodes and what they heard, when, and where; and every failure on the
 * way. It is kept object by object until somebody judges it, and written to a file line by line.
 *
 * Times are milliseconds since the history began, by the clock of the one process that all callers are in.
 */

import { createWriteStream, type WriteStream } from "node:fs";
import type { NodeObject } from "../fixtures/cluster-node.ts";
import type { CallEnding } from "./cluster-node-process.ts";
import type { ListInput } from "./cluster-list-order.ts";
import type { CounterInput, Ending, HeardOperation, RegisterInput } from "./linearizable.ts";

/** What is asked of a reminder: to remind at a time of the wall clock at the earliest. */
export interface RemindInput {
  readonly ask: "remind";
  readonly entry: string;
  readonly notBeforeMs: number;
}

/** What is asked of an object. */
export type AskedInput = CounterInput | RegisterInput | ListInput | RemindInput;

/** An operation. As long as it is open its outcome is unknown. */
export interface AskedOperation extends HeardOperation<AskedInput, unknown> {
  /** How an attempt failed last. */
  readonly code: string | null;
}

/** An attempt of a call that failed. */
export interface FailedAttempt {
  readonly calledMs: number;
  readonly atMs: number;
  readonly object: string;
  readonly label: string;
  readonly outcome: "not-applied" | "unknown";
  readonly code: string;
  readonly message: string;
}

/** What was asked of one object. */
export class ObjectHistory {
  readonly type: NodeObject;
  readonly id: string;
  readonly operations: AskedOperation[] = [];
  open = 0;

  constructor(type: NodeObject, id: string) {
    this.type = type;
    this.id = id;
  }
}

/** The history of a run. */
export class ClusterHistory {
  readonly #startMs = performance.now();
  readonly #file: WriteStream | null;
  readonly failures: FailedAttempt[] = [];
  operations = 0;
  acknowledged = 0;
  unknown = 0;
  notApplied = 0;

  /** @param path - of the file; null writes none */
  constructor(path: string | null = null) {
    this.#file = path === null ? null : createWriteStream(path);
  }

  get nowMs(): number {
    return performance.now() - this.#startMs;
  }

  /** Writes a line into the file. */
  note(line: Readonly<Record<string, unknown>>): void {
    this.#file?.write(`${JSON.stringify(line)}\n`);
  }

  /** Follows an operation from its call to its end. `attempts` tell of themselves with `attempt`. */
  async follow(object: ObjectHistory, input: AskedInput, call: () => Promise<CallEnding>): Promise<CallEnding> {
    const operation: { -readonly [Key in keyof AskedOperation]: AskedOperation[Key] } = {
      object: `${object.type}/${object.id}`,
      input,
      calledMs: this.nowMs,
      ending: { outcome: "unknown" },
      code: null,
    };
    object.operations.push(operation);
    object.open += 1;
    this.operations += 1;
    const ended = await call();
    const atMs = this.nowMs;
    operation.ending = endingOf(ended, atMs);
    operation.code = ended.outcome === "ok" ? null : ended.code;
    object.open -= 1;
    if (ended.outcome === "ok") this.acknowledged += 1;
    else if (ended.outcome === "unknown") this.unknown += 1;
    else this.notApplied += 1;
    this.note({ what: "operation", atMs: Math.round(atMs), ...operation });
    return ended;
  }

  /** Makes one attempt at a node; a failure is written down. */
  async attempt(object: ObjectHistory, label: string, call: () => Promise<CallEnding>): Promise<CallEnding> {
    const calledMs = this.nowMs;
    const ended = await call();
    if (ended.outcome !== "ok") {
      const { outcome, code, message } = ended;
      const failed = {
        calledMs,
        atMs: this.nowMs,
        object: `${object.type}/${object.id}`,
        label,
        outcome,
        code,
        message,
      };
      this.failures.push(failed);
      this.note({ what: "failure", ...failed });
    }
    return ended;
  }

  async close(): Promise<void> {
    const file = this.#file;
    if (file !== null) await new Promise<void>((resolve) => file.end(resolve));
  }
}

function endingOf(ended: CallEnding, atMs: number): Ending<unknown> {
  return ended.outcome === "ok" ? { outcome: "ok", output: ended.value, atMs } : { outcome: ended.outcome };
}
