/** A conversation that goes on after `kill -9`, also in the middle of a tool call: `npm run example -- ai-agent`. */

import { setTimeout as sleep } from "node:timers/promises";
import { createRuntime } from "durable-object";
import { storeFor } from "../store.ts";
import { defineAgent } from "./agent.ts";
import { model, tools } from "./script.ts";

const { Conversation, Task } = defineAgent(model, tools);
await using runtime = await createRuntime({ objects: [Conversation, Task], store: storeFor("ai-agent") });
const ann = runtime.get(Conversation, "ann");
if ((await ann.steps()).length === 0) await ann.tell("How is Oslo? And remind me of the umbrella in 1 s.");
for (let shown = 0, isOver = false; !isOver;) {
  await sleep(20);
  const steps = await ann.steps();
  for (const { by, text } of steps.slice(shown)) console.log(`${by}: ${text}`);
  [shown, isOver] = [steps.length, steps.at(-1)?.by === "model" && steps.at(-2)?.by === "clock"];
}
await runtime.delete(Conversation, "ann"); // the next run begins anew
