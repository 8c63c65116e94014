/**
 * A node on NATS.
 *
 * It hears messages on a subject of its own, and answers to its own messages on another one. Of a message that nobody
 * hears the server says so: its receiver is unreachable. Whatever else goes wrong once a message was handed to the
 * driver is "unanswered", because the driver does not tell what became of it.
 */

import type { Msg } from "@nats-io/transport-node";
import { messageOf } from "../core/errors.ts";
import { TransportFailure, type OpenTransport, type Peer, type TransportOpening } from "../ports/transport.ts";
import { decodeReturned, encodeFailure, textOf } from "./nats-answer.ts";
import { NatsLink } from "./nats-link.ts";
import type { ResolvedNatsOptions } from "./nats-options.ts";
import { NatsRequests, unanswered, unreachable } from "./nats-requests.ts";
import { subjectPart, subjectsOf } from "./nats-subject.ts";

/** How many bytes may be under way. A link that stalls does not fill the memory. */
const mostBytesUnderWay = 64 * 1_048_576;

/** What the server answers where nobody hears. */
const noResponders = 503;

/**
 * Opens the transport of a node.
 *
 * @throws {@link TransportFailure} `unreachable`
 */
export async function openNatsTransport(
  options: ResolvedNatsOptions,
  opening: TransportOpening,
): Promise<OpenTransport> {
  const transport = new OpenNatsTransport(options.namespace, opening);
  await transport.connect(options);
  return transport;
}

class OpenNatsTransport implements OpenTransport {
  readonly endpoint = null;
  readonly #opening: TransportOpening;
  /** Where the subjects of nodes begin, and where those of answers do. */
  readonly #nodes: string;
  readonly #answers: string;
  /** Where the answers to this node's messages come. Nobody guesses it. */
  readonly #inbox: string;
  readonly #requests: NatsRequests;
  /** Where the answers go that this node owes. */
  readonly #owed = new Set<string>();
  #link: NatsLink | null = null;
  #closed: Promise<void> | null = null;
  #isOpen = true;

  constructor(namespace: string, opening: TransportOpening) {
    const subjects = subjectsOf(namespace);
    this.#opening = opening;
    this.#nodes = `${subjects}.n.`;
    this.#answers = `${subjects}.r.`;
    this.#inbox = `${this.#answers}${opening.environment.uniqueId()}.`;
    this.#requests = new NatsRequests(opening.environment);
  }

  /** @throws {@link TransportFailure} */
  async connect(options: ResolvedNatsOptions): Promise<void> {
    const { node } = this.#opening;
    this.#link = await NatsLink.connect(options, this.#opening, {
      subjects: {
        [`${this.#nodes}${subjectPart(node)}`]: (message) => this.#hear(message),
        [`${this.#inbox}*`]: (message) => this.#takeReturned(message),
      },
      lost: (where) => this.#requests.failAll(() => unanswered(`The connection of ${node} to ${where} was lost.`)),
      refused: (subject, problem, error) => this.#requests.failAll(() => unanswered(problem, error), subject),
    });
    await this.#link.listen();
  }

  get maxMessageBytes(): number {
    return this.#link?.maxMessageBytes ?? 0;
  }

  request(to: Peer, message: string, timeoutMs: number): Promise<string> {
    const data = Buffer.from(message);
    const bytes = data.length;
    const refusal = this.#refusal(bytes);
    if (refusal !== null) return Promise.reject(refusal);
    const subject = `${this.#nodes}${subjectPart(to.node)}`;
    return this.#requests.send({ to: to.node, subject, bytes, timeoutMs }, (token) => {
      try {
        this.#link?.publish(subject, data, `${this.#inbox}${token}`);
      } catch (error) {
        // It was closed, and has not said so yet.
        throw unreachable(`Nothing was sent to ${to.node}: ${messageOf(error)}.`, error);
      }
    });
  }

  /** Why a message cannot be sent; null if it can. */
  #refusal(bytes: number): TransportFailure | null {
    const { node } = this.#opening;
    const link = this.#link;
    if (link === null || !this.#isOpen) return unreachable(`The transport of ${node} is closed.`);
    if (!link.isUp) return unreachable(`${node} has lost ${link.where}, so nothing was sent.`);
    const most = link.maxMessageBytes;
    if (bytes > most) {
      const problem = `A message of ${bytes} bytes was not sent: the server carries ${most} at most (max_payload).`;
      return new TransportFailure("too large", problem);
    }
    const others = this.#requests.bytes;
    if (others > 0 && others + bytes > mostBytesUnderWay) {
      return unreachable(`A message of ${bytes} bytes was not sent: ${others} are under way, and not answered yet.`);
    }
    return null;
  }

  /** A message of another node. */
  #hear(message: Msg): void {
    const { reply = "" } = message;
    // Nobody has this node send something to anywhere else.
    if (!reply.startsWith(this.#answers)) return;
    if (this.#isOpen) {
      this.#owed.add(reply);
      void this.#answer(reply, textOf(message.data));
    } else {
      this.#return(reply, encodeFailure("unreachable", `${this.#opening.node} is closing.`));
    }
  }

  async #answer(reply: string, message: string): Promise<void> {
    const { node } = this.#opening;
    let data: Uint8Array;
    try {
      data = Buffer.from(await this.#opening.answer(message));
      const most = this.maxMessageBytes;
      if (data.length > most) {
        const problem = `The answer of ${node} has ${data.length} bytes; the server carries ${most} at most (max_payload).`;
        data = encodeFailure("unanswered", problem);
      }
    } catch (error) {
      data = encodeFailure("unanswered", `${node} failed to answer: ${messageOf(error)}.`);
    }
    // When it closed it said that there is none.
    if (this.#owed.delete(reply)) this.#return(reply, data);
  }

  /** Sends something back. If that cannot be, whoever waits for it gives up in time. */
  #return(reply: string, data: Uint8Array): void {
    if (this.#link?.isUp !== true) return;
    try {
      this.#link.publish(reply, data);
    } catch {
      // The connection was closed a moment ago, or its limit is new.
    }
  }

  /** Something came back. */
  #takeReturned(message: Msg): void {
    const { data, subject } = message;
    const token = subject.slice(this.#inbox.length);
    if (data.length === 0 && message.headers?.code === noResponders) {
      this.#requests.failed(token, (to) => unreachable(`There is no node ${to}.`));
      return;
    }
    const { failure, text } = decodeReturned(data);
    if (failure === null) this.#requests.answered(token, text);
    else this.#requests.failed(token, () => (failure === "unreachable" ? unreachable(text) : unanswered(text)));
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#isOpen = false;
    const problem = `The transport of ${this.#opening.node} was closed.`;
    this.#requests.failAll(() => unanswered(problem));
    for (const reply of this.#owed) this.#return(reply, encodeFailure("unanswered", problem));
    this.#owed.clear();
    await this.#link?.close();
  }
}
