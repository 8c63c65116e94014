/** Messages there and back with nothing around them: what a call between two processes cannot be cheaper than. */

import { connect } from "@nats-io/transport-node";
import { once } from "node:events";
import { WebSocket } from "ws";

/** A way to send a text and have it back. */
export interface BareEcho {
  echo(caller: number): Promise<unknown>;
  close(): Promise<void>;
}

/** Over NATS: a request and its reply, on a connection with the settings that the library has. */
export async function openBareNats(server: string, subject: string, bytes: number): Promise<BareEcho> {
  const connection = await connect({ servers: server, noAsyncTraces: true });
  const payload = new TextEncoder().encode("x".repeat(bytes));
  return {
    echo: () => connection.request(subject, payload, { timeout: 10_000 }),
    close: () => connection.close(),
  };
}

/** Over a WebSocket: each caller has one message on its way, and knows its own by the number it begins with. */
export async function openBareWebSocket(url: string, bytes: number): Promise<BareEcho> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await once(socket, "open");
  const waiting = new Map<number, () => void>();
  socket.on("message", (data: Buffer) => {
    const caller = data.readUInt32LE(0);
    const resolve = waiting.get(caller);
    waiting.delete(caller);
    resolve?.();
  });
  return {
    echo: (caller) =>
      new Promise<void>((resolve) => {
        waiting.set(caller, resolve);
        const message = Buffer.alloc(bytes, "x");
        message.writeUInt32LE(caller);
        socket.send(message);
      }),
    close: async () => {
      socket.close();
      await once(socket, "close");
    },
  };
}
