/** `call`: one call of a handler, as the application would make it. */

import type { Command } from "commander";
import { loadApplication, withStoreOptions, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { durationMs } from "./option-value.ts";
import { withRuntime, withWaitOption } from "./ownership.ts";
import type { Shell } from "./shell.ts";
import { knownNames } from "./suggestion.ts";

interface CallOptions extends WhichStore {
  readonly tenant: string;
  readonly args?: string;
  readonly timeout?: number | "never";
  readonly wait: number;
  readonly idempotencyKey?: string;
}

export function addCall(program: Command, shell: Shell): void {
  const command = program
    .command("call")
    .description("call a handler of an object; the application must not run, unless it is a cluster")
    .argument("<type>")
    .argument("<id>")
    .argument("<handler>")
    .argument("[args...]", "JSON each, as 5, true or '{\"a\":1}'; what is no JSON is a text")
    .option("--tenant <tenant>", "whose object", "")
    .option("--args <json>", "all arguments at once, as a JSON list")
    .option("--timeout <duration>", 'how long it may take, such as "30s" or "never"', timeoutMs)
    .option("--idempotency-key <key>", "a repeat under the same key is not applied again")
    .action(async (type: string, id: string, handler: string, args: string[], options: CallOptions) => {
      await call(shell, type, id, handler, args, options);
    });
  withStoreOptions(withWaitOption(command));
}

async function call(
  shell: Shell,
  type: string,
  id: string,
  handler: string,
  texts: readonly string[],
  { tenant, args, timeout, idempotencyKey, wait, ...which }: CallOptions,
): Promise<void> {
  const values = args === undefined ? texts.map(argument) : argumentList(args, texts);
  const application = await loadApplication(shell, which);
  const definition = application.objects.find((known) => known.type === type);
  if (definition === undefined) {
    const known = application.objects.map((each) => each.type);
    throw new CommandFailure(
      exitCodes.usage,
      "UNKNOWN_TYPE",
      `The application has no objects of the type "${type}". ${knownNames(type, known)}`,
    );
  }
  if (!Object.hasOwn(definition.handlers as object, handler)) {
    const known = Object.keys(definition.handlers as object);
    throw new CommandFailure(
      exitCodes.usage,
      "UNKNOWN_HANDLER",
      `${type} has no handler "${handler}". ${knownNames(handler, known)}`,
    );
  }
  const result = await withRuntime(application, wait, (runtime) =>
    runtime.call(type, id, handler, values, {
      tenant,
      ...(timeout === undefined ? {} : { timeout }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    }),
  );
  shell.result({ result: result ?? null }, () => (result === undefined ? "done" : JSON.stringify(result, null, 2)));
}

function timeoutMs(text: string): number | "never" {
  return text === "never" ? text : durationMs(text);
}

/** An argument as it was typed: JSON, and what is no JSON is a text. */
function argument(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function argumentList(json: string, texts: readonly string[]): readonly unknown[] {
  if (texts.length > 0)
    throw new CommandFailure(
      exitCodes.usage,
      "INVALID_ARGUMENTS",
      "Give the arguments one by one or with --args, not both.",
    );
  const list = argument(json);
  if (Array.isArray(list)) return list as readonly unknown[];
  throw new CommandFailure(
    exitCodes.usage,
    "INVALID_ARGUMENTS",
    `--args must be a JSON list such as '[5, "a"]', not ${json}`,
  );
}
