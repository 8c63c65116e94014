/**
 * What comes back for a message: the answer as it is, or why there is none.
 *
 * An answer is a text in UTF-8. What is not an answer begins with a byte that no text in UTF-8 has, and a byte that
 * says what it is: the message was not delivered, or it was and there will be no answer.
 */

import type { TransportFailureKind } from "../ports/transport.ts";

const mark = 0xff;
const codes = { unreachable: 0, unanswered: 1 } as const satisfies Partial<Record<TransportFailureKind, number>>;

/** What came back: the answer; or a failure, and what the other side says of it. */
export interface Returned {
  readonly failure: "unreachable" | "unanswered" | null;
  readonly text: string;
}

/** Bytes that say why there is no answer. */
export function encodeFailure(failure: keyof typeof codes, reason: string): Uint8Array {
  return Buffer.concat([Buffer.of(mark, codes[failure]), Buffer.from(reason)]);
}

/** What the other side has sent. */
export function decodeReturned(data: Uint8Array): Returned {
  if (data[0] !== mark) return { failure: null, text: textOf(data) };
  return { failure: data[1] === codes.unreachable ? "unreachable" : "unanswered", text: textOf(data.subarray(2)) };
}

/** The text that bytes stand for, to the last character: also if it begins like a byte order mark. */
export function textOf(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
}
