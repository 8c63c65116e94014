/**
 * A chat room, and beside it what each person has read. A message gets a number in its room: who was away asks for all
 * since the last number that they have, and who has missed more than is kept is told so.
 */

import { defineObject, fail, handler, noreply, read, reply, schedule } from "durable-object";
import { z } from "zod";

const mostKept = 100;
export const presenceMs = 15_000;

interface Message {
  readonly number: number;
  readonly from: string;
  readonly text: string;
}

/** The rooms of one person, and how many messages there are and were read: so a repeated call changes nothing. */
export const Reader = defineObject({
  type: "reader",
  state: { rooms: {} as Readonly<Record<string, { readonly posted: number; readonly read: number }>> },
  handlers: {
    posted: ({ state: { rooms } }, room: string, posted: number) =>
      noreply({ rooms: { ...rooms, [room]: { read: rooms[room]?.read ?? 0, posted } } }),
    read: ({ state: { rooms } }, room: string, number: number) => {
      const { posted = number, read: before = 0 } = rooms[room] ?? {};
      return number <= before ? noreply() : noreply({ rooms: { ...rooms, [room]: { posted, read: number } } });
    },
    unread: read(({ state: { rooms } }) =>
      reply(Object.fromEntries(Object.entries(rooms).map(([room, { posted, read: seen }]) => [room, posted - seen]))),
    ),
  },
});

export const Room = defineObject({
  type: "room",
  state: {
    posted: 0,
    messages: [] as readonly Message[],
    /** Until when each member is here, in ms since 1970; 0 for who is away. */
    members: {} as Readonly<Record<string, number>>,
  },
  handlers: {
    /** Enters the room, and says again and again that one is still here. */
    enter: ({ state, now }, member: string) =>
      noreply(
        { ...state, members: { ...state.members, [member]: now + presenceMs } },
        schedule("leave", presenceMs / 3),
      ),
    say: handler({ args: z.tuple([z.string(), z.string().trim().min(1).max(500)]) }, ({ state, now }, from, text) => {
      if (!Object.hasOwn(state.members, from)) return fail({ code: "not_a_member" });
      const message = { number: state.posted + 1, from, text };
      const messages = [...state.messages, message].slice(-mostKept);
      // The members hear of it in an alarm: the message is safe before it starts, and it starts again after a crash.
      return reply(message.number, { ...state, posted: message.number, messages }, schedule("notify", 0));
    }),
    since: read(({ state, now }, number: number) => {
      const messages = state.messages.filter((message) => message.number > number);
      const here = Object.keys(state.members).filter((member) => (state.members[member] ?? 0) > now);
      return reply({ messages, here, missed: state.posted - number - messages.length });
    }),
  },
  alarms: {},
});
