/**
 * How two nodes come to know each other when one connects to the other: three steps in two messages, so that nothing
 * waits longer than for a connection.
 *
 * 1. The caller asks for a connection, saying who it is, whom it wants, and a number that nobody has seen.
 * 2. Whoever is there refuses if it is somebody else. Otherwise it adds a number of its own, and proves that it knows
 *    the secret: a code over both names and both numbers. A caller who is not convinced has sent nothing.
 * 3. The caller proves the same, in front of its first message.
 *
 * The secret never goes over the network, a proof is good for one connection, and no clock is asked.
 */

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** The protocol of the connection, and its version. */
export const protocol = "durable-object.v1";

/** The headers in which all of it travels. */
export const headers = {
  from: "x-durable-object-from",
  to: "x-durable-object-to",
  nonce: "x-durable-object-nonce",
  proof: "x-durable-object-proof",
  /** The longest text that this side takes, in bytes. */
  limit: "x-durable-object-limit",
} as const;

/** What both sides know of a connection: the names as they stand in the headers. */
export interface Introduction {
  readonly from: string;
  readonly to: string;
  readonly callerNonce: string;
  readonly listenerNonce: string;
}

/** A number that nobody has seen. */
export function freshNonce(): string {
  return randomBytes(24).toString("base64url");
}

/** Whether a text can be such a number. */
export function isNonce(text: unknown): text is string {
  return typeof text === "string" && /^[\w-]{32}$/.test(text);
}

/** Proves that one side knows the secret. */
export function proofOf(secret: string, side: "caller" | "listener", known: Introduction): string {
  const { from, to, callerNonce, listenerNonce } = known;
  const said = JSON.stringify([protocol, side, from, to, callerNonce, listenerNonce]);
  return createHmac("sha256", secret).update(said).digest("base64url");
}

/** The secret by which a proof was made; null if it was none of these. */
export function secretOf(
  secrets: readonly string[],
  side: "caller" | "listener",
  known: Introduction,
  proof: string,
): string | null {
  const given = Buffer.from(proof);
  const isRight = (secret: string): boolean => {
    const right = Buffer.from(proofOf(secret, side, known));
    return right.length === given.length && timingSafeEqual(right, given);
  };
  return secrets.find(isRight) ?? null;
}

/** A name as it stands in a header. */
export function headerOf(name: string): string {
  return encodeURIComponent(name.toWellFormed());
}

/** The limit that a header says; null if it says none. */
export function limitOf(text: unknown): number | null {
  return typeof text === "string" && /^\d{1,10}$/.test(text) ? Number(text) : null;
}
