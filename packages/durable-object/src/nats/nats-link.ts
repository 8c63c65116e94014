/**
 * The link of a node to NATS: a connection, and what it is subscribed to.
 *
 * It is up or down. The driver takes messages while it is down, drops most of them and sends others late; so it is
 * given none then. It connects again by itself, for ever, and subscribes again; where the driver gives up nevertheless,
 * the connection is replaced. A connection of the application is left as it is.
 */

import type { Msg, NatsConnection, Status, Subscription } from "@nats-io/transport-node";
import type { Timer } from "../core/environment.ts";
import { TransportFailure, type TransportOpening } from "../ports/transport.ts";
import { connectNode, isFinal, notConnected } from "./nats-connection.ts";
import { describe, type ResolvedNatsOptions } from "./nats-options.ts";
import { subjectsOf } from "./nats-subject.ts";

/** What the node makes of it. */
export interface LinkListener {
  /** The subjects that are heard, and who hears them. */
  readonly subjects: Readonly<Record<string, (message: Msg) => void>>;
  /** It has gone down. What was sent may have arrived or not; its answer does not come. */
  lost(where: string): void;
  /** The server has refused what was sent to a subject. */
  refused(subject: string, problem: string, error: Error): void;
}

/** What the driver says of a connection. It can be told to stop. */
type Statuses = AsyncIterable<Status> & { stop?(): void };

/** How long closing waits for what is still on its way, in ms. */
const drainTimeoutMs = 2_000;

/** How long after it was refused a subscription is tried again, in ms. */
const refusedPauseMs = 5_000;

export class NatsLink {
  readonly #options: ResolvedNatsOptions;
  readonly #opening: TransportOpening;
  readonly #listener: LinkListener;
  #connection: NatsConnection;
  #subscriptions: readonly Subscription[] = [];
  /** Why the server does not let this node hear; null if it does. */
  #deafness: Error | null = null;
  #statuses: Statuses | null = null;
  #isUp = true;
  #isClosing = false;
  #maxMessageBytes = 0;

  private constructor(
    options: ResolvedNatsOptions,
    opening: TransportOpening,
    listener: LinkListener,
    connection: NatsConnection,
  ) {
    this.#options = options;
    this.#opening = opening;
    this.#listener = listener;
    this.#connection = connection;
  }

  /**
   * Connects. Nothing is heard yet.
   *
   * @throws {@link TransportFailure} `unreachable`
   */
  static async connect(
    options: ResolvedNatsOptions,
    opening: TransportOpening,
    listener: LinkListener,
  ): Promise<NatsLink> {
    const givesUp = (error: unknown, elapsedMs: number): boolean =>
      isFinal(error) || elapsedMs >= options.connectTimeoutMs;
    const connection = options.connection ?? (await connectNode(options, opening, givesUp));
    return new NatsLink(options, opening, listener, connection);
  }

