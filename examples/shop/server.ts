/**
 * The shop as a process: a runtime, and an HTTP server in front of it.
 *
 * `npm start` runs it as a child that may be killed. Alone it runs too: `node shop/server.ts`.
 * Environment: PORT, and DATABASE_URL for PostgreSQL; without it a SQLite file. SHOP_STORE names either.
 */

import { randomUUID } from "node:crypto";
import { createServer, type Server, type ServerResponse } from "node:http";
import { createRuntime, DurableObjectError, type Runtime } from "durable-object";
import { RateLimiter } from "../rate-limiter/rate-limiter.ts";
import { Cart } from "../shopping-cart/cart.ts";
import { Stock } from "../shopping-cart/stock.ts";
import { defaultPlace, storeAt } from "../store.ts";
import { Counter } from "./counter.ts";
import { readCookie } from "./http.ts";
import { page } from "./page.ts";
import { answer } from "./routes.ts";

const place = process.env["SHOP_STORE"] ?? defaultPlace;
const wantedPort = Number(process.env["PORT"] ?? 3000);

const runtime = await openRuntime();
const server = createServer((request, response) => {
  if (request.method === "GET" && request.url === "/") sendPage(response, readCookie(request, "visitor") === null);
  else void answer(runtime, request, response);
});
// The end: no new requests, then the runtime finishes what it has begun and closes the store.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
// The process that started this one is gone: nobody would notice this one any more.
process.once("disconnect", () => void stop());

const port = await listen(server, wantedPort);
if (process.send === undefined) console.log(`The shop is open at http://127.0.0.1:${port}`);
else process.send({ port });

async function stop(): Promise<void> {
  server.close();
  await runtime.stop();
  server.closeAllConnections();
  process.exit(0);
}

async function openRuntime(): Promise<Runtime> {
  try {
    return await createRuntime({
      objects: [Cart, Counter, RateLimiter, Stock],
      store: storeAt(place),
    });
  } catch (error) {
    if (!(error instanceof DurableObjectError)) throw error;
    // For instance STORE_LOCKED: the message names the process that has the store.
    console.error(`${error.code}: ${error.message}`);
    process.exit(1);
  }
}

function sendPage(response: ServerResponse, isNewVisitor: boolean): void {
  if (isNewVisitor) response.setHeader("set-cookie", `visitor=${randomUUID()}; SameSite=Lax; Max-Age=31536000`);
  response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
  response.end(page);
}

/** Listens on the first free port from the wanted one on, on this machine only. */
async function listen(to: Server, firstPort: number): Promise<number> {
  for (let candidate = firstPort; ; candidate++) {
    try {
      await new Promise<void>((resolve, reject) => {
        to.once("error", reject).listen(candidate, "127.0.0.1", () => {
          to.off("error", reject);
          resolve();
        });
      });
      return candidate;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || candidate >= firstPort + 50) throw error;
    }
  }
}
