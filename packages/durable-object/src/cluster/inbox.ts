/**
 * The inbox: the calls that other nodes send to this one, and their results on the way back.
 *
 * A call runs only where this node takes its slot. If it does not, it has not run, and the answer says who owns
 * the object now: where a slot is just being handed over, the answer waits for that, so that the caller need
 * not ask again and again.
 */

import type { Environment, Timer } from "../core/environment.ts";
import { DurableObjectError } from "../core/errors.ts";
import { formatAddress } from "../core/address.ts";
import { utf8Length } from "../core/json.ts";
import type { OpenTransport, Peer } from "../ports/transport.ts";
import { answerWithinMs } from "./outbox.ts";
import type { IncomingCall, RemoteReply, RemoteRequest, TakenCall } from "./remote-call.ts";
import { encodeParts, encodeResult, type WireCall, type WireResult } from "./wire.ts";

/** How often results that could not be delivered are sent again. */
const mostAttempts = 8;
const envelopeBytes = 512;

interface InboxOptions {
  readonly environment: Environment;
  readonly transport: OpenTransport;
  readonly node: string;
  /** Where a node is reached. */
  readonly peer: (node: string) => Peer;
  /** Runs a call here. */
  readonly take: (call: IncomingCall) => TakenCall;
  /** Who owns the object of a call that does not run here, as soon as that is known; null if it is not. */
  readonly ownerOf: (request: RemoteRequest) => Promise<{ readonly node: string; readonly epoch: number } | null>;
}

/** The calls of one message. */
interface Batch {
  readonly from: string;
  /** Results that are not on their way yet. */
  results: WireResult[];
  open: number;
  /** Answers the message; null once that was done. */
  answer: ((text: string) => void) | null;
  timer: Timer | null;
  isFlushing: boolean;
}

/** The calls that other nodes send to this one. */
export class Inbox {
  readonly #options: InboxOptions;
  /** What is under way, by the node that calls and its number. */
  readonly #taken = new Map<string, TakenCall>();
  readonly #watchers: (() => void)[] = [];
  #open = 0;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** Runs the calls of a message. Resolves to its answer. */
  calls(from: string, calls: readonly WireCall[]): Promise<string> {
    const { environment } = this.#options;
    return new Promise((answer) => {
      const batch: Batch = { from, results: [], open: calls.length, answer, timer: null, isFlushing: false };
      this.#open += calls.length;
      // Whoever asked should not have to guess whether anybody is there.
      batch.timer = environment.after(answerWithinMs, () => this.#flush(batch));
      for (const call of calls) this.#take(batch, call);
      if (calls.length === 0) this.#flush(batch);
    });
  }

  abort(from: string, calls: readonly number[]): void {
    for (const call of calls) this.#taken.get(`${from} ${call}`)?.abort();
  }

  /** Resolves when every call that was taken is answered. */
  emptied(): Promise<void> {
    return this.#open === 0 ? Promise.resolve() : new Promise((resolve) => this.#watchers.push(resolve));
  }

  #take(batch: Batch, { call, timeoutMs, request }: WireCall): void {
    const key = `${batch.from} ${call}`;
    const reply = (given: RemoteReply): void => {
      this.#taken.delete(key);
      if (given.kind === "moved") {
        void this.#options.ownerOf(request).then((moved) => this.#done(batch, { call, moved }));
      } else {
        this.#done(batch, { call, reply: given });
      }
    };
    let isOver = false;
    const taken = this.#options.take({
      request,
      timeoutMs: timeoutMs ?? Infinity,
      reply: (given) => {
        isOver = true;
        reply(given);
      },
    });
    if (!isOver) this.#taken.set(key, taken);
  }

  #done(batch: Batch, result: WireResult): void {
    batch.results.push(result);
    batch.open -= 1;
    if (batch.open === 0) {
      this.#flush(batch);
    } else if (!batch.isFlushing) {
      // What one commit makes durable is done in the same moment.
      batch.isFlushing = true;
      this.#options.environment.soon(() => {
        batch.isFlushing = false;
        this.#flush(batch);
      });
    }
  }

  /** Sends the results there are: as the answer to the message, or by themselves if it has one. */
  #flush(batch: Batch): void {
    batch.timer?.cancel();
    batch.timer = null;
    const { results, answer } = batch;
    batch.results = [];
    const messages = this.#messages(results);
    if (answer !== null) {
      batch.answer = null;
      answer(messages.shift() ?? encodeParts("results", this.#options.node, []));
    }
    for (const message of messages) void this.#send(batch.from, message);
    this.#open -= results.length;
    if (this.#open === 0) for (const resolve of this.#watchers.splice(0)) resolve();
  }

  /** Results as messages, none of which is too long. */
  #messages(results: readonly WireResult[]): string[] {
    const { node, transport } = this.#options;
    const room = transport.maxMessageBytes - envelopeBytes;
    const messages: string[] = [];
    let parts: string[] = [];
    let bytes = 0;
    for (const result of results) {
      let part = encodeResult(result);
      let partBytes = part.length * 3 <= room ? part.length * 3 : utf8Length(part);
      if (partBytes > room) {
        part = encodeResult({ call: result.call, reply: { kind: "error", error: resultTooLarge(partBytes, room) } });
        partBytes = part.length * 3;
      }
      if (bytes + partBytes > room && parts.length > 0) {
        messages.push(encodeParts("results", node, parts));
        parts = [];
        bytes = 0;
      }
      parts.push(part);
      bytes += partBytes + 1;
    }
    if (parts.length > 0) messages.push(encodeParts("results", node, parts));
    return messages;
  }

  /** A result that came twice is the same one: so it is sent until it is known to have come. */
  async #send(to: string, message: string): Promise<void> {
    const { transport, peer, environment } = this.#options;
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      try {
        await transport.request(peer(to), message, answerWithinMs);
        return;
      } catch {
        const waitMs = Math.min(1_000, 20 * 2 ** attempt);
        await new Promise<void>((resolve) => environment.after(waitMs, resolve));
      }
    }
  }
}

function resultTooLarge(bytes: number, room: number): DurableObjectError {
  return new DurableObjectError(
    "MESSAGE_TOO_LARGE",
    `The call was done, and what it returned has ${bytes} bytes of JSON: the transport carries ${room}. Return less, or raise the limit of the transport.`,
    { outcome: "unknown" },
  );
}

/** `TYPE_NOT_SERVED`: the owner of the object does not know its type, and nobody who does can own it. */
export function typeNotServed(request: RemoteRequest, node: string): DurableObjectError {
  const { address } = request;
  return new DurableObjectError(
    "TYPE_NOT_SERVED",
    `${formatAddress(address)}: its owner, the node ${node}, does not serve the type ${address.type}, and no node that ` +
      `serves it serves all the types of that node as well. Give the nodes of a cluster the same definitions.`,
    { address },
  );
}
