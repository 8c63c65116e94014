/**
 * A SQLite connection in a worker thread, from inside: takes a call, makes it, answers. One answer for each
 * call, in their order.
 */

import { parentPort } from "node:worker_threads";
import { StoreFailure } from "../ports/object-store.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import type { SqliteConnectionSettings } from "./sqlite-connection.ts";
import { flattenError, storeFailure, type FlatError } from "./sqlite-failure.ts";

/** A call: the opening, or one of the connection's methods. */
export interface SqliteWorkerCall {
  readonly call: "open" | keyof SqliteConnection;
  readonly args: readonly unknown[];
}

/** What became of a call. Errors lose their class on the way, so a failure travels as its parts. */
export type SqliteWorkerAnswer =
  | { readonly failure: null; readonly value: unknown }
  | {
      readonly failure: Pick<StoreFailure, "kind" | "code" | "message" | "maybeApplied" | "write"> & {
        readonly cause: FlatError;
      };
    };

let connection: SqliteConnection | null = null;

function make({ call, args }: SqliteWorkerCall): unknown {
  if (call === "open") {
    connection = SqliteConnection.open(args[0] as SqliteConnectionSettings);
    return undefined;
  }
  if (connection === null) throw new StoreFailure("lost", "STORE_UNAVAILABLE", `${call} before open`);
  return (connection[call] as (...args: readonly unknown[]) => unknown)(...args);
}

parentPort?.on("message", (call: SqliteWorkerCall) => {
  let answer: SqliteWorkerAnswer;
  try {
    answer = { failure: null, value: make(call) };
  } catch (error) {
    const { kind, code, message, maybeApplied, write, cause } = storeFailure(error, "write", "the file");
    answer = { failure: { kind, code, message, maybeApplied, write, cause: flattenError(cause) } };
  }
  parentPort?.postMessage(answer);
});
