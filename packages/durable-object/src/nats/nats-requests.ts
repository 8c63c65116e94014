/**
 * The messages of a node whose answers are awaited.
 *
 * Each has a token, which is the end of the subject that its answer is sent to. It ends once: by its answer, by its
 * deadline, or by what happened to the connection. Whatever comes afterwards under its token is nobody's.
 */

import type { Environment, Timer } from "../core/environment.ts";
import { TransportFailure } from "../ports/transport.ts";

interface Request {
  readonly to: string;
  readonly subject: string;
  readonly bytes: number;
  readonly timer: Timer;
  readonly resolve: (answer: string) => void;
  readonly reject: (failure: TransportFailure) => void;
}

/** What is sent. */
export interface Sent {
  /** The node. */
  readonly to: string;
  readonly subject: string;
  readonly bytes: number;
  readonly timeoutMs: number;
}

/** What is awaited. */
export class NatsRequests {
  readonly #environment: Environment;
  readonly #awaited = new Map<string, Request>();
  #last = 0;
  #bytes = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** The bytes of all messages that are under way. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Sends a message and waits for its answer.
   *
   * @param publish - sends it under its token; if it throws, nothing was sent
   * @throws {@link TransportFailure}; whatever `publish` throws
   */
  send({ to, subject, bytes, timeoutMs }: Sent, publish: (token: string) => void): Promise<string> {
    return new Promise((resolve, reject) => {
      const token = (++this.#last).toString(36);
      publish(token);
      const timer = this.#environment.after(timeoutMs, () => {
        this.#end(token)?.reject(unanswered(`${to} did not answer within ${timeoutMs} ms.`));
      });
      this.#bytes += bytes;
      this.#awaited.set(token, { to, subject, bytes, timer, resolve, reject });
    });
  }

  /** The answer has come. */
  answered(token: string, answer: string): void {
    this.#end(token)?.resolve(answer);
  }

  /** There will be no answer. The failure is made if somebody waits for it. */
  failed(token: string, failure: (to: string) => TransportFailure): void {
    const request = this.#end(token);
    request?.reject(failure(request.to));
  }

  /** Ends all that are awaited, or all that were sent to a subject. */
  failAll(failure: (to: string) => TransportFailure, subject: string | null = null): void {
    for (const [token, request] of [...this.#awaited]) {
      if (subject === null || request.subject === subject) this.failed(token, failure);
    }
  }

  #end(token: string): Request | null {
    const request = this.#awaited.get(token);
    if (request === undefined) return null;
    this.#awaited.delete(token);
    this.#bytes -= request.bytes;
    request.timer.cancel();
    return request;
  }
}

/** It was not delivered, and never will be. */
export function unreachable(problem: string, cause?: unknown): TransportFailure {
  return new TransportFailure("unreachable", problem, cause);
}

/** It may have been delivered, or still be. */
export function unanswered(problem: string, cause?: unknown): TransportFailure {
  return new TransportFailure("unanswered", `${problem} What was sent may have been done.`, cause);
}
