/** What one person has read. It keeps the last numbers and no counts: what it is told twice changes nothing. */

import { defineObject, noreply, read, reply } from "durable-object";

const none: Readonly<Record<string, number>> = {};

export const Reader = defineObject({
  type: "reader",
  state: { posted: none, seen: none },
  handlers: {
    posted: ({ state }, room: string, number: number) =>
      noreply({ ...state, posted: { ...state.posted, [room]: number } }),
    seen: ({ state }, room: string, number: number) => noreply({ ...state, seen: { ...state.seen, [room]: number } }),
    unread: read(({ state: { posted, seen } }) => {
      const counts = Object.entries(posted).map(
        ([room, last]) => [room, Math.max(0, last - (seen[room] ?? 0))] as const,
      );
      return reply(Object.fromEntries(counts));
    }),
  },
});
