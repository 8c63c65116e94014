/**
 * A rate limiter, one object for each key: a bucket of tokens that fills up with time. Each request takes a token; an
 * empty bucket refuses. As the bucket is durable, a restart of the server gives nobody a fresh one.
 */

import { defineObject, destroy, fail, noreply, read, reply, schedule } from "durable-object";

/** How many requests may come at once. */
export const bucketSize = 10;
/** How long it takes for one token to come back. */
export const refillMs = 1_000;

interface Bucket {
  readonly tokens: number;
  /** When `tokens` was right, in ms since 1970. */
  readonly at: number;
}

/** The tokens as of now, with what came back since then. A clock that jumps back refills nothing. */
function refilled({ tokens, at }: Bucket, now: number): number {
  return Math.min(bucketSize, tokens + Math.max(0, now - at) / refillMs);
}

export const RateLimiter = defineObject({
  type: "rate-limiter",
  state: { tokens: bucketSize, at: 0 },
  handlers: {
    // Nothing is awaited, so a thousand requests for one key are a thousand turns and a handful of commits.
    take: ({ state, now }) => {
      const tokens = refilled(state, now);
      if (tokens < 1) return fail({ code: "too_many_requests", retryAfterMs: Math.ceil((1 - tokens) * refillMs) });
      // Each request puts the end off: an alarm that is set again is replaced.
      return reply(Math.floor(tokens - 1), { tokens: tokens - 1, at: now }, schedule("forget", bucketSize * refillMs));
    },
    look: read(({ state, now }) => reply(Math.floor(refilled(state, now)))),
  },
  alarms: {
    // By now the bucket is full, like one that was never used: no row needs to stay behind for it.
    forget: ({ state }) => noreply(state, destroy()),
  },
  shutdownAfter: "1m",
});
