/**
 * Limits the requests of each client, over restarts: `npm run example -- rate-limiter`.
 *
 * A server with the limiter in front gets twelve requests at once from ann and one from bob; then ann does as she was
 * told, and waits.
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createRuntime } from "durable-object";
import { storeFor } from "../store.ts";
import { limitRequests } from "./middleware.ts";
import { RateLimiter } from "./rate-limiter.ts";

await using runtime = await createRuntime({ objects: [RateLimiter], store: storeFor("rate-limiter") });
const limit = limitRequests(runtime, ({ headers }) => String(headers["x-api-key"] ?? "anonymous"));
const server = createServer((request, response) => {
  limit(request, response, (error) => response.writeHead(error === undefined ? 200 : 500).end("hello\n"));
});
await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens));
const { port } = server.address() as AddressInfo;

async function ask(key: string): Promise<Response> {
  const response = await fetch(`http://127.0.0.1:${port}`, { headers: { "x-api-key": key } });
  const { headers, status } = response;
  const left = headers.get("ratelimit-remaining");
  console.log(`${key}: ${status} ${left === null ? `wait ${headers.get("retry-after")} s` : `${left} left`}`);
  return response;
}

const answers = await Promise.all([...Array.from({ length: 12 }, () => ask("ann")), ask("bob")]);
const refused = answers.find(({ status }) => status === 429);
await sleep(1_000 * Number(refused?.headers.get("retry-after") ?? 0));
await ask("ann");
server.close();
server.closeAllConnections();
