/**
 * The way from this node to another one: a connection, and the messages on it whose answers are awaited.
 *
 * connecting → open → leaving → over; each may be skipped but the last. What is asked while it connects waits, and was
 * not delivered if that fails. A link that leaves takes nothing more, and still hears what the other side says of what was
 * sent. When it is over, whatever is still awaited may have been delivered. It connects once: for the next message after
 * its end there is a new one.
 */

import type { Environment, Timer } from "../core/environment.ts";
import { messageOf } from "../core/errors.ts";
import type { Peer, TransportFailure } from "../ports/transport.ts";
import { dial, DialFailure, type Dialed } from "./peer-dial.ts";
import { tooLarge, unanswered, unreachable } from "./peer-failures.ts";
import { kinds } from "./peer-frame.ts";
import { PeerSocket } from "./peer-socket.ts";
import type { ResolvedPeersOptions } from "./peers-options.ts";

/** A message. It ends once. */
interface Request {
  readonly message: string;
  readonly bytes: number;
  readonly timer: Timer;
  readonly resolve: (answer: string) => void;
  readonly reject: (failure: TransportFailure) => void;
}

/** How many bytes may wait for a connection. */
const mostWaitingBytes = 64 * 1_048_576;

/** What a link is made of. */
export interface LinkParts {
  readonly options: ResolvedPeersOptions;
  readonly environment: Environment;
  /** This node. */
  readonly node: string;
  readonly to: Peer;
  /** Told once: it takes nothing more. The reason, if the two nodes do not fit together. */
  readonly ended: (misfit: DialFailure | null) => void;
  /** Told once, last: nothing of it is left. */
  readonly over: () => void;
  /** Told once, if it was connected. */
  readonly connected: () => void;
}

type State =
  | { readonly name: "connecting"; bytes: number }
  | { readonly name: "open"; readonly socket: PeerSocket; readonly limit: number }
  | { readonly name: "leaving"; readonly socket: PeerSocket }
  | { readonly name: "over" };

