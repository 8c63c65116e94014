/** `call`: one call of a handler, as the application would make it. */

import type { Command } from "commander";
import { loadApplication, withStoreOptions, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { withRuntime } from "./ownership.ts";
import type { Shell } from "./shell.ts";

interface CallOptions extends WhichStore {
  readonly tenant: string;
  readonly args?: string;
  readonly timeout?: string;
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
    .option("--timeout <duration>", 'how long it may take, such as "30s" or "never"')
    .option("--idempotency-key <key>", "a repeat under the same key is not applied again")
    .action(async (type: string, id: string, handler: string, args: string[], options: CallOptions) => {
      await call(shell, type, id, handler, args, options);
    });
  withStoreOptions(command);
}

async function call(
  shell: Shell,
  type: string,
  id: string,
  handler: string,
  texts: readonly string[],
  { tenant, args, timeout, idempotencyKey, ...which }: CallOptions,
): Promise<void> {
  const values = args === undefined ? texts.map(argument) : argumentList(args, texts);
  const application = await loadApplication(shell, which);
  const definition = application.objects.find((known) => known.type === type);
  if (definition === undefined) {
    const known = application.objects.map((each) => each.type).join(", ");
    throw new CommandFailure(
      exitCodes.usage,
      "UNKNOWN_TYPE",
      `The application has no objects of the type "${type}". It has ${known || "none"}.`,
    );
  }
  if (!Object.hasOwn(definition.handlers as object, handler)) {
    const known = Object.keys(definition.handlers as object).join(", ");
    throw new CommandFailure(
      exitCodes.usage,
      "UNKNOWN_HANDLER",
      `${type} has no handler "${handler}". It has ${known || "none"}.`,
    );
  }
  const result = await withRuntime(application, (runtime) =>
    runtime.call(type, id, handler, values, {
      tenant,
      ...(timeout === undefined ? {} : { timeout: timeout as "5s" }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    }),
  );
  shell.result({ result: result ?? null }, () => (result === undefined ? "done" : JSON.stringify(result, null, 2)));
}

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
  if (Array.isArray(list)) return list as unknown[];
  throw new CommandFailure(
    exitCodes.usage,
    "INVALID_ARGUMENTS",
    `--args must be a JSON list such as '[5, "a"]', not ${json}`,
  );
}
