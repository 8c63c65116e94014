/**
 * The one error class, and every code it can carry.
 *
 * An error is an instruction: `code` says what happened, `outcome` whether the call left a trace,
 * `retryable` whether doing the same again can help. Match by `code`, not by class: two copies of a
 * package in one application have two classes. `docs/errors.md` lists the same codes; a test holds the two
 * equal.
 */

import type { Address } from "./address.ts";

/** What is known of the effect of a failed call: it left nothing behind, or it is not known. */
export type FailureOutcome = "not-applied" | "unknown";

/** Every code, with the defaults of `retryable` and `outcome`. */
export const errorCodes = {
  // What the application wrote.
  INVALID_DEFINITION: { retryable: false, outcome: "not-applied" },
  INVALID_OPTION: { retryable: false, outcome: "not-applied" },
  INVALID_ADDRESS: { retryable: false, outcome: "not-applied" },
  INVALID_ARGUMENTS: { retryable: false, outcome: "not-applied" },
  ARGUMENTS_TOO_LARGE: { retryable: false, outcome: "not-applied" },
  INVALID_OUTCOME: { retryable: false, outcome: "not-applied" },
  INVALID_RESULT: { retryable: false, outcome: "not-applied" },
  INVALID_STATE: { retryable: false, outcome: "not-applied" },
  STATE_TOO_LARGE: { retryable: false, outcome: "not-applied" },
  UNKNOWN_TYPE: { retryable: false, outcome: "not-applied" },
  UNKNOWN_HANDLER: { retryable: false, outcome: "not-applied" },
  UNKNOWN_ALARM: { retryable: false, outcome: "not-applied" },
  IDEMPOTENCY_KEY_REUSED: { retryable: false, outcome: "not-applied" },
  RESULT_NOT_RECORDED: { retryable: false, outcome: "not-applied" },
  // What a call ran into.
  HANDLER_FAILED: { retryable: false, outcome: "not-applied" },
  HANDLER_CRASHED: { retryable: false, outcome: "not-applied" },
  CALL_TIMEOUT: { retryable: true, outcome: "unknown" },
  CALL_ABORTED: { retryable: false, outcome: "unknown" },
  CALL_CYCLE: { retryable: false, outcome: "not-applied" },
  MAILBOX_FULL: { retryable: true, outcome: "not-applied" },
  OVERLOADED: { retryable: true, outcome: "not-applied" },
  REPLY_LOST: { retryable: false, outcome: "unknown" },
  RUNTIME_STOPPED: { retryable: true, outcome: "not-applied" },
  // Coming to life.
  LOAD_FAILED: { retryable: true, outcome: "not-applied" },
  ACTIVATION_FAILED: { retryable: false, outcome: "not-applied" },
  STATE_UNREADABLE: { retryable: false, outcome: "not-applied" },
  STATE_TOO_NEW: { retryable: false, outcome: "not-applied" },
  // Becoming durable.
  COMMIT_FAILED: { retryable: true, outcome: "not-applied" },
  SQL_FAILED: { retryable: false, outcome: "not-applied" },
  COMMIT_UNKNOWN: { retryable: false, outcome: "unknown" },
  STALE_REVISION: { retryable: true, outcome: "not-applied" },
  // Owning objects.
  LEASE_LAPSED: { retryable: true, outcome: "not-applied" },
  OWNER_UNREACHABLE: { retryable: true, outcome: "not-applied" },
  TYPE_NOT_SERVED: { retryable: true, outcome: "not-applied" },
  TRANSPORT_UNAVAILABLE: { retryable: true, outcome: "not-applied" },
  MESSAGE_TOO_LARGE: { retryable: false, outcome: "not-applied" },
  // The store.
  STORE_LOCKED: { retryable: true, outcome: "not-applied" },
  STORE_TAKEN_OVER: { retryable: false, outcome: "not-applied" },
  STORE_FULL: { retryable: true, outcome: "not-applied" },
  STORE_READ_ONLY: { retryable: false, outcome: "not-applied" },
  STORE_CORRUPT: { retryable: false, outcome: "unknown" },
  STORE_TOO_NEW: { retryable: false, outcome: "not-applied" },
  STORE_UNAVAILABLE: { retryable: true, outcome: "not-applied" },
  STORE_ON_NETWORK_FILE_SYSTEM: { retryable: false, outcome: "not-applied" },
} as const satisfies Record<string, { retryable: boolean; outcome: FailureOutcome }>;

/** The stable code of an error. */
export type ErrorCode = keyof typeof errorCodes;

/** What an error knows beyond its code and message. */
export interface ErrorDetails {
  readonly address?: Address | undefined;
  /** The value a handler gave to `fail`. */
  readonly reason?: unknown;
  readonly cause?: unknown;
  /** Overrides the code's default. */
  readonly outcome?: FailureOutcome;
  /** Overrides the code's default. */
  readonly retryable?: boolean;
}

/**
 * Every failure the library reports. `Reason` is the type of what handlers give to `fail`.
 *
 * @example
 * ```ts
 * try {
 *   await counter.withdraw(9);
 * } catch (error) {
 *   if (error instanceof DurableObjectError && error.code === "HANDLER_FAILED") console.log(error.reason);
 * }
 * ```
 */
export class DurableObjectError<Reason = unknown> extends Error {
  /** What happened; stable across versions. */
  readonly code: ErrorCode;
  /** Whether the same call can succeed later without any change by the caller. */
  readonly retryable: boolean;
  /** `"not-applied"`: the call left nothing behind and never will. `"unknown"`: it may have, or still may. */
  readonly outcome: FailureOutcome;
  /** The object concerned, where there is one. */
  readonly address: Address | undefined;
  /** What the handler gave to `fail`, with the code `HANDLER_FAILED`. */
  readonly reason: Reason | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "DurableObjectError";
    this.code = code;
    this.retryable = details.retryable ?? errorCodes[code].retryable;
    this.outcome = details.outcome ?? errorCodes[code].outcome;
    this.address = details.address;
    this.reason = details.reason as Reason | undefined;
  }
}

/** The text of whatever was thrown, for the end of a message. */
export function messageOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    return "an unprintable value";
  }
}