export class PeerLink {
  readonly #parts: LinkParts;
  readonly #dialing = new AbortController();
  /** All that are awaited, by number. */
  readonly #awaited = new Map<number, Request>();
  #state: State = { name: "connecting", bytes: 0 };
  #last = 0;
  #idleSince: number;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    this.#idleSince = parts.environment.monotonic();
    void this.#connect();
  }

  /**
   * Sends a message and waits for its answer.
   *
   * @throws {@link TransportFailure}
   */
  request(message: string, bytes: number, timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal(bytes);
      if (refusal !== null) {
        reject(refusal);
        return;
      }
      const id = (this.#last = (this.#last + 1) >>> 0);
      const timer = this.#parts.environment.after(timeoutMs, () => this.#timedOut(id, timeoutMs));
      this.#awaited.set(id, { message, bytes, timer, resolve, reject });
      if (this.#state.name === "open") this.#state.socket.write(kinds.request, id, message, bytes);
      else if (this.#state.name === "connecting") this.#state.bytes += bytes;
    });
  }

  /** Why a message cannot be sent; null if it can. */
  #refusal(bytes: number): TransportFailure | null {
    const { node } = this.#parts.to;
    const state = this.#state;
    switch (state.name) {
      case "connecting":
        if (state.bytes === 0 || state.bytes + bytes <= mostWaitingBytes) return null;
        break;
      case "open":
        if (bytes > state.limit) return tooLarge(`A message to ${node}`, bytes, state.limit);
        if (state.socket.takes(bytes)) return null;
        break;
      case "leaving":
      case "over":
        return unreachable(`The connection to ${node} is closed.`);
    }
    return unreachable(`A message of ${bytes} bytes was not sent: too much waits for ${node} already.`);
  }

  async #connect(): Promise<void> {
    const { options, environment, node, to, connected } = this.#parts;
    const { signal } = this.#dialing;
    let dialed: Dialed;
    try {
      dialed = await dial(options, environment, node, to, signal);
    } catch (error) {
      this.#failAll(() => unreachable(`${to.node} cannot be reached: ${messageOf(error)}.`, error));
      this.#become({ name: "over" }, error instanceof DialFailure && error.isMisfit ? error : null);
      return;
    }
    const socket = new PeerSocket(
      dialed.socket,
      (kind, id, text) => this.#hear(kind, id, text),
      () => this.#closed(),
    );
    if (signal.aborted) {
      this.#become({ name: "leaving", socket });
      socket.terminate();
      return;
    }
    const { proof, limit } = dialed;
    this.#become({ name: "open", socket, limit });
    if (proof !== null) socket.write(kinds.proof, 0, proof, proof.length);
    for (const [id, { message, bytes }] of [...this.#awaited]) {
      if (bytes <= limit) socket.write(kinds.request, id, message, bytes);
      else this.#take(id)?.reject(tooLarge(`A message to ${to.node}`, bytes, limit));
    }
    connected();
  }

  /** The only place where its state changes. */
  #become(next: State, misfit: DialFailure | null = null): void {
    const { ended, over } = this.#parts;
    const takes = (state: State): boolean => state.name === "connecting" || state.name === "open";
    const before = this.#state;
    this.#state = next;
    if (takes(before) && !takes(next)) ended(misfit);
    if (next.name === "over") over();
  }

  /** Something came back. */
  #hear(kind: number, id: number, text: string): void {
    switch (kind) {
      case kinds.answer:
        this.#take(id)?.resolve(text);
        break;
      case kinds.refused:
        this.#take(id)?.reject(unreachable(text));
        break;
      case kinds.failed:
        this.#take(id)?.reject(unanswered(text));
        break;
      case kinds.goodbye:
        this.#leave();
        break;
      default:
      // A later version may say more.
    }
  }

  #timedOut(id: number, timeoutMs: number): void {
    const request = this.#take(id);
    if (request === null) return;
    const { node } = this.#parts.to;
    if (this.#state.name === "connecting") {
      this.#state.bytes -= request.bytes;
      request.reject(unreachable(`${node} could not be reached within ${timeoutMs} ms. Nothing was sent.`));
    } else {
      request.reject(unanswered(`${node} did not answer within ${timeoutMs} ms.`));
    }
  }

  /** The connection is closed, or broken. */
  #closed(): void {
    this.#failAll(() => unanswered(`The connection to ${this.#parts.to.node} was lost.`));
    this.#become({ name: "over" });
  }

  /** Looks after it, now and then. */
  sweep(): void {
    if (this.#state.name !== "open" && this.#state.name !== "leaving") return;
    this.#state.socket.sweep();
    const { environment, options } = this.#parts;
    const now = environment.monotonic();
    if (this.#awaited.size > 0) this.#idleSince = now;
    else if (now - this.#idleSince >= options.idleTimeoutMs) this.#leave();
  }

  #leave(): void {
    if (this.#state.name !== "open") return;
    const { socket } = this.#state;
    socket.close();
    this.#become({ name: "leaving", socket });
  }

  /** Ends it, because this node closes: nobody waits any more. */
  close(problem: string): void {
    const wasSent = this.#state.name !== "connecting";
    this.#failAll(() => (wasSent ? unanswered(problem) : unreachable(problem)));
    this.#dialing.abort();
    this.#leave();
  }

  /** Ends it at once. */
  terminate(): void {
    if (this.#state.name === "open" || this.#state.name === "leaving") this.#state.socket.terminate();
  }

  #failAll(failure: () => TransportFailure): void {
    for (const id of [...this.#awaited.keys()]) this.#take(id)?.reject(failure());
  }

  #take(id: number): Request | null {
    const request = this.#awaited.get(id);
    if (request === undefined) return null;
    this.#awaited.delete(id);
    request.timer.cancel();
    return request;
  }
}
