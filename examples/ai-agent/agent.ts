/**
 * An agent: a conversation with a model that may use tools, set reminders, and speak first after a long silence.
 *
 * A conversation never waits. What takes time is a task: an object of its own, whose alarm asks the model or a tool,
 * commits what it says, and then reports it. Whatever dies, nothing that has answered is asked again, and what had not
 * is asked again under the same key.
 */

import { cancel, defineObject, destroy, noreply, read, reply, schedule, type NoReply } from "durable-object";

export type Step = Readonly<{ by: "user" | "model" | "tool" | "clock"; text: string }>;
/** What a model decides on. */
export type Move = { say: string } | { use: string; input: unknown } | { remind: string; inMs: number };
/** A model, or a tool. Whom it asks, it gives the key, which is the same when the question is repeated. */
export type Ask<Input, Answer> = (input: Input, key: string, signal: AbortSignal) => Promise<Answer>;

type Work = Readonly<{ number: number; tool: string | null; input: unknown; seen: number }>;
type Reminder = Readonly<{ text: string; atMs: number }>;
interface Talk {
  readonly steps: readonly Step[];
  readonly asked: number;
  readonly work: Work | null;
  readonly reminders: readonly Reminder[];
}
const silence: Talk = { steps: [], asked: 0, work: null, reminders: [] };
const idle = { talk: "", work: null as Work | null, answer: null as string | Move | null };

const add = (talk: Talk, by: Step["by"], text: string): Talk => ({ ...talk, steps: [...talk.steps, { by, text }] });

/** The first reminder decides when the alarm is due. */
function reminding({ reminders }: Talk) {
  return reminders.length === 0 ? [] : [schedule("remind", new Date(Math.min(...reminders.map(({ atMs }) => atMs))))];
}

/** Begins a task for the model or a tool. If one is under way, its end begins the next. */
function ask(talk: Talk, tool: string | null = null, input: unknown = talk.steps) {
  if (talk.work !== null) return noreply(talk, ...reminding(talk));
  const work = { number: talk.asked + 1, tool, input, seen: talk.steps.length };
  const limit = tool === null ? cancel("giveUp") : schedule("giveUp", "30s");
  const next = { ...talk, asked: work.number, work };
  return noreply(next, schedule("begin", 0), limit, cancel("followUp"), ...reminding(talk));
}

export function defineAgent(model: Ask<readonly Step[], Move>, tools: Readonly<Record<string, Ask<unknown, string>>>) {
  const Conversation = defineObject({
    type: "conversation",
    state: silence,
    handlers: {
      tell: ({ state }, text: string) => ask(add(state, "user", text)),
      // Conversation and Task name each other, so one of them says what it returns.
      answered: ({ state, now }, number: number, answer: string | Move): NoReply<Talk, string> => {
        if (state.work?.number !== number) return noreply(); // it was given up
        const talk = { ...state, work: null };
        if (typeof answer === "string") return ask(add(talk, "tool", answer));
        if ("use" in answer) return ask(add(talk, "model", `use ${answer.use}`), answer.use, answer.input);
        if ("say" in answer) {
          const said = add(talk, "model", answer.say);
          return state.steps.length > state.work.seen ? ask(said) : noreply(said, schedule("followUp", "1h"));
        }
        const reminders = [...state.reminders, { text: answer.remind, atMs: now + answer.inMs }];
        return ask(add({ ...talk, reminders }, "tool", "reminder set"));
      },
      steps: read(({ state }) => reply(state.steps)),
    },
    alarms: {
      begin: async ({ state: { work }, id, get }) => {
        if (work !== null) await get(Task, `${id} ${work.number}`).begin(id, work);
        return noreply();
      },
      giveUp: ({ state }) => ask(add({ ...state, work: null }, "tool", `${state.work?.tool} takes too long`)),
      followUp: ({ state }) => ask(add(state, "clock", "silence for an hour")),
      remind: ({ state, now }) => {
        const reminders = state.reminders.filter(({ atMs }) => atMs > now);
        const due = state.reminders.filter(({ atMs }) => atMs <= now);
        return ask(due.reduce<Talk>((talk, { text }) => add(talk, "clock", text), { ...state, reminders }));
      },
    },
  });

  const Task = defineObject({
    type: "task",
    state: idle,
    handlers: {
      begin: ({ state }, talk: string, work: Work) =>
        state.work === null ? noreply({ talk, work, answer: null }, schedule("run", 0)) : noreply(),
    },
    alarms: {
      run: async ({ state, firingId, signal }) => {
        const { tool = null, input } = state.work ?? {};
        const answer = await (tool === null
          ? model(input as readonly Step[], firingId, signal)
          : (tools[tool]?.(input, firingId, signal) ?? `there is no tool ${tool}`));
        return noreply({ ...state, answer }, schedule("report", 0));
      },
      report: async ({ state: { talk, work, answer }, get }) => {
        if (work !== null && answer !== null) await get(Conversation, talk).answered(work.number, answer);
        return noreply({ talk, work, answer }, destroy());
      },
    },
  });
  return { Conversation, Task };
}
