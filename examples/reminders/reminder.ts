/**
 * A reminder, one object for each: its alarm is the clock. When it fires, the message goes into the inbox of
 * the person.
 *
 * The alarm may start twice, if the process dies in the middle. The inbox is another object, so its message is
 * not part of this commit: the call carries the id of the firing as its idempotency key, and the inbox takes it
 * once.
 */

import {
  cancel,
  defineObject,
  destroy,
  fail,
  handler,
  noreply,
  read,
  reply,
  schedule,
  type AlarmContext,
} from "durable-object";
import { z } from "zod";
import { Inbox } from "./inbox.ts";

interface ReminderState {
  readonly person: string;
  readonly text: string;
  readonly sent: number;
}

const nobody: ReminderState = { person: "", text: "", sent: 0 };

async function remind({ state, id, get, firingId, scheduledAt }: AlarmContext<ReminderState>) {
  const inbox = get(Inbox, state.person, { idempotencyKey: firingId });
  await inbox.receive({ reminder: id, text: state.text, dueAt: scheduledAt.getTime() });
  // If this commit does not come about, all of it is done again, and the inbox knows the message.
  return noreply({ ...state, sent: state.sent + 1 });
}

const wish = z.strictObject({
  person: z.string().min(1),
  text: z.string().min(1).max(500),
  /** Once, after so long, in ms … */
  inMs: z.int().min(0).optional(),
  /** … or again and again, by a cron pattern of UTC or of a time zone. */
  cron: z.string().optional(),
  timeZone: z.string().optional(),
});

/** What to remind whom of, and when. */
export type Wish = z.input<typeof wish>;

export const Reminder = defineObject({
  type: "reminder",
  state: nobody,
  handlers: {
    set: handler({ args: z.tuple([wish]) }, ({ state }, { person, text, inMs, cron, timeZone = "UTC" }) => {
      if ((inMs === undefined) === (cron === undefined)) return fail({ code: "say_when", message: "inMs or cron" });
      const next = { ...state, person, text };
      // Set again, it is replaced: there is one alarm of a name. What was snoozed goes with the old wish.
      return cron === undefined
        ? noreply(next, schedule("due", inMs ?? 0), cancel("again"))
        : noreply(next, schedule("due", { cron, timeZone }), cancel("again"));
    }),

    // A second alarm: snoozing does not move the pattern of a reminder that repeats.
    snooze: handler({ args: z.tuple([z.int().min(0)]) }, ({ state }, ms) =>
      state.person === "" ? fail({ code: "unknown_reminder" }) : noreply(state, schedule("again", ms)),
    ),

    // Its alarms go with it.
    forget: ({ state }) => (state.person === "" ? fail({ code: "unknown_reminder" }) : noreply(state, destroy())),

    look: read(({ state }) => reply(state)),
  },
  alarms: {
    due: remind,
    again: remind,
  },
  // Thousands of reminders wait for their time: they need not wait in memory.
  shutdownAfter: "1m",
});
