/** An inbox, one for each person: the last messages, which expire by an alarm when nothing new comes. */

import { defineObject, noreply, read, reply, schedule } from "durable-object";

interface Message {
  readonly reminder: string;
  readonly text: string;
  /** When it was due, in ms since 1970. */
  readonly dueAt: number;
}

const mostKept = 100;

export const Inbox = defineObject({
  type: "inbox",
  state: { received: 0, messages: [] as readonly Message[] },
  handlers: {
    receive: ({ state }, message: Message) => {
      const messages = [...state.messages, message].slice(-mostKept);
      // Each message puts the end off: an alarm that is set again is replaced.
      return noreply({ received: state.received + 1, messages }, schedule("expire", "30d"));
    },
    look: read(({ state }) => reply(state)),
  },
  alarms: {
    expire: ({ state }) => noreply({ ...state, messages: [] }),
  },
});
