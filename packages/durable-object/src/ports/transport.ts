/**
 * The transport: carries messages between nodes, and promises nothing but honesty about failures. It may
 * lose a message, and it may deliver one late, after its sender has given up. It delivers none twice, and
 * it says "unreachable" only of a message that was not delivered and never will be.
 *
 * What messages mean is not its business; they are texts. An adapter passes `transportSuite` of
 * `durable-object/testing`.
 */

import type { Environment } from "../core/environment.ts";
import type { StoreFinding } from "./store-inspector.ts";

/** A node as a transport finds it. */
export interface Peer {
  readonly node: string;
  /** What the node's own transport gave as its endpoint when it was opened. */
  readonly endpoint: string | null;
}

/** What a transport is given. */
export interface TransportOpening {
  readonly environment: Environment;
  /** The unique name of this node: messages to it arrive here. */
  readonly node: string;
  /** Answers a message. Never rejects. */
  answer(message: string): Promise<string>;
  /** Tells operators something they should know. */
  readonly warn: (warning: string, message: string, cause?: unknown) => void;
}

/** A transport as the application configures it. */
export interface Transport {
  /** For telemetry: `"nats"`, `"peers"`, … */
  readonly name: string;
  /** @throws {@link TransportFailure} */
  open(opening: TransportOpening): Promise<OpenTransport>;
  /** What `npx durable-object doctor` tells of it, if there is anything to find out without being a node. Never throws. */
  diagnose?(): Promise<readonly StoreFinding[]>;
}

/** A transport that is open. */
export interface OpenTransport {
  /** Where other nodes reach this one; null if its name is enough. */
  readonly endpoint: string | null;
  /**
   * The longest message it carries, in bytes of UTF-8. A message whose answer is longer was delivered: if the answer
   * cannot be carried, there is none.
   */
  readonly maxMessageBytes: number;
  /**
   * Sends a message and resolves to its answer. After `close`, everybody is unreachable.
   *
   * @param timeoutMs - how long to wait for the answer. Then it is unanswered; or unreachable, if it was not sent yet and
   *   never will be
   * @throws {@link TransportFailure}
   */
  request(to: Peer, message: string, timeoutMs: number): Promise<string>;
  /** Takes no more messages; requests that wait for their answer fail as unanswered. */
  close(): Promise<void>;
}

/**
 * What is known of a message that was not answered.
 *
 * - `unreachable`: it was not delivered, and never will be.
 * - `unanswered`: it may have been delivered, or still be.
 * - `too large`: it was not sent.
 */
export type TransportFailureKind = "unreachable" | "unanswered" | "too large";

/** A failure of a transport. */
export class TransportFailure extends Error {
  readonly kind: TransportFailureKind;

  constructor(kind: TransportFailureKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "TransportFailure";
    this.kind = kind;
  }
}
