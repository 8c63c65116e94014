/**
 * A model that follows a script, and a slow tool. A real model is a function of the same type: it sends the steps to a
 * provider, under the key, and makes a move of the answer.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Ask, Move, Step } from "./agent.ts";

export const model: Ask<readonly Step[], Move> = async (steps, key) => {
  console.log(`  (the model is asked under ${key})`);
  const last = steps.at(-1);
  const wish = /remind me of (?<what>.+) in (?<seconds>\d+) s/.exec(steps.find(({ by }) => by === "user")?.text ?? "");
  if (last?.by === "user") return { use: "weather", input: { city: "Oslo" } };
  if (last?.text === "reminder set") return { say: "It will rain. I will remind you." };
  if (last?.by === "clock") return { say: `You wanted to think of ${last.text}.` };
  return { remind: wish?.groups?.["what"] ?? "this", inMs: 1_000 * Number(wish?.groups?.["seconds"] ?? 60) };
};

const place = z.object({ city: z.string() }); // what a model passes is checked, as all that comes from outside

async function weather(input: unknown, key: string, signal: AbortSignal): Promise<string> {
  const { city } = place.parse(input);
  console.log(`  (looks at the weather in ${city} under ${key})`);
  await sleep(1_000, undefined, { signal });
  return `${city}: 4 °C, rain`;
}

export const tools = { weather };
