/**
 * A chat room. Its messages are numbered: who comes back asks for all since the last number that they have, and is told
 * how many are no longer kept. A member who does not say `enter` again in time is away; an alarm sees to that.
 */

import { defineObject, fail, handler, noreply, read, reply, schedule } from "durable-object";
import { z } from "zod";
import { Reader } from "./reader.ts";

const mostKept = 100;
const hereMs = 15_000;

type Message = Readonly<{ number: number; from: string; text: string }>;
/** Until when each member is here, in ms since 1970; 0 for who is away. */
type Members = Readonly<Record<string, number>>;
const nobody: Members = {};

/** The next one to leave decides when the alarm is due. Set again, it is replaced. */
function leaving(members: Members) {
  const ends = Object.values(members).filter((until) => until > 0);
  return ends.length === 0 ? [] : [schedule("leave", new Date(Math.min(...ends)))];
}

export const Room = defineObject({
  type: "room",
  state: { posted: 0, messages: [] as readonly Message[], members: nobody },
  handlers: {
    enter: ({ state, now }, member: string) => {
      const members = { ...state.members, [member]: now + hereMs };
      return noreply({ ...state, members }, ...leaving(members));
    },
    say: handler({ args: z.tuple([z.string(), z.string().trim().min(1).max(500)]) }, ({ state }, from, text) => {
      if (!Object.hasOwn(state.members, from)) return fail({ code: "not_a_member" });
      const message = { number: state.posted + 1, from, text };
      const messages = [...state.messages, message].slice(-mostKept);
      // What is to be told to others is an alarm: it starts when the message is safe, and again after a crash.
      return reply(message.number, { ...state, posted: message.number, messages }, schedule("tell", 0));
    }),
    since: read(({ state }, number: number) => {
      const messages = state.messages.filter((message) => message.number > number);
      const here = Object.keys(state.members).filter((member) => state.members[member] !== 0);
      return reply({ messages, here, missed: Math.max(0, state.posted - number - messages.length) });
    }),
  },
  alarms: {
    leave: ({ state, now }) => {
      const stay = Object.entries(state.members).map(([member, until]) => [member, until > now ? until : 0] as const);
      const members: Members = Object.fromEntries(stay);
      return noreply({ ...state, members }, ...leaving(members));
    },
    tell: async ({ state, id, get }) => {
      await Promise.all(Object.keys(state.members).map((member) => get(Reader, member).posted(id, state.posted)));
      return noreply();
    },
  },
});
