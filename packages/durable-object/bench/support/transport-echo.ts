/**
 * The other process of the benchmark of transports: it answers each message with the message, in every way that is
 * compared. `node transport-echo.ts <NATS server, or nothing>`; it tells its parent where it is.
 */

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect } from "@nats-io/transport-node";
import { WebSocketServer } from "ws";
import { nats } from "../../src/nats/index.ts";
import { peers } from "../../src/peers/index.ts";
import type { Transport } from "../../src/ports/transport.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";

/** Where it is. */
export interface EchoPlaces {
  readonly peers: string | null;
  readonly socketPort: number;
}

/** What it is called, and the subject on which it answers by hand. */
export const echoNode = "echo";
export const echoSubject = "by-hand.echo";

export const echoSecret = "a secret of the benchmark";

if (process.argv[1] === import.meta.filename) {
  const [servers = ""] = process.argv.slice(2);
  const open = (transport: Transport) =>
    transport.open({
      environment: systemEnvironment,
      node: echoNode,
      answer: (message) => Promise.resolve(message),
      warn: () => {},
    });
  if (servers !== "") {
    await open(nats({ servers }));
    const connection = await connect({ servers });
    connection.subscribe(echoSubject, { callback: (_, message) => void message.respond(message.data) });
    await connection.flush();
  }
  const { endpoint } = await open(peers({ secret: echoSecret }));
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  server.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await once(server, "listening");
  const places: EchoPlaces = { peers: endpoint, socketPort: (server.address() as AddressInfo).port };
  process.send?.(places);
  process.once("disconnect", () => process.exit());
}
