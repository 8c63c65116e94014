/** The agent of the example, killed while its tool works and started again, on any store. */

import { ExampleProcess } from "./example-process.ts";

/** Under which keys the model and the tool were asked, over both lives, and what the second one said. */
export interface KilledAgent {
  readonly model: readonly string[];
  readonly tool: readonly string[];
  readonly said: readonly string[];
  readonly exitCode: number | null;
}

/** @param env - where it keeps its objects */
export async function killInToolCall(env: Readonly<Record<string, string>> = {}): Promise<KilledAgent> {
  const first = new ExampleProcess("ai-agent", env);
  await first.line(/looks at the weather/);
  await first.kill();
  const second = new ExampleProcess("ai-agent", env);
  const exitCode = await second.ended();
  const keysOf = (pattern: RegExp): string[] =>
    [...first.printed, ...second.printed]
      .filter((line) => pattern.test(line))
      .map((line) => line.replace(/.* under /, ""));
  return {
    model: keysOf(/model is asked/),
    tool: keysOf(/looks at the weather/),
    said: second.printed.filter((line) => !line.startsWith(" ")),
    exitCode,
  };
}

/** What it says in the end, however often it was killed. */
export const wholeConversation = [
  "user: How is Oslo? And remind me of the umbrella in 1 s.",
  "model: use weather",
  "tool: Oslo: 4 °C, rain",
  "tool: reminder set",
  "model: It will rain. I will remind you.",
  "clock: the umbrella",
  "model: You wanted to think of the umbrella.",
];