  /**
   * Begins to hear. Resolves when the server knows; if it fails, the link is closed.
   *
   * @throws {@link TransportFailure} `unreachable`
   */
  async listen(): Promise<void> {
    try {
      await this.#listen();
    } catch (error) {
      await this.close();
      throw error instanceof TransportFailure ? error : notConnected(this.#options, error);
    }
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** The servers, as messages call them. */
  get where(): string {
    return describe(this.#options);
  }

  /** As the server says. It may say something else after it was away. */
  get maxMessageBytes(): number {
    // While it is down the driver does not know.
    return (this.#maxMessageBytes = this.#connection.info?.max_payload ?? this.#maxMessageBytes);
  }

  /** @throws what the driver throws; then nothing was sent */
  publish(subject: string, data: Uint8Array, reply?: string): void {
    this.#connection.publish(subject, data, reply === undefined ? undefined : { reply });
  }

  async #listen(): Promise<void> {
    const connection = this.#connection;
    if (connection.info?.headers === false) throw this.#unusable("it takes a server from version 2.2 on");
    void this.#watch(connection);
    this.#subscribe();
    await this.#within(Math.max(this.#options.connectTimeoutMs, 1_000), connection.flush());
    if (this.#deafness !== null) {
      const subjects = `${subjectsOf(this.#options.namespace)}.>`;
      const problem = `it does not let ${this.#opening.node} hear (${this.#deafness.message})`;
      throw this.#unusable(`${problem}. Allow publishing and subscribing to ${subjects}`, this.#deafness);
    }
  }

  #unusable(problem: string, cause?: unknown): TransportFailure {
    return new TransportFailure("unreachable", `${this.where} cannot be used: ${problem}.`, cause);
  }

  #subscribe(): void {
    this.#deafness = null;
    this.#subscriptions = Object.entries(this.#listener.subjects).map(([subject, hear]) => {
      const callback = (error: Error | null, message: Msg): void =>
        error === null ? hear(message) : this.#deaf(error);
      return this.#connection.subscribe(subject, { callback });
    });
  }

  #unsubscribe(): void {
    for (const subscription of this.#subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
  }

  /** The server does not let this node hear. It may, later. */
  #deaf(error: Error): void {
    const isNew = this.#deafness === null;
    this.#deafness = error;
    if (!isNew) return;
    const { environment, warn, node } = this.#opening;
    warn("transport-refused", `${this.where} does not let ${node} hear: ${error.message}`, error);
    environment.after(refusedPauseMs, () => {
      if (this.#deafness === null || this.#isClosing || !this.#isUp) return;
      this.#unsubscribe();
      this.#subscribe();
    });
  }

  /** Hears what the driver says of a connection, until it is closed. */
  async #watch(connection: NatsConnection): Promise<void> {
    const statuses = connection.status() as Statuses;
    this.#statuses = statuses;
    for await (const status of statuses) {
      if (this.#isClosing) return;
      switch (status.type) {
        case "disconnect":
        case "staleConnection":
        case "forceReconnect":
          this.#lost();
          break;
        case "reconnect":
          this.#regained();
          break;
        case "error":
          this.#refused(status.error);
          break;
        default:
      }
    }
    if (this.#isClosing) return;
    this.#lost();
    if (this.#options.connection === null) await this.#replace();
  }

  #lost(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#listener.lost(this.where);
    const { node, warn } = this.#opening;
    warn("transport-lost", `${node} has lost ${this.where}. It cannot reach other nodes until it is connected again.`);
  }

  #regained(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    if (this.#subscriptions.some((subscription) => subscription.isClosed())) {
      this.#unsubscribe();
      this.#subscribe();
    }
    void this.#tellRegained(this.#connection);
  }

  /** Says that all is well when the server has told that it knows what this node hears. */
  async #tellRegained(connection: NatsConnection): Promise<void> {
    try {
      await connection.flush();
    } catch {
      // Lost again.
      return;
    }
    const { node, warn } = this.#opening;
    warn("transport-regained", `${node} is connected to ${this.where} again.`);
  }

  /** The server has refused something that somebody sent on this connection. */
  #refused(error: Error): void {
    const { operation, subject } = error as { readonly operation?: unknown; readonly subject?: unknown };
    if (operation !== "publish" || typeof subject !== "string") return;
    if (!subject.startsWith(`${subjectsOf(this.#options.namespace)}.`)) return;
    const { node, warn } = this.#opening;
    const problem = `${this.where} does not let ${node} send: ${error.message}.`;
    this.#listener.refused(subject, problem, error);
    warn("transport-refused", problem, error);
  }

  /** The driver has given up. */
  async #replace(): Promise<void> {
    let connection: NatsConnection;
    try {
      connection = await connectNode(this.#options, this.#opening, () => this.#isClosing);
    } catch {
      // It was closed meanwhile.
      return;
    }
    if (this.#isClosing) {
      await connection.close();
      return;
    }
    this.#connection = connection;
    void this.#watch(connection);
    this.#regained();
  }

  /**
   * Ends it. What was sent to this node before the server knew is still heard, and what the node says meanwhile is
   * still sent, within a moment.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    const connection = this.#connection;
    if (this.#isUp && !connection.isClosed()) {
      await this.#within(drainTimeoutMs, this.#drain(connection)).catch(() => {});
    }
    this.#isUp = false;
    this.#statuses?.stop?.();
    this.#unsubscribe();
    if (this.#options.connection === null) await connection.close();
  }

  async #drain(connection: NatsConnection): Promise<void> {
    const open = this.#subscriptions.filter((subscription) => !subscription.isClosed());
    await Promise.all(open.map((subscription) => subscription.drain()));
    await connection.flush();
  }

  /** @throws if it takes longer */
  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = this.#opening.environment.after(ms, () => reject(new Error(`no answer within ${ms} ms`)), true);
    });
    try {
      await Promise.race([work, late]);
    } finally {
      timer?.cancel();
    }
  }
}
