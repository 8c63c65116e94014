/** The ways in which the benchmark of transports gets a message to the other process, and its answer back. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { WebSocket } from "ws";
import { nats } from "../../src/nats/index.ts";
import { peers } from "../../src/peers/index.ts";
import type { Transport } from "../../src/ports/transport.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { echoNode, echoSecret, echoSubject, type EchoPlaces } from "./transport-echo.ts";

/** Sends a message; resolves to its answer. */
export type Ask = (message: string) => Promise<string>;

/** A way, and that of the library that it is compared with. */
export interface Ways {
  readonly peers: Ask;
  readonly bareSocket: Ask;
  /** Null if there is no NATS server. */
  readonly nats: Ask | null;
  readonly bareNats: Ask | null;
  close(): Promise<void>;
}

/** Starts the other process, and connects to it in every way. */
export async function openWays(servers: string | null): Promise<Ways> {
  const child = fork(join(import.meta.dirname, "transport-echo.ts"), [servers ?? ""], { execArgv: [] });
  const [places] = (await once(child, "message")) as [EchoPlaces];
  const closing: (() => Promise<unknown>)[] = [];

  const byTransport = async (transport: Transport, endpoint: string | null): Promise<Ask> => {
    const opened = await transport.open({
      environment: systemEnvironment,
      node: systemEnvironment.uniqueId(),
      answer: (message) => Promise.resolve(message),
      warn: (_, message) => console.error(message),
    });
    closing.push(() => opened.close());
    const to = { node: echoNode, endpoint };
    return (message) => opened.request(to, message, 5_000);
  };

  const bySocket = async (): Promise<Ask> => {
    const socket = new WebSocket(`ws://127.0.0.1:${places.socketPort}`, { perMessageDeflate: false });
    await once(socket, "open");
    // Echoes come back in order.
    const waiting: ((answer: string) => void)[] = [];
    socket.on("message", (data: Buffer) => waiting.shift()?.(data.toString()));
    closing.push(async () => socket.terminate());
    return (message) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        socket.send(message);
      });
  };

  const byDriver = async (url: string): Promise<Ask> => {
    const connection = await connect({ servers: url });
    closing.push(() => connection.close());
    return async (message) => (await connection.request(echoSubject, message, { timeout: 5_000 })).string();
  };

  return {
    peers: await byTransport(peers({ secret: echoSecret }), places.peers),
    bareSocket: await bySocket(),
    nats: servers === null ? null : await byTransport(nats({ servers }), null),
    bareNats: servers === null ? null : await byDriver(servers),
    async close() {
      await Promise.all(closing.map((close) => close()));
      const gone = once(child, "exit");
      child.disconnect();
      await gone;
    },
  };
}
