/**
 * A line to a server that breaks when a test says so: cut, or cut before the reply to a request comes back, or
 * with the request still on its way. It listens on a port of this machine. It can translate what a PostgreSQL
 * server says.
 */

import { once } from "node:events";
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from "node:net";

/** What happens to the next request. */
type Fate = "pass" | "cut-before" | "cut-reply" | "hold";

interface Line {
  readonly client: Socket;
  readonly server: Socket;
}

/** A line to a server. */
export class TcpProxy {
  readonly #listener: Server;
  readonly #lines = new Set<Line>();
  readonly #fates: Fate[] = [];
  /** Requests that are still on their way, with the way there. */
  readonly #held: { readonly server: Socket; readonly request: Buffer }[] = [];
  readonly #words: ReadonlyMap<string, string>;
  #isStalled = false;

  private constructor(server: NetConnectOpts, words: ReadonlyMap<string, string>) {
    this.#words = words;
    this.#listener = createServer((client) => this.#connect(client, server));
  }

  /**
   * @param to - where the server listens: its Unix socket, or its port on this machine, or both in full
   * @param words - what stands for what in its replies; of the same lengths
   */
  static async create(
    to: NetConnectOpts | string | number,
    words: ReadonlyMap<string, string> = new Map(),
  ): Promise<TcpProxy> {
    const server =
      typeof to === "string" ? { path: to } : typeof to === "number" ? { port: to, host: "127.0.0.1" } : to;
    const proxy = new TcpProxy(server, words);
    proxy.#listener.listen(0, "127.0.0.1");
    await once(proxy.#listener, "listening");
    return proxy;
  }

  /** Has the URL of the server lead here instead. */
  lead(url: URL): void {
    const address = this.#listener.address();
    url.searchParams.delete("host");
    url.hostname = "127.0.0.1";
    url.port = typeof address === "object" && address !== null ? `${address.port}` : "";
  }

  /** The port of this machine that a line begins at. */
  get port(): number {
    const address = this.#listener.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** How many connections go over it. */
  get connections(): number {
    return this.#lines.size;
  }

  /** The next request does not arrive, and never will. */
  cutBeforeRequest(): void {
    this.#fates.push("cut-before");
  }

  /** The next request arrives, and its reply does not. */
  cutBeforeReply(): void {
    this.#fates.push("cut-reply");
  }

  /** So many requests pass; the reply to the one after them does not come back. */
  cutAfter(requests: number): void {
    this.#fates.push(...Array<Fate>(requests).fill("pass"), "cut-reply");
  }

  /** The next request is on its way until `deliver`, although its sender loses the connection. */
  holdRequest(): void {
    this.#fates.push("hold");
  }

  /** Lets the requests arrive that were on their way; resolves when the server has done with them. */
  async deliver(): Promise<void> {
    for (const { server, request } of this.#held.splice(0)) {
      server.resume();
      server.end(request);
      await once(server, "close");
    }
  }

  /** Nothing gets through any more, but nobody hears that. */
  stall(): void {
    this.#isStalled = true;
    for (const { client, server } of this.#lines) {
      client.pause();
      server.pause();
    }
  }

  /** What was held up by `stall` arrives now, late. */
  resume(): void {
    this.#isStalled = false;
    for (const { client, server } of this.#lines) {
      client.resume();
      server.resume();
    }
  }

  /** Everything is cut, and the line is good again. */
  cut(): void {
    this.#isStalled = false;
    for (const { client, server } of this.#lines) {
      client.destroy();
      server.destroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    for (const { server } of this.#held) server.destroy();
    this.#listener.close();
    await once(this.#listener, "close");
  }

  #connect(client: Socket, to: NetConnectOpts): void {
    const server = connect(to);
    const line = { client, server };
    this.#lines.add(line);
    const ignore = (): void => {};
    client.on("error", ignore).on("close", () => {
      this.#lines.delete(line);
      if (!this.#held.some((held) => held.server === server)) server.destroy();
    });
    server.on("error", ignore).on("close", () => client.destroy());
    client.on("data", (request: Buffer) => this.#request(line, request));
    server.on("data", (reply: Buffer) => client.write(this.#translated(reply)));
    if (this.#isStalled) client.pause();
  }

  #translated(reply: Buffer): Buffer {
    let text = reply.toString("latin1");
    for (const [word, other] of this.#words) text = text.replaceAll(word, other);
    return Buffer.from(text, "latin1");
  }

  #request({ client, server }: Line, request: Buffer): void {
    switch (this.#fates.shift()) {
      case undefined:
      case "pass":
        server.write(request);
        break;
      case "cut-before":
        client.destroy();
        break;
      case "cut-reply":
        server.removeAllListeners("data");
        server.once("data", () => client.destroy());
        server.write(request);
        break;
      case "hold":
        this.#held.push({ server, request });
        server.removeAllListeners("data").removeAllListeners("close");
        client.destroy();
        break;
    }
  }
}
