/**
 * Where a node listens: it lets in those who mean this very node, and who know the secret if there is one.
 *
 * Web pages are refused: a browser lets any page connect to any address, this machine's own included.
 */

import { once } from "node:events";
import { createServer as createPlainServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import { messageOf } from "../core/errors.ts";
import { TransportFailure, type TransportOpening } from "../ports/transport.ts";
import { PeerGuest } from "./peer-guest.ts";
import {
  freshNonce,
  headerOf,
  headers,
  isNonce,
  limitOf,
  proofOf,
  protocol,
  secretOf,
  type Introduction,
} from "./peer-handshake.ts";
import { frameOverheadBytes } from "./peer-socket.ts";
import type { ResolvedPeersOptions } from "./peers-options.ts";

/** How many may be here who have not shown yet who they are. */
const mostStrangers = 256;

/** How seldom operators are told of those who were sent away, in ms. */
const warningPauseMs = 60_000;

const reasons = {
  400: "Bad Request",
  403: "Forbidden",
  421: "Misdirected Request",
  503: "Service Unavailable",
} as const;

export class PeerListener {
  readonly #options: ResolvedPeersOptions;
  readonly #opening: TransportOpening;
  readonly #server: Server;
  readonly #upgrades: WebSocketServer;
  readonly #guests = new Set<PeerGuest>();
  /** All connections, whatever became of them. */
  readonly #sockets = new Set<Socket>();
  /** What is said to those who are let in, beside what the protocol says. */
  readonly #greetings = new WeakMap<IncomingMessage, readonly string[]>();
  #strangers = 0;
  #lastWarningMs = -Infinity;
  #isOpen = true;
  #emptied: () => void = () => {};

  private constructor(options: ResolvedPeersOptions, opening: TransportOpening) {
    this.#options = options;
    this.#opening = opening;
    const limits = { maxHeaderSize: 16_384, headersTimeout: options.connectTimeoutMs };
    this.#server =
      options.tls === null
        ? createPlainServer(limits)
        : createTlsServer({ handshakeTimeout: options.connectTimeoutMs, ...options.tls, ...limits });
    this.#upgrades = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxMessageBytes + frameOverheadBytes,
      handleProtocols: () => protocol,
    });
    this.#upgrades.on("headers", (lines, request) => lines.push(...(this.#greetings.get(request) ?? [])));
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on("request", (_, response) => response.writeHead(426, { connection: "close" }).end());
  }

  /**
   * Listens.
   *
   * @throws {@link TransportFailure} `unreachable`
   */
  static async open(options: ResolvedPeersOptions, opening: TransportOpening): Promise<PeerListener> {
    const { host, port } = options;
    try {
      const listener = new PeerListener(options, opening);
      listener.#server.listen(port, host);
      await once(listener.#server, "listening");
      // A connection that cannot be taken does not end the process.
      listener.#server.on("error", () => {});
      return listener;
    } catch (error) {
      const problem = `${opening.node} cannot listen on ${host}:${port}: ${messageOf(error)}.`;
      throw new TransportFailure("unreachable", problem, error);
    }
  }

  /** Where other nodes reach this one. */
  get url(): string {
    const { host, url, tls } = this.#options;
    const { port } = this.#server.address() as AddressInfo;
    if (url === null) return `${tls === null ? "ws" : "wss"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
    const told = new URL(url);
    // Port 0 stands for whatever it is.
    if (told.port === "0") told.port = `${port}`;
    return told.href;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => {});
    const { node } = this.#opening;
    const from = request.headers[headers.from];
    const callerNonce = request.headers[headers.nonce];
    const limit = limitOf(request.headers[headers.limit]);
    const isOurs = (request.headers["sec-websocket-protocol"] ?? "").split(/\s*,\s*/).includes(protocol);
    if (request.headers.origin !== undefined) refuse(socket, 403);
    else if (!isOurs || typeof from !== "string" || !isNonce(callerNonce) || limit === null) refuse(socket, 400);
    else if (request.headers[headers.to] !== headerOf(node)) refuse(socket, 421);
    else if (!this.#isOpen || this.#strangers >= mostStrangers) refuse(socket, 503);
    else {
      const known = { from, to: headerOf(node), callerNonce, listenerNonce: freshNonce() };
      this.#greetings.set(request, this.#greeting(known));
      this.#upgrades.handleUpgrade(request, socket, head, (upgraded) => this.#welcome(upgraded, known, limit, request));
    }
  }

  #greeting(known: Introduction): readonly string[] {
    const { secrets, maxMessageBytes } = this.#options;
    const said = [`${headers.to}: ${known.to}`, `${headers.limit}: ${maxMessageBytes}`];
    const [secret] = secrets;
    if (secret === undefined) return said;
    const proof = proofOf(secret, "listener", known);
    return [...said, `${headers.nonce}: ${known.listenerNonce}`, `${headers.proof}: ${proof}`];
  }

  #welcome(socket: WebSocket, known: Introduction, limit: number, request: IncomingMessage): void {
    const { secrets, maxMessageBytes, connectTimeoutMs } = this.#options;
    const address = request.socket.remoteAddress ?? "somewhere";
    let isStrange = true;
    this.#strangers++;
    const examined = (isAdmitted: boolean): void => {
      if (!isStrange) return;
      isStrange = false;
      this.#strangers--;
      patience.cancel();
      if (!isAdmitted) this.#warn(`Somebody at ${address} does not know the secret, and was sent away.`);
    };
    const patience = this.#opening.environment.after(connectTimeoutMs, () => guest.terminate());
    const guest: PeerGuest = new PeerGuest({
      opening: this.#opening,
      socket,
      limit: Math.min(limit, maxMessageBytes),
      admits: secrets.length === 0 ? null : (proof) => secretOf(secrets, "caller", known, proof) !== null,
      examined,
      gone: () => {
        examined(true);
        this.#guests.delete(guest);
        if (this.#guests.size === 0) this.#emptied();
      },
    });
    this.#guests.add(guest);
  }

  #warn(problem: string): void {
    const { environment, warn } = this.#opening;
    const now = environment.monotonic();
    if (now - this.#lastWarningMs < warningPauseMs) return;
    this.#lastWarningMs = now;
    warn("transport-refused", problem);
  }

  /** Looks after those who are here, now and then. */
  sweep(): void {
    for (const guest of this.#guests) guest.sweep();
  }

  /**
   * Listens no more, and says goodbye to those who are here. Resolves when they have gone.
   *
   * @param problem - said of what they have asked and nobody will answer
   */
  async dismiss(problem: string): Promise<void> {
    this.#isOpen = false;
    this.#server.close();
    for (const guest of this.#guests) guest.dismiss(problem);
    if (this.#guests.size > 0) await new Promise<void>((resolve) => (this.#emptied = resolve));
  }

  /** Ends whatever is left. */
  terminate(): void {
    for (const guest of this.#guests) guest.terminate();
    for (const socket of this.#sockets) socket.destroy();
  }
}

function refuse(socket: Duplex, status: keyof typeof reasons): void {
  socket.end(`HTTP/1.1 ${status} ${reasons[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
