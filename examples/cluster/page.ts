/** The page: one HTML document, to which every picture is sent as a server-sent event. */

import { readFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { checkOrigin, HttpError } from "../shop/http.ts";
import type { Command, Scene } from "./watch.ts";

const html = readFileSync(join(import.meta.dirname, "page.html"), "utf8");
const commands: readonly string[] = ["kill", "stop", "pause", "add"] satisfies Command[];

/** A page that is open. */
export interface Page {
  readonly url: string;
  send(scene: Scene): void;
  close(): Promise<void>;
}

/**
 * Opens the page, for this machine only.
 *
 * @param port - if it is taken, any other
 * @param command - what the buttons do
 */
export async function openPage(port: number, command: (command: Command, node: string | null) => void): Promise<Page> {
  const viewers = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const name = url.pathname.slice(1);
    if (request.method === "POST" && isCommand(name)) {
      response.statusCode = obey(() => {
        checkOrigin(request);
        command(name, url.searchParams.get("node"));
      });
      response.end();
    } else if (request.method === "GET" && name === "events") {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      response.flushHeaders();
      viewers.add(response);
      response.once("close", () => viewers.delete(response));
    } else if (request.method === "GET" && name === "") {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" }).end(html);
    } else {
      response.writeHead(404).end();
    }
  });
  await listen(server, port).catch(() => listen(server, 0));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    send(scene) {
      const event = `data: ${JSON.stringify(scene)}\n\n`;
      for (const viewer of viewers) viewer.write(event);
    },
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function isCommand(name: string): name is Command {
  return commands.includes(name);
}

/** The status for what came of it. */
function obey(act: () => void): number {
  try {
    act();
    return 204;
  } catch (error) {
    return error instanceof HttpError ? error.status : 500;
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
}
