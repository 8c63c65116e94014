/** The bit of HTTP that the shop needs: JSON in, JSON out, and a status for every error code of the library. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { DurableObjectError, type ErrorCode } from "durable-object";

const largestBody = 10_000;

/** A refusal with a status, for what is wrong before any object is called. */
export class HttpError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Codes that are the client's doing, or that a client should know. Everything else is 500. */
const statusOfCode: Partial<Record<ErrorCode, number>> = {
  INVALID_ARGUMENTS: 400,
  INVALID_ADDRESS: 400,
  INVALID_OPTION: 400,
  ARGUMENTS_TOO_LARGE: 413,
  HANDLER_FAILED: 409,
  IDEMPOTENCY_KEY_REUSED: 422,
  MAILBOX_FULL: 503,
  OVERLOADED: 503,
  RUNTIME_STOPPED: 503,
  CALL_TIMEOUT: 504,
};

/** Reasons of `fail` that have a better status than 409. */
const statusOfReason: Readonly<Record<string, number>> = {
  unknown_product: 404,
  unknown_order: 404,
  too_many_requests: 429,
};

interface Reason {
  readonly code: string;
  readonly retryAfterMs?: number;
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" });
  response.end(`${JSON.stringify(body)}\n`);
}

/** Answers with what went wrong. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (error instanceof HttpError) {
    sendJson(response, error.status, { error: { code: error.code, message: error.message } });
    return;
  }
  // By its code and not by its class, an error is known even if it comes from another copy of the package.
  if (error instanceof DurableObjectError) {
    const { code, message, retryable, outcome } = error;
    const reason = error.reason as Reason | undefined;
    const status = statusOfReason[reason?.code ?? ""] ?? statusOfCode[code] ?? 500;
    if (status === 500) console.error(error);
    if (reason?.retryAfterMs !== undefined) response.setHeader("retry-after", Math.ceil(reason.retryAfterMs / 1_000));
    sendJson(response, status, { error: { code, message, reason, retryable, outcome } });
    return;
  }
  console.error(error);
  sendJson(response, 500, { error: { code: "INTERNAL", message: "Something went wrong; the server's log has it." } });
}

/** The JSON object in the body of a request; an empty body is an empty object. */
export async function readBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk as string;
    if (text.length > largestBody) throw new HttpError(413, "BODY_TOO_LARGE", `At most ${largestBody} characters.`);
  }
  if (text === "") return {};
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new HttpError(400, "INVALID_JSON", "The body is not JSON.");
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new HttpError(400, "INVALID_JSON", "The body is not a JSON object.");
  }
  return body as Record<string, unknown>;
}

/** The value of a cookie, or null. */
export function readCookie(request: IncomingMessage, name: string): string | null {
  for (const pair of (request.headers.cookie ?? "").split(";")) {
    const [key, value] = pair.trim().split("=", 2);
    if (key === name && value !== undefined) return value;
  }
  return null;
}

/** Refuses pages of other sites, which could otherwise press the buttons of this one. */
export function checkOrigin({ headers }: IncomingMessage): void {
  const { origin, host } = headers;
  if (origin !== undefined && URL.parse(origin)?.host !== host) {
    throw new HttpError(403, "WRONG_ORIGIN", `Requests from ${origin} are refused.`);
  }
}
