/**
 * `check`: every stored row against the code, before it is deployed. What would not load is found here and not at the
 * next call: the states go the way that the engine brings them back.
 */

import type { Command } from "commander";
import { nextOccurrence, type AlarmRule } from "../alarms/alarm-rule.ts";
import { formatAddress } from "../core/address.ts";
import { DurableObjectError, messageOf } from "../core/errors.ts";
import type { AddressedAlarm } from "../ports/object-store.ts";
import type { InspectedObject, StoreInspector } from "../ports/store-inspector.ts";
import { DefinitionTable } from "../runtime/definition-table.ts";
import { reviveState } from "../runtime/object-state.ts";
import { resolveOptions } from "../runtime/options.ts";
import { loadApplication, withStoreOptions, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { allAlarms, allObjects, inspecting } from "./inspection.ts";
import { positiveNumber } from "./option-value.ts";
import { Progress } from "./progress.ts";
import type { Shell } from "./shell.ts";
import { countText } from "./table.ts";

interface CheckOptions extends WhichStore {
  readonly limit: number;
  readonly type?: string;
}

/** Something that is wrong with a stored row. */
interface Problem {
  /** A warning loses nothing and stops nothing: what nobody knows waits. */
  readonly level: "error" | "warning";
  readonly code: string;
  readonly object: string;
  readonly problem: string;
}

export function addCheck(program: Command, shell: Shell): void {
  const command = program
    .command("check")
    .description(
      "read every stored row against the code: which would not load, and why; also while the application runs",
    )
    .option("--type <type>", "only objects of this type")
    .option("--limit <count>", "show at most this many problems", positiveNumber, 20)
    .action(async (options: CheckOptions) => await check(shell, options));
  withStoreOptions(command);
}

async function check(shell: Shell, { limit, type, ...which }: CheckOptions): Promise<void> {
  const options = resolveOptions(await loadApplication(shell, which));
  const types = new Map([...new DefinitionTable(options.objects)].map((known) => [known.name, known]));
  const problems: Problem[] = [];
  const unknownTypes = new Map<string, number>();
  let errors = 0;
  let warnings = 0;
  const tell = (problem: Problem): void => {
    if (problem.level === "error") errors += 1;
    else warnings += 1;
    if (problems.length < limit) problems.push(problem);
  };

  const count = { objects: 0, alarms: 0 };
  const location = await inspecting(shell, which, async (inspector: StoreInspector) => {
    const total = (await inspector.counts()).reduce((sum, { objects, alarms }) => sum + objects + alarms, 0);
    const progress = new Progress(shell, "Checking", total);
    for await (const object of allObjects(inspector, { tenant: null, type: type ?? null })) {
      count.objects += 1;
      progress.step();
      const known = types.get(object.address.type);
      if (known === undefined) unknownTypes.set(object.address.type, (unknownTypes.get(object.address.type) ?? 0) + 1);
      else checkObject(object, known, options.maxStateBytes, tell);
    }
    for await (const alarm of allAlarms(inspector, { tenant: null, type: type ?? null, id: null, status: null })) {
      count.alarms += 1;
      progress.step();
      const known = types.get(alarm.address.type);
      if (known !== undefined) checkAlarm(alarm, known.alarms.has(alarm.name), tell);
      else if (!unknownTypes.has(alarm.address.type)) unknownTypes.set(alarm.address.type, 0);
    }
    progress.end();
    return inspector.location;
  });
  for (const [unknown, objects] of unknownTypes) {
    tell({
      level: "warning",
      code: "UNKNOWN_TYPE",
      object: unknown,
      problem: `the application does not know the type "${unknown}"; its ${countText(objects, "object")} are left alone`,
    });
  }
  if (errors > 0) shell.exitCode = exitCodes.found;
  shell.result({ location, ...count, errors, warnings, problems }, () => {
    const shown = problems.map(({ level, code, object, problem }) => `${level} ${code} ${object}: ${problem}`);
    const more = errors + warnings - problems.length;
    const read = `Read ${countText(count.objects, "object")} and ${countText(count.alarms, "alarm")} in ${location}`;
    const verdict = errors === 0 ? "all of them would load" : `${errors} of them would not work`;
    return [
      ...shown,
      ...(more > 0 ? [`and ${countText(more, "more problem")}: --limit`] : []),
      `${read}: ${verdict}${warnings === 0 ? "" : `; ${countText(warnings, "warning")}`}.`,
    ].join("\n");
  });
}

function checkObject(
  { address, state, stateVersion }: InspectedObject,
  { codec }: { readonly codec: Parameters<typeof reviveState>[1] },
  maxStateBytes: number,
  tell: (problem: Problem) => void,
): void {
  if (state === null) return;
  const object = formatAddress(address);
  try {
    reviveState(address, codec, state, stateVersion, false);
  } catch (error) {
    const code = error instanceof DurableObjectError ? error.code : "STATE_UNREADABLE";
    return tell({ level: "error", code, object, problem: messageOf(error).replace(`${object}: `, "") });
  }
  const bytes = Buffer.byteLength(state);
  if (bytes <= maxStateBytes) return;
  const problem = `it has ${bytes} bytes, and maxStateBytes is ${maxStateBytes}: it would load, and no change could be saved`;
  tell({ level: "error", code: "STATE_TOO_LARGE", object, problem });
}

function checkAlarm(
  { address, name, rule, dueAt }: AddressedAlarm,
  isHandled: boolean,
  tell: (problem: Problem) => void,
): void {
  const object = `${formatAddress(address)} alarm "${name}"`;
  if (!isHandled) {
    const problem = "the definition has no handler for it: when it fires it is acknowledged, and is gone";
    tell({ level: "warning", code: "UNKNOWN_ALARM", object, problem });
  }
  if (rule === null) return;
  try {
    nextOccurrence(JSON.parse(rule) as AlarmRule, dueAt, dueAt);
  } catch (error) {
    tell({
      level: "error",
      code: "INVALID_RULE",
      object,
      problem: `its rule ${rule} cannot be used: ${messageOf(error)}`,
    });
  }
}
