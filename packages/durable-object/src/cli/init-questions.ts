/** What `init` asks a person at a terminal: only what no option has said. */

import { select, text } from "@clack/prompts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { checkObjectName } from "./object-name.ts";
import type { ProjectChoice } from "./project-files.ts";
import type { Shell } from "./shell.ts";

/** What can be asked, as far as it is known. */
export interface InitAnswers {
  readonly object?: string | undefined;
  readonly store?: ProjectChoice["store"] | undefined;
  readonly scheduler?: ProjectChoice["scheduler"] | undefined;
  readonly cluster?: ProjectChoice["cluster"] | undefined;
}

/**
 * Asks for what is not known.
 *
 * @throws {@link CommandFailure} if the person does not want to go on
 */
export async function askInit(shell: Shell, known: InitAnswers): Promise<InitAnswers> {
  const { stdin: input, stderr: output } = shell.surroundings;
  const choose = async <T extends string>(
    message: string,
    options: readonly (readonly [value: T, label: string, hint: string])[],
  ): Promise<T> => {
    const choices = options.map(([value, label, hint]) => ({ value: value as string, label, hint }));
    return answered(await select({ message, options: choices, input, output })) as T;
  };

  const object =
    known.object ??
    answered(
      await text({
        message: "What is the first object called?",
        placeholder: "Counter",
        defaultValue: "Counter",
        validate: (name) => (name === undefined || name === "" ? undefined : problemOf(name)),
        input,
        output,
      }),
    );
  const store =
    known.store ??
    (await choose<"sqlite" | "postgres">("Where are objects kept?", [
      ["sqlite", "SQLite", "a file beside the application; nothing to install"],
      ["postgres", "PostgreSQL", "also for several processes"],
    ]));
  if (store === "sqlite") return { ...known, object, store };
  const scheduler =
    known.scheduler ??
    (await choose<"polling" | "pg-boss">("What finds the alarms that are due?", [
      ["polling", "this library", "nothing else is needed"],
      ["pg-boss", "pg-boss", "alarms are jobs of the queue that you run already"],
    ]));
  const cluster =
    known.cluster === undefined
      ? await choose<"none" | "peers" | "nats">("How many processes share the objects?", [
          ["none", "one", "a second one waits, and takes over"],
          ["peers", "several, straight from node to node", "nothing else is needed"],
          ["nats", "several, over a NATS server", ""],
        ])
      : (known.cluster ?? "none");
  return { object, store, scheduler, cluster: cluster === "none" ? null : cluster };
}

function answered(answer: string | symbol): string {
  if (typeof answer === "string") return answer;
  throw new CommandFailure(exitCodes.declined, "NOT_CONFIRMED", "Nothing was changed.");
}

function problemOf(name: string): string | undefined {
  try {
    checkObjectName(name);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
