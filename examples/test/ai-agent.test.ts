/** The agent in virtual time with models that are told what to say, and killed for real in the middle of a tool call. */

import { createTestRuntime, type TestRuntime } from "durable-object/testing";
import { expect, test } from "vitest";
import { defineAgent, type Ask, type Move, type Step } from "../ai-agent/agent.ts";
import { killInToolCall, wholeConversation } from "./killed-agent.ts";

/** Answers that a test gives when it likes, to questions that it can look at. */
class Asked<Input, Answer> {
  readonly questions: { readonly input: Input; readonly key: string }[] = [];
  readonly #answers: ((answer: Answer) => void)[] = [];
  readonly ask: Ask<Input, Answer> = (input, key) => {
    this.questions.push({ input, key });
    return new Promise((resolve) => void this.#answers.push(resolve));
  };

  answer(answer: Answer): void {
    this.#answers.shift()?.(answer);
  }

  /** The process that asked is dead. */
  forget(): void {
    this.#answers.length = 0;
  }
}

async function open() {
  const model = new Asked<readonly Step[], Move>();
  const search = new Asked<unknown, string>();
  const { Conversation, Task } = defineAgent(model.ask, { search: search.ask });
  const t = await createTestRuntime({ objects: [Conversation, Task] });
  const conversation = t.get(Conversation, "ann");
  const texts = async (): Promise<readonly string[]> =>
    (await conversation.steps()).map(({ by, text }) => `${by}: ${text}`);
  return { t, model, search, conversation, texts, Conversation, Task, [Symbol.asyncDispose]: () => t.stop() };
}

async function settleWith<Input, Answer>(t: TestRuntime, asked: Asked<Input, Answer>, what: Answer): Promise<void> {
  asked.answer(what);
  await t.settle();
}

test("the model uses a tool, hears what it found, and answers; its tasks are gone afterwards", async () => {
  await using all = await open();
  const { t, model, search, conversation, texts, Task } = all;
  await conversation.tell("find it");
  await t.settle();
  await settleWith(t, model, { use: "search", input: { for: "it" } });
  expect(search.questions).toMatchObject([{ input: { for: "it" } }]);
  await settleWith(t, search, "found");
  expect(model.questions.map(({ input }) => input.length)).toEqual([1, 3]);
  await settleWith(t, model, { say: "here it is" });
  expect(await texts()).toEqual(["user: find it", "model: use search", "tool: found", "model: here it is"]);
  expect((await t.runtime.list(Task)).objects).toEqual([]);
});

test("who speaks while a tool works is not kept waiting, and is answered afterwards", async () => {
  await using all = await open();
  const { t, model, search, conversation, texts } = all;
  await conversation.tell("find it");
  await t.settle();
  await conversation.tell("and hurry");
  await settleWith(t, model, { use: "search", input: null });
  await conversation.tell("please");
  expect((await texts()).at(-1)).toBe("user: please");
  await settleWith(t, search, "found");
  await settleWith(t, model, { say: "here it is" });
  expect(model.questions).toHaveLength(2);
  await conversation.tell("thanks");
  await t.settle();
  await conversation.tell("bye");
  await settleWith(t, model, { say: "you are welcome" });
  expect(model.questions.at(-1)?.input.at(-2)?.text).toBe("bye");
});

test("a tool that takes too long is given up, and what it says later is not heard", async () => {
  await using all = await open();
  const { t, model, search, conversation, texts } = all;
  await conversation.tell("find it");
  await t.settle();
  await settleWith(t, model, { use: "search", input: null });
  await t.advance("29s");
  expect((await texts()).at(-1)).toBe("model: use search");
  await t.advance("1s");
  expect((await texts()).at(-1)).toBe("tool: search takes too long");
  await settleWith(t, model, { say: "sorry" });
  await settleWith(t, search, "found");
  expect((await texts()).at(-1)).toBe("model: sorry");
});

test("a tool that does not exist is an answer", async () => {
  await using all = await open();
  const { t, model, conversation, texts } = all;
  await conversation.tell("find it");
  await t.settle();
  await settleWith(t, model, { use: "magic", input: null });
  expect((await texts()).at(-1)).toBe("tool: there is no tool magic");
});

test("reminders come in their order, and silence is followed up once", async () => {
  await using all = await open();
  const { t, model, conversation, texts } = all;
  await conversation.tell("remind me twice");
  await t.settle();
  await settleWith(t, model, { remind: "second", inMs: 20_000 });
  await settleWith(t, model, { remind: "first", inMs: 10_000 });
  await settleWith(t, model, { say: "I will" });
  await t.advance("10s");
  expect((await texts()).at(-1)).toBe("clock: first");
  await settleWith(t, model, { say: "first" });
  await t.advance("10s");
  expect((await texts()).at(-1)).toBe("clock: second");
  await settleWith(t, model, { say: "second" });
  await t.advance("1h");
  expect((await texts()).at(-1)).toBe("clock: silence for an hour");
});

test("after a crash the model is asked only what it had not answered, under the same key", async () => {
  await using all = await open();
  const { t, model, search, conversation, texts } = all;
  await conversation.tell("find it");
  await t.settle();
  const restart = async (): Promise<void> => {
    model.forget();
    search.forget();
    await t.restart();
    await t.settle();
  };
  await restart();
  expect(model.questions).toHaveLength(2);
  expect(model.questions[1]).toEqual(model.questions[0]);
  await settleWith(t, model, { use: "search", input: null });
  await restart();
  expect(model.questions).toHaveLength(2);
  expect(search.questions).toHaveLength(2);
  expect(search.questions[1]).toEqual(search.questions[0]);
  t.faults.crashAfter("commit"); // the task has kept what the tool found, and nobody has heard of it
  await settleWith(t, search, "found");
  await restart();
  expect(search.questions).toHaveLength(2);
  await settleWith(t, model, { say: "here it is" });
  expect(await texts()).toEqual(["user: find it", "model: use search", "tool: found", "model: here it is"]);
});

test("killed in the middle of a tool call, it goes on, and asks the model nothing twice", async () => {
  const { model, tool, said, exitCode } = await killInToolCall();
  expect(said).toEqual(wholeConversation);
  expect(new Set(model).size).toBe(model.length);
  expect(model).toHaveLength(4);
  expect(tool).toEqual([tool[0], tool[0]]);
  expect(exitCode).toBe(0);
});
