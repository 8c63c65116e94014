/**
 * What an error of PostgreSQL, of the driver or of the network means for the store: which {@link StoreFailure}
 * it is, and whether the connection can be used again.
 *
 * An error that the server reports for a statement (severity ERROR) means that the statement did nothing: it
 * was a transaction of its own. If it has to do with what was sent, the batch is `refused`; if with the moment,
 * it may come again (`retry`). Whatever ends the connection says nothing about the statement, so it comes
 * again under its number, and the number tells.
 */

import { messageOf, type ErrorCode } from "../core/errors.ts";
import { StoreFailure, type StoreFailureKind } from "../ports/object-store.ts";

/** What was being done. */
export type PostgresPhase = "open" | "read" | "write";

/** What the server says about an error; https://www.postgresql.org/docs/current/errcodes-appendix.html */
interface ServerError {
  readonly code: string;
  readonly severity: string;
}

/** Errors after which their connection has answered. */
const survived = new WeakSet<Error>();

/**
 * Whether an error does not say how severe it is: the server says that in its own language, and pg passes only
 * that on. Whether the connection still answers tells.
 */
export function isSeverityUnknown(error: unknown): error is Error {
  const severity = serverError(error)?.severity;
  return severity !== undefined && !["ERROR", "FATAL", "PANIC"].includes(severity);
}

/** The connection of such an error goes on: it was an error of the statement. */
export function connectionSurvived(error: Error): void {
  survived.add(error);
}

/** What the server reported, or null if the error comes from somewhere else. */
function serverError(error: unknown): ServerError | null {
  if (!(error instanceof Error)) return null;
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  if (typeof code !== "string" || !/^[0-9A-Z]{5}$/.test(code) || typeof severity !== "string") return null;
  return { code, severity: survived.has(error) ? "ERROR" : severity };
}

/** The server's code of an error, or null. */
export function sqlState(error: unknown): string | null {
  return serverError(error)?.code ?? null;
}

const preparedStatementUnknown = "26000";
const preparedStatementExists = "42P05";
const planOutdated = "0A000";
const readOnly = "25006";

/** Whether a lock was not to be had in time. */
export function isLockTimeout(error: unknown): boolean {
  return sqlState(error) === "55P03";
}

/** Whether a pooler does not know the prepared statements that were made through it. */
export function isStatementUnknown(error: unknown): boolean {
  const code = sqlState(error);
  return code === preparedStatementUnknown || code === preparedStatementExists;
}

/** Whether the server wants no writes: it is a standby, or was told so. */
export function isReadOnly(error: unknown): boolean {
  return sqlState(error) === readOnly;
}

/** Whether a connection can go on after an error. */
export function leavesConnectionUsable(error: unknown): boolean {
  if (error instanceof StoreFailure) return true;
  const reported = serverError(error);
  if (reported === null || reported.severity !== "ERROR") return false;
  // A new connection may lead to the server that takes writes, and plans anew.
  return reported.code !== readOnly && reported.code !== planOutdated && !isStatementUnknown(error);
}

/**
 * Whether a statement of the application failed for what it is, and not for what goes on in the server. One that
 * takes too long, or waits too long for a lock, would do so again.
 */
export function isStatementFault(error: unknown): boolean {
  const reported = serverError(error);
  if (reported === null || reported.severity !== "ERROR") return false;
  const { code } = reported;
  // 08P01 is what the server says to a wrong number of values.
  if (["57014", "55P03", "08P01"].includes(code)) return true;
  return !isMomentary(code) && code !== readOnly && !code.startsWith("XX");
}

/**
 * The failure of the store that an error means; a {@link StoreFailure} stays what it is.
 *
 * @param where - the store as messages call it
 */
export function storeFailure(error: unknown, phase: PostgresPhase, where: string): StoreFailure {
  if (error instanceof StoreFailure) return error;
  const reported = serverError(error);
  const why = reasonOf(error);
  const failure = (kind: StoreFailureKind, code: ErrorCode, message: string): StoreFailure =>
    new StoreFailure(kind, code, message, { cause: error });
  if (why.includes("after calling end on the pool")) {
    return failure(
      "lost",
      "STORE_UNAVAILABLE",
      `${where}: the application ended its pool before it stopped the runtime.`,
    );
  }
  if (reported === null || reported.severity !== "ERROR") {
    if (reported !== null && phase === "open" && isMisconfigured(reported.code)) {
      return failure("lost", "STORE_UNAVAILABLE", `${where} cannot be opened: ${why}`);
    }
    return failure("retry", "STORE_UNAVAILABLE", `${where} cannot be reached: ${why}`);
  }
  const { code } = reported;
  const isWrite = phase === "write";
  switch (code) {
    // JSON that jsonb does not take: U+0000, unpaired surrogates, numbers beyond its range.
    case "22P05":
    case "22P02":
    case "22003":
    case "22021":
      if (isWrite) return failure("refused", "INVALID_STATE", `${where} does not take this as JSON: ${why}`);
      break;
    case "54000":
    case "54001":
      if (isWrite) return failure("refused", "STATE_TOO_LARGE", `${where} cannot hold a value of this size: ${why}`);
      break;
    case "53100":
      return failure("full", "STORE_FULL", `${where} has no room left: ${why}`);
    case readOnly:
      return failure("retry", "STORE_READ_ONLY", `${where} takes no writes just now: ${why}`);
    case "42501":
      return failure(
        isWrite ? "full" : "lost",
        isWrite ? "STORE_READ_ONLY" : "STORE_UNAVAILABLE",
        `${where} does not allow that to this role: ${why}. It needs USAGE on the schema, and SELECT, INSERT, UPDATE ` +
          `and DELETE on the tables; CREATE to make them.`,
      );
    case "42P01":
    case "42703":
    case "3F000":
      return failure("lost", "STORE_CORRUPT", `${where} does not have the tables it should: ${why}`);
    case "XX001":
    case "XX002":
      return failure("lost", "STORE_CORRUPT", `${where} is damaged: ${why}. Restore a backup, or repair it first.`);
    default:
      if (isMomentary(code) || code === planOutdated)
        return failure("retry", "STORE_UNAVAILABLE", `${where} cannot do that just now: ${why}`);
  }
  // A statement that failed did nothing.
  if (isWrite) return failure("refused", "COMMIT_FAILED", `${where} refused a write: ${why}`);
  if (phase === "read") return failure("retry", "STORE_UNAVAILABLE", `Reading ${where} failed: ${why}`);
  return failure("lost", "STORE_UNAVAILABLE", `${where} cannot be opened: ${why}`);
}

/** What an error says, with what is inside where it says nothing itself; no error of the driver holds a password. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") {
    return [...new Set(error.errors.map(messageOf))].join("; ");
  }
  return messageOf(error);
}

/** Whether an error has to do with the moment and not with what was sent: the same may work later. */
function isMomentary(code: string): boolean {
  const kind = code.slice(0, 2);
  return (
    // Connections, resources, operators, the system; aborted by a conflict, a lock that was not to be had.
    ["08", "53", "57", "58", "40"].includes(kind) ||
    code === "55P03" ||
    code === preparedStatementUnknown ||
    code === preparedStatementExists
  );
}

/** Whether trying to connect again is of no use: wrong password, role or database. */
function isMisconfigured(code: string): boolean {
  return code.startsWith("28") || code === "3D000" || code === "42501" || code === "0LP01";
}
