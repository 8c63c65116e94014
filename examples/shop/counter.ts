/**
 * A counter: the smallest durable object there is. The page and the demonstration write to counters, because a
 * counter shows at once if a write got lost (it is too low) or was applied twice (it is too high).
 */

import { defineObject, read, reply } from "durable-object";

export const Counter = defineObject({
  // The name in the database. Every id is an object of its own: "page-1", "page-2", …
  type: "counter",
  // The state of an object that was never written. The types of all handlers follow from it.
  state: { count: 0 },
  handlers: {
    // A handler returns what happens: the caller gets `count`, after the next state is on the disk.
    increment: ({ state }) => {
      const count = state.count + 1;
      return reply(count, { count });
    },
    // A read never writes, and never waits for a write.
    look: read(({ state }) => reply(state.count)),
  },
});
