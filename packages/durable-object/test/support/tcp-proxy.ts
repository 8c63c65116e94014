/**
 * A line to a server that breaks when a test says so: cut, or cut before the reply to a request comes back, or
 * with the request still on its way. It listens on a port of this machine.
 */

import { once } from "node:events";
import { createConnection, createServer, type NetConnectOpts, type Server, type Socket } from "node:net";

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
  #isStalled = false;

  private constructor(to: NetConnectOpts) {
    this.#listener = createServer((client) => this.#connect(client, to));
  }

  /** @param to - the Unix socket of the server, or its port on this machine */
  static async create(to: string | number): Promise<TcpProxy> {
    const proxy = new TcpProxy(typeof to === "string" ? { path: to } : { port: to, host: "127.0.0.1" });
    proxy.#listener.listen(0, "127.0.0.1");
    await once(proxy.#listener, "listening");
    return proxy;
  }

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
    const server = createConnection(to);
    const line = { client, server };
    this.#lines.add(line);
    const ignore = (): void => {};
    client.on("error", ignore).on("close", () => {
      this.#lines.delete(line);
      if (!this.#held.some((held) => held.server === server)) server.destroy();
    });
    server.on("error", ignore).on("close", () => client.destroy());
    client.on("data", (request: Buffer) => this.#request(line, request));
    server.on("data", (reply: Buffer) => client.write(reply));
    if (this.#isStalled) client.pause();
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
