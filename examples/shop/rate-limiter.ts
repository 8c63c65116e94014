/**
 * A rate limiter, one per visitor: a bucket of tokens that fills up with time. Each request takes a token; an
 * empty bucket refuses. As the bucket is durable, a restart of the server gives nobody a fresh one.
 */

import { defineObject, fail, read, reply } from "durable-object";

/** How many requests may come at once. */
export const bucketSize = 10;
/** How long it takes for one token to come back. */
export const refillMs = 1_000;

interface Bucket {
  readonly tokens: number;
  /** When `tokens` was right, in ms since 1970. */
  readonly at: number;
}

/** The bucket as it is now, with what came back since then. A clock that jumps back refills nothing. */
function refilled({ tokens, at }: Bucket, now: number): number {
  return Math.min(bucketSize, tokens + Math.max(0, now - at) / refillMs);
}

export const RateLimiter = defineObject({
  type: "rate-limiter",
  state: { tokens: bucketSize, at: 0 },
  handlers: {
    // The time is an argument, so that a test can say what time it is.
    take: ({ state }, now: number = Date.now()) => {
      const tokens = refilled(state, now);
      if (tokens < 1) return fail({ code: "too_many_requests", retryAfterMs: Math.ceil((1 - tokens) * refillMs) });
      return reply(Math.floor(tokens - 1), { tokens: tokens - 1, at: now });
    },
    look: read(({ state }, now: number = Date.now()) => reply(Math.floor(refilled(state, now)))),
  },
});
