/** What is said of a message between peers that was not answered. */

import { TransportFailure } from "../ports/transport.ts";

/** It was not delivered, and never will be. */
export function unreachable(problem: string, cause?: unknown): TransportFailure {
  return new TransportFailure("unreachable", problem, cause);
}

/** It may have been delivered, or still be. */
export function unanswered(problem: string, cause?: unknown): TransportFailure {
  return new TransportFailure("unanswered", `${problem} What was sent may have been done.`, cause);
}

/** It was not sent. */
export function tooLarge(what: string, bytes: number, most: number): TransportFailure {
  return new TransportFailure("too large", `${what} of ${bytes} bytes was not sent: at most ${most} are carried.`);
}
