/**
 * A transport between the nodes of one process: a hub that hands messages from one to the other.
 *
 * It is the reference model of the port: what is obviously right here is what the other transports are held
 * to. A message waits until its receiver's process gets to it; a receiver that closes before was not reached,
 * and one that closes after may have done what the message says.
 */

import { Buffer } from "node:buffer";
import { DurableObjectError } from "../core/errors.ts";
import {
  TransportFailure,
  type OpenTransport,
  type Peer,
  type Transport,
  type TransportOpening,
} from "../ports/transport.ts";

/** How the transport in memory works. */
export interface MemoryTransportOptions {
  /** The longest message and the longest answer, in bytes of UTF-8. Default 1 MiB. */
  readonly maxMessageBytes?: number;
}

/**
 * A transport between nodes of this process, for tests and for trying things out: those that open the same one
 * reach each other.
 *
 * @throws {@link DurableObjectError} `INVALID_OPTION`
 */
export function memoryTransport(options: MemoryTransportOptions = {}): Transport {
  const maxMessageBytes = options.maxMessageBytes ?? 1_048_576;
  if (!Number.isSafeInteger(maxMessageBytes) || maxMessageBytes < 1) {
    const problem = `memoryTransport: maxMessageBytes must be a whole number from 1, not ${String(maxMessageBytes)}.`;
    throw new DurableObjectError("INVALID_OPTION", problem);
  }
  return new MemoryTransport(maxMessageBytes);
}

/** The hub. */
class MemoryTransport implements Transport {
  readonly name = "memory";
  readonly maxMessageBytes: number;
  readonly nodes = new Map<string, OpenMemoryTransport>();

  constructor(maxMessageBytes: number) {
    this.maxMessageBytes = maxMessageBytes;
  }

  /** @throws {@link TransportFailure} if a node of that name is open */
  async open(opening: TransportOpening): Promise<OpenTransport> {
    if (this.nodes.has(opening.node)) {
      throw new TransportFailure("unreachable", `There is a node ${opening.node} on this transport already.`);
    }
    const opened = new OpenMemoryTransport(this, opening);
    this.nodes.set(opening.node, opened);
    return opened;
  }
}

/** A message on its way, or whose answer is awaited. Ends once. */
interface Exchange {
  readonly message: string;
  answered(answer: string): void;
  failed(failure: TransportFailure): void;
}

class OpenMemoryTransport implements OpenTransport {
  readonly endpoint = null;
  readonly maxMessageBytes: number;
  readonly #hub: MemoryTransport;
  readonly #opening: TransportOpening;
  /** What this node has sent, and what it has been sent, as far as it is not over. */
  readonly #sent = new Set<Exchange>();
  readonly #received = new Set<Exchange>();
  #isOpen = true;

  constructor(hub: MemoryTransport, opening: TransportOpening) {
    this.#hub = hub;
    this.#opening = opening;
    this.maxMessageBytes = hub.maxMessageBytes;
  }

  async request(to: Peer, message: string, timeoutMs: number): Promise<string> {
    if (!this.#isOpen) throw new TransportFailure("unreachable", `The transport of ${this.#opening.node} is closed.`);
    const bytes = Buffer.byteLength(message);
    if (bytes > this.maxMessageBytes) {
      const problem = `A message of ${bytes} bytes was not sent: at most ${this.maxMessageBytes} are carried.`;
      throw new TransportFailure("too large", problem);
    }
    const receiver = this.#hub.nodes.get(to.node);
    if (receiver === undefined) throw unreachable(to.node);
    return await new Promise((resolve, reject) => {
      const timer = this.#opening.environment.after(timeoutMs, () =>
        exchange.failed(unanswered(`${to.node} did not answer within ${timeoutMs} ms.`)),
      );
      const end = (): void => {
        timer.cancel();
        this.#sent.delete(exchange);
      };
      const exchange: Exchange = {
        message,
        answered: (answer) => {
          end();
          resolve(answer);
        },
        failed: (failure) => {
          end();
          reject(failure);
        },
      };
      this.#sent.add(exchange);
      receiver.#receive(exchange);
    });
  }

  /** Answers a message when this process gets to it. */
  #receive(exchange: Exchange): void {
    const { node, environment } = this.#opening;
    environment.soon(() => {
      if (!this.#isOpen) {
        exchange.failed(unreachable(node));
        return;
      }
      this.#received.add(exchange);
      void this.#answer(exchange);
    });
  }

  async #answer(exchange: Exchange): Promise<void> {
    const { node } = this.#opening;
    try {
      const answer = await this.#opening.answer(exchange.message);
      if (!this.#isOpen) return;
      const bytes = Buffer.byteLength(answer);
      if (bytes <= this.maxMessageBytes) exchange.answered(answer);
      else
        exchange.failed(
          unanswered(`The answer of ${node} has ${bytes} bytes; at most ${this.maxMessageBytes} are carried.`),
        );
    } catch (error) {
      exchange.failed(unanswered(`${node} failed to answer.`, error));
    } finally {
      this.#received.delete(exchange);
    }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    const { node } = this.#opening;
    this.#isOpen = false;
    this.#hub.nodes.delete(node);
    for (const exchange of [...this.#sent, ...this.#received]) {
      exchange.failed(unanswered(`The transport of ${node} was closed.`));
    }
  }
}

function unreachable(node: string): TransportFailure {
  return new TransportFailure("unreachable", `There is no node ${node}.`);
}

function unanswered(problem: string, cause?: unknown): TransportFailure {
  return new TransportFailure("unanswered", `${problem} What was sent may have been done.`, cause);
}
