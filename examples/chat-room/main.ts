/**
 * A chat room in the browser, by Server-Sent Events: `npm run example -- chat-room`. Open it in two windows, kill the
 * server (`kill -9`) and start it again: a page says which message it had last, and gets those that it missed.
 */

import { EventEmitter, on } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createRuntime } from "durable-object";
import { storeFor } from "../store.ts";
import { Reader } from "./reader.ts";
import { Room } from "./room.ts";

const runtime = await createRuntime({ objects: [Room, Reader], store: storeFor("chat-room") });
const page = readFileSync(new URL("page.html", import.meta.url));
/** Rings when a room has news. It rings in this process only: pages at another one look at their next beat. */
const bell = new EventEmitter().setMaxListeners(0);

async function listen(id: string, member: string, last: number, response: ServerResponse): Promise<void> {
  const room = runtime.get(Room, id);
  response.writeHead(200, { "content-type": "text/event-stream" });
  const rings = on(bell, id);
  const beat = (): unknown => room.safe.enter(member).then(() => bell.emit(id));
  const beats = setInterval(beat, 5_000);
  response.once("close", () => {
    clearInterval(beats);
    void rings.return?.();
  });
  beat();
  let seen = last;
  for await (const _ of rings) {
    const news = await room.since(seen);
    seen = news.messages.at(-1)?.number ?? seen;
    response.write(`id: ${seen}\ndata: ${JSON.stringify(news)}\n\n`);
    if (news.messages.length > 0) await runtime.get(Reader, member).seen(id, seen);
  }
}

async function answer({ url = "/", headers, method }: IncomingMessage, response: ServerResponse): Promise<unknown> {
  const { pathname, searchParams } = new URL(url, "http://localhost");
  const [room = "", member = "", text = ""] = ["room", "member", "text"].map((name) => searchParams.get(name) ?? "");
  if (pathname === "/events") return listen(room, member, Number(headers["last-event-id"] ?? 0), response);
  if (pathname === "/unread") return response.end(JSON.stringify(await runtime.get(Reader, member).unread()));
  if (pathname !== "/say" || method !== "POST") return response.end(page);
  await runtime.get(Room, room).say(member, text);
  bell.emit(room);
  return response.writeHead(204).end();
}

const server = createServer((request, response) => {
  const fail = ({ message }: Error) => (response.headersSent ? response : response.writeHead(400)).end(message);
  answer(request, response).catch(fail);
});
server.listen(Number(process.env["PORT"] ?? 3200), "127.0.0.1", () => {
  console.log("http://127.0.0.1:%d/?room=lobby&member=ann", (server.address() as AddressInfo).port);
});
