/**
 * A node among peers: it listens for the others, and has a link to each it has something to say to.
 *
 * A link is made for a node at a place, when the first message for it comes, and is forgotten when it ends: because it
 * was idle, because it broke, or because the other node said goodbye. Messages come in on connections that others have
 * made, and go out on those that this node has made; so two nodes that talk to each other have two.
 */

import { Buffer } from "node:buffer";
import type { OpenTransport, Peer, TransportOpening } from "../ports/transport.ts";
import type { DialFailure } from "./peer-dial.ts";
import { tooLarge, unreachable } from "./peer-failures.ts";
import { PeerLink } from "./peer-link.ts";
import { PeerListener } from "./peer-listener.ts";
import type { ResolvedPeersOptions } from "./peers-options.ts";

/** How many misfits are kept in mind. */
const mostMisfits = 1_000;

/** How long closing waits for others to have heard of it, in ms. */
const closeTimeoutMs = 1_000;

/**
 * Opens the transport of a node.
 *
 * @throws {@link TransportFailure} `unreachable`, if it cannot listen
 */
export async function openPeersTransport(
  options: ResolvedPeersOptions,
  opening: TransportOpening,
): Promise<OpenTransport> {
  return new OpenPeersTransport(options, opening, await PeerListener.open(options, opening));
}

class OpenPeersTransport implements OpenTransport {
  readonly endpoint: string;
  readonly maxMessageBytes: number;
  readonly #options: ResolvedPeersOptions;
  readonly #opening: TransportOpening;
  readonly #listener: PeerListener;
  /** Those that take messages, by where they lead. */
  readonly #links = new Map<string, PeerLink>();
  /** All of which something is left. */
  readonly #all = new Set<PeerLink>();
  /** Where nodes are that do not fit together with this one, as operators were told. */
  readonly #misfits = new Set<string>();
  #emptied: () => void = () => {};
  #closed: Promise<void> | null = null;
  #isOpen = true;

  constructor(options: ResolvedPeersOptions, opening: TransportOpening, listener: PeerListener) {
    this.#options = options;
    this.#opening = opening;
    this.#listener = listener;
    this.endpoint = listener.url;
    this.maxMessageBytes = options.maxMessageBytes;
    this.#sweepLater();
  }

  request(to: Peer, message: string, timeoutMs: number): Promise<string> {
    if (!this.#isOpen) return Promise.reject(unreachable(`The transport of ${this.#opening.node} is closed.`));
    const bytes = Buffer.byteLength(message);
    if (bytes > this.maxMessageBytes) return Promise.reject(tooLarge("A message", bytes, this.maxMessageBytes));
    return this.#linkTo(to).request(message, bytes, timeoutMs);
  }

  #linkTo(to: Peer): PeerLink {
    const key = `${to.endpoint} ${to.node}`;
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const { environment, node } = this.#opening;
    const link: PeerLink = new PeerLink({
      options: this.#options,
      environment,
      node,
      to,
      connected: () => this.#misfits.delete(key),
      ended: (misfit) => {
        this.#links.delete(key);
        if (misfit !== null) this.#warn(key, to, misfit);
      },
      over: () => {
        this.#all.delete(link);
        if (this.#all.size === 0) this.#emptied();
      },
    });
    this.#links.set(key, link);
    this.#all.add(link);
    return link;
  }

  /** Tells operators once, until it is better. */
  #warn(key: string, to: Peer, misfit: DialFailure): void {
    if (this.#misfits.has(key)) return;
    if (this.#misfits.size >= mostMisfits) this.#misfits.clear();
    this.#misfits.add(key);
    const { node, warn } = this.#opening;
    warn("transport-refused", `${node} cannot reach ${to.node} at ${to.endpoint}: ${misfit.message}.`, misfit);
  }

  #sweepLater(): void {
    this.#opening.environment.after(this.#options.pingIntervalMs, () => {
      if (!this.#isOpen) return;
      this.#listener.sweep();
      for (const link of this.#all) link.sweep();
      this.#sweepLater();
    });
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#isOpen = false;
    const problem = `The transport of ${this.#opening.node} was closed.`;
    for (const link of this.#all) link.close(problem);
    const gone = this.#listener.dismiss(problem);
    const ended = this.#all.size === 0 ? null : new Promise<void>((resolve) => (this.#emptied = resolve));
    // Who does not hear of it in time is cut off, and so is heard to be gone.
    const patience = this.#opening.environment.after(closeTimeoutMs, () => this.#terminate(), true);
    await Promise.all([gone, ended]);
    patience.cancel();
    this.#terminate();
  }

  #terminate(): void {
    for (const link of this.#all) link.terminate();
    this.#listener.terminate();
  }
}
