/**
 * One case of the suite of transports, and what every case works with: nodes that note what they hear, and
 * answer as a case wants.
 */

import assert from "node:assert/strict";
import type { OpenTransport, Peer, Transport, TransportFailureKind } from "../ports/transport.ts";
import { systemEnvironment } from "../runtime/system-environment.ts";

/** A transport under test. It carries messages of a thousand bytes at least. */
export interface TransportSubject {
  readonly transport: Transport;
  /** The transport of one more node, as another process configures it; absent if all nodes can share one. */
  connect?(): Transport;
  /** Removes everything. Every node was closed before. */
  dispose(): Promise<void>;
}

/** A rule of the port, and how it is checked. */
export interface TransportCase {
  readonly name: string;
  run(tested: TestedTransport): Promise<void>;
}

/** How long is waited for an answer that is going to come. A case that takes so long has failed before. */
const patientMs = 600_000;

/** A subject with the nodes that are open. */
export class TestedTransport {
  readonly #subject: TransportSubject;
  readonly #environment = systemEnvironment;
  readonly #nodes: TestedPeer[] = [];

  constructor(subject: TransportSubject) {
    this.#subject = subject;
  }

  /** A name that no node has. */
  freeName(): string {
    return this.#environment.uniqueId();
  }

  /**
   * A node that is open. It answers `answer to …`.
   *
   * @param transport - the one to open; otherwise one of its own
   */
  async open(transport: Transport = this.#subject.connect?.() ?? this.#subject.transport): Promise<TestedPeer> {
    const node = new TestedPeer(this.freeName(), transport);
    this.#nodes.push(node);
    node.opened = await transport.open({
      environment: this.#environment,
      node: node.name,
      answer: (message) => node.answer(message),
      warn: () => {},
    });
    return node;
  }

  async closeAll(): Promise<void> {
    for (const node of this.#nodes) await node.close();
  }

  /** No message of a case is like another one, so one that was heard twice was delivered twice. */
  assertNothingTwice(): void {
    for (const { heard } of this.#nodes)
      assert.equal(heard.length, new Set(heard).size, "a message was delivered twice");
  }
}

/** A node, and what it has heard. */
export class TestedPeer {
  readonly name: string;
  readonly transport: Transport;
  readonly heard: string[] = [];
  opened: OpenTransport | null = null;
  /** What it answers. */
  reply: (message: string) => string | Promise<string> = (message) => `answer to ${message}`;
  readonly #listeners = new Set<() => void>();

  constructor(name: string, transport: Transport) {
    this.name = name;
    this.transport = transport;
  }

  /** What others need to reach it. */
  get peer(): Peer {
    return { node: this.name, endpoint: this.#open.endpoint };
  }

  get maxMessageBytes(): number {
    return this.#open.maxMessageBytes;
  }

  async ask(to: TestedPeer | Peer, message: string, timeoutMs = patientMs): Promise<string> {
    return await this.#open.request(to instanceof TestedPeer ? to.peer : to, message, timeoutMs);
  }

  async answer(message: string): Promise<string> {
    this.heard.push(message);
    for (const listener of this.#listeners) listener();
    return await this.reply(message);
  }

  /** Resolves once it has heard so many messages. */
  hears(count: number): Promise<void> {
    return this.#until(() => this.heard.length >= count);
  }

  /** Resolves once it has heard a message. */
  hearsOf(message: string): Promise<void> {
    return this.#until(() => this.heard.includes(message));
  }

  async close(): Promise<void> {
    await this.opened?.close();
  }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const listener = (): void => {
        if (!condition()) return;
        this.#listeners.delete(listener);
        resolve();
      };
      this.#listeners.add(listener);
      listener();
    });
  }

  get #open(): OpenTransport {
    assert.ok(this.opened !== null, "the transport has opened");
    return this.opened;
  }
}

/** The kind of failure that something ends with; null if it does not fail. Anything but a failure of the port is a fault. */
export async function failureOf(request: Promise<unknown>): Promise<TransportFailureKind | null> {
  try {
    await request;
    return null;
  } catch (error) {
    const { name, kind, message } = error as { name?: unknown; kind?: unknown; message?: unknown };
    assert.equal(name, "TransportFailure", `expected a TransportFailure, not ${String(name)}: ${String(message)}`);
    return kind as TransportFailureKind;
  }
}

/** Checks that something fails as the port says. */
export async function assertFailsAs(request: Promise<unknown>, kind: TransportFailureKind): Promise<void> {
  assert.equal(await failureOf(request), kind);
}
