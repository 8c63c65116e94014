/** The limiter in front of an HTTP handler, in the shape that connect, express and polka take. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Runtime } from "durable-object";
import { bucketSize, RateLimiter } from "./rate-limiter.ts";

type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/**
 * Lets a request through, or answers it with 429 and `Retry-After`.
 *
 * @param keyOf - who is limited: an API key, a user, an IP address
 */
export function limitRequests(runtime: Runtime, keyOf: (request: IncomingMessage) => string): Middleware {
  return (request, response, next) => {
    mayPass(request, response).then((isAllowed) => {
      if (isAllowed) next();
    }, next); // If the limiter itself fails, the application decides whether to let everybody through.
  };

  async function mayPass(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    // `safe` resolves instead of rejecting, and knows the reasons that `take` can fail with.
    const taken = await runtime.get(RateLimiter, keyOf(request)).safe.take();
    response.setHeader("ratelimit-limit", bucketSize);
    if (taken.ok) {
      response.setHeader("ratelimit-remaining", taken.value);
      return true;
    }
    if (taken.error.reason?.code !== "too_many_requests") throw taken.error;
    response.setHeader("retry-after", Math.ceil(taken.error.reason.retryAfterMs / 1_000));
    response.writeHead(429).end("too many requests\n");
    return false;
  }
}
