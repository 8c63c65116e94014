/**
 * The outbox: the calls that go from this node to one other, and what is known of them.
 *
 * A call is outstanding from the moment it is sent until its result is here, or until it is known that there
 * will be none. Calls made in the same moment go in one message, and while a message is on its way those that
 * follow gather a little longer.
 */

import type { Environment } from "../core/environment.ts";
import { utf8Length } from "../core/json.ts";
import type { OpenTransport, Peer } from "../ports/transport.ts";
import { TransportFailure } from "../ports/transport.ts";
import { decodeMessage, encodeCall, encodeMessage, encodeParts, type WireResult } from "./wire.ts";
import type { RemoteRequest } from "./remote-call.ts";

/** Within this time a message with calls is answered, if only to say that they are not done yet. */
export const answerWithinMs = 5_000;
/** How long an answer is waited for. */
const requestTimeoutMs = 2 * answerWithinMs;
/** What a message has beside its parts. */
const envelopeBytes = 512;

/** What became of a call that was sent. */
export type Arrival =
  | WireResult
  /** It was not delivered. */
  | { readonly failed: "unreachable" }
  /** Nobody knows whether it ran. */
  | { readonly failed: "unanswered" }
  /** It does not fit into a message. */
  | { readonly failed: "too large"; readonly bytes: number };

/** A call that waits to be sent, or for its result. */
export interface SentCall {
  readonly request: RemoteRequest;
  /** How long its caller waits from now on, in ms. */
  remainingMs(): number;
  /** It goes now: from now on it may run. */
  leaves(): void;
  /** Called once. */
  arrived(arrival: Arrival): void;
}

interface OutboxOptions {
  readonly environment: Environment;
  readonly transport: OpenTransport;
  readonly node: string;
  /** Where the other node is reached, as that is known now. */
  readonly to: () => Peer;
  readonly nextCall: () => number;
}

/** The calls that go from this node to one other. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #outstanding = new Map<number, SentCall>();
  #gathered: SentCall[] = [];
  #onTheWay = 0;
  #isOver = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  send(call: SentCall): void {
    if (this.#isOver) {
      call.arrived({ failed: "unreachable" });
      return;
    }
    this.#gathered.push(call);
    if (this.#gathered.length > 1) return;
    if (this.#onTheWay === 0) queueMicrotask(() => this.#sendGathered());
    else this.#options.environment.soon(() => this.#sendGathered());
  }

  /** The caller of a call has given up: the other node need not go on. */
  abort(call: SentCall): void {
    const { transport, to, node } = this.#options;
    for (const [number, sent] of this.#outstanding) {
      if (sent !== call) continue;
      this.#outstanding.delete(number);
      const message = encodeMessage({ kind: "aborts", from: node, calls: [number] });
      void transport.request(to(), message, answerWithinMs).catch(() => undefined);
      return;
    }
    this.#gathered = this.#gathered.filter((each) => each !== call);
  }

  /** A result that came by itself. */
  arrived(result: WireResult): void {
    const sent = this.#outstanding.get(result.call);
    this.#outstanding.delete(result.call);
    sent?.arrived(result);
  }

  /** The node is gone, or this one is: there will be no further results. */
  close(): void {
    this.#isOver = true;
    for (const call of this.#gathered.splice(0)) call.arrived({ failed: "unreachable" });
    const outstanding = [...this.#outstanding.values()];
    this.#outstanding.clear();
    for (const call of outstanding) call.arrived({ failed: "unanswered" });
  }

  #sendGathered(): void {
    const { node, transport, nextCall } = this.#options;
    const room = transport.maxMessageBytes - envelopeBytes;
    let numbers: number[] = [];
    let parts: string[] = [];
    let bytes = 0;
    for (const sent of this.#gathered.splice(0)) {
      const call = nextCall();
      const remainingMs = sent.remainingMs();
      const timeoutMs = remainingMs === Infinity ? null : Math.max(0, Math.ceil(remainingMs));
      const part = encodeCall({ call, timeoutMs, request: sent.request });
      const partBytes = part.length * 3 <= room ? part.length * 3 : utf8Length(part);
      if (partBytes > room) {
        sent.arrived({ failed: "too large", bytes: partBytes });
        continue;
      }
      if (bytes + partBytes > room) {
        void this.#sendMessage(numbers, encodeParts("calls", node, parts));
        numbers = [];
        parts = [];
        bytes = 0;
      }
      numbers.push(call);
      parts.push(part);
      bytes += partBytes + 1;
      this.#outstanding.set(call, sent);
      sent.leaves();
    }
    if (numbers.length > 0) void this.#sendMessage(numbers, encodeParts("calls", node, parts));
  }

  async #sendMessage(calls: readonly number[], message: string): Promise<void> {
    const { transport, to } = this.#options;
    this.#onTheWay += 1;
    let failed: "unreachable" | "unanswered" = "unanswered";
    try {
      const answer = await transport.request(to(), message, requestTimeoutMs);
      this.#onTheWay -= 1;
      const decoded = decodeMessage(answer);
      if (decoded.kind === "results") {
        for (const result of decoded.results) this.arrived(result);
        // What is not among them is under way, and follows.
        return;
      }
    } catch (error) {
      this.#onTheWay -= 1;
      if (error instanceof TransportFailure && error.kind !== "unanswered") failed = "unreachable";
    }
    for (const call of calls) {
      const sent = this.#outstanding.get(call);
      this.#outstanding.delete(call);
      sent?.arrived({ failed });
    }
  }
}
