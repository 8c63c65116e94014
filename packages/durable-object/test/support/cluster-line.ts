/**
 * The line of one node to one server, which a test cuts, stalls and heals. It listens on a port of this machine; the
 * server is a Unix socket or another port. Where `tcp-proxy.ts` breaks a line at one request, this one is broken
 * for as long as the test says:
 *
 * - cut: connections are reset, and new ones as well;
 * - stalled: nothing gets through one way, or both, and nobody hears of it. What was sent arrives when the line is
 *   healed, however late, and also if its sender has given up meanwhile.
 */

import { once } from "node:events";
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from "node:net";

/** What does not get through. */
export type Stall = "requests" | "replies" | "both";

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
}

/** A line. */
export class ClusterLine {
  readonly #listener: Server;
  readonly #to: NetConnectOpts;
  readonly #connections = new Set<Connection>();
  #state: "fine" | "cut" | Stall = "fine";

  private constructor(to: NetConnectOpts) {
    this.#to = to;
    this.#listener = createServer({ allowHalfOpen: true }, (client) => this.#connect(client));
  }

  static async create(to: NetConnectOpts): Promise<ClusterLine> {
    const line = new ClusterLine(to);
    line.#listener.listen(0, "127.0.0.1");
    await once(line.#listener, "listening");
    return line;
  }

  get port(): number {
    const address = this.#listener.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** How many connections go through it. */
  get size(): number {
    return this.#connections.size;
  }

  /** Resets what is connected, and what tries to, until it is healed. */
  cut(): void {
    this.#state = "cut";
    for (const { client, server } of this.#connections) {
      reset(client);
      server.destroy();
    }
  }

  /** Lets nothing through any more, until it is healed. */
  stall(what: Stall): void {
    this.#state = what;
    for (const connection of this.#connections) this.#flow(connection);
  }

  /** Lets everything through, beginning with what was held up. */
  heal(): void {
    this.#state = "fine";
    for (const connection of this.#connections) this.#flow(connection);
  }

  async close(): Promise<void> {
    this.cut();
    const closed = once(this.#listener, "close");
    this.#listener.close();
    await closed;
  }

  #connect(client: Socket): void {
    // A reset is what there is to hear of an error, and the end of the connection says that already.
    client.on("error", ignore);
    if (this.#state === "cut") {
      reset(client);
      return;
    }
    const server = connect({ allowHalfOpen: true, ...this.#to }).on("error", ignore);
    const connection = { client, server };
    this.#connections.add(connection);
    client.on("data", (request: Buffer) => server.write(request)).on("end", () => server.end());
    server.on("data", (reply: Buffer) => client.write(reply)).on("end", () => client.end());
    client.on("close", () => {
      // Whatever is stalled on the way to the server arrives later.
      if (!server.writableEnded) server.end();
    });
    server.on("close", () => {
      this.#connections.delete(connection);
      client.destroy();
    });
    this.#flow(connection);
  }

  #flow({ client, server }: Connection): void {
    if (this.#state === "requests" || this.#state === "both") client.pause();
    else client.resume();
    if (this.#state === "replies" || this.#state === "both") server.pause();
    else server.resume();
  }
}

/** A socket that was ended cannot be reset any more: Node.js would never let go of it. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

function ignore(): void {}
