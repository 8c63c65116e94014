/** What became of a promise, for tests that expect a failure or look whether there is an answer at all. */

import { DurableObjectError, type ErrorCode } from "../../src/index.ts";

/** The error that a call ends with. A call that succeeds, or fails with anything else, fails the test. */
export async function errorOf(call: Promise<unknown> | (() => unknown)): Promise<DurableObjectError> {
  let value: unknown;
  try {
    value = await (typeof call === "function" ? call() : call);
  } catch (error) {
    if (error instanceof DurableObjectError) return error;
    throw error;
  }
  throw new Error(`expected an error, but the call returned ${JSON.stringify(value)}`);
}

/** The code a call ends with, or `"ok"`. */
export async function codeOf(call: Promise<unknown> | (() => unknown)): Promise<ErrorCode | "ok"> {
  try {
    await (typeof call === "function" ? call() : call);
    return "ok";
  } catch (error) {
    if (error instanceof DurableObjectError) return error.code;
    throw error;
  }
}

/** A promise that can be asked whether it has settled. A rejection is handled here. */
export interface Watched {
  readonly settled: boolean;
}

/** Watches a promise. */
export function watch(promise: Promise<unknown>): Watched {
  const watched = { settled: false };
  const settle = (): void => {
    watched.settled = true;
  };
  promise.then(settle, settle);
  return watched;
}
