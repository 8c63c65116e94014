/**
 * `check`: every stored row against the code, before it is deployed. What would not load is found here and not at the
 * next call: the states go the way that the engine brings them back.
 */

import type { Command } from "commander";
import { DefinitionTable } from "../runtime/definition-table.ts";
import { resolveOptions } from "../runtime/options.ts";
import { loadApplication, withStoreOptions, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { allAlarms, allObjects, inspecting } from "./inspection.ts";
import { positiveNumber } from "./option-value.ts";
import { Progress } from "./progress.ts";
import { alarmProblems, objectProblem, type RowProblem } from "./row-problem.ts";
import type { Shell } from "./shell.ts";
import { knownNames } from "./suggestion.ts";
import { countText, lineText, table } from "./table.ts";

interface CheckOptions extends WhichStore {
  readonly limit: number;
  readonly all?: boolean;
  readonly type?: string;
}

/** What was found of one type. */
interface TypeFindings {
  readonly type: string;
  /** Whether the application has it. */
  readonly known: boolean;
  objects: number;
  alarms: number;
  errors: number;
  warnings: number;
}

export function addCheck(program: Command, shell: Shell): void {
  const command = program
    .command("check")
    .description(
      "read every stored row against the code: which would not load, and why; also while the application runs",
    )
    .option("--type <type>", "only objects of this type")
    .option("--limit <count>", "show at most this many problems", positiveNumber, 20)
    .option("--all", "show all problems")
    .action(async (options: CheckOptions) => await check(shell, options));
  withStoreOptions(command);
}

async function check(shell: Shell, { limit, all, type, ...which }: CheckOptions): Promise<void> {
  const options = resolveOptions(await loadApplication(shell, which));
  const known = new Map([...new DefinitionTable(options.objects)].map((each) => [each.name, each]));
  const found = new Map<string, TypeFindings>();
  const findings = (name: string): TypeFindings => {
    const before = found.get(name);
    if (before !== undefined) return before;
    const fresh = { type: name, known: known.has(name), objects: 0, alarms: 0, errors: 0, warnings: 0 };
    found.set(name, fresh);
    return fresh;
  };
  const problems: RowProblem[] = [];
  const most = all === true ? Infinity : limit;
  const tell = (of: TypeFindings, problem: RowProblem): void => {
    of[problem.level === "error" ? "errors" : "warnings"] += 1;
    if (problems.length < most) problems.push(problem);
  };

  const location = await inspecting(shell, which, async (inspector) => {
    const counts = (await inspector.counts()).filter((count) => type === undefined || count.type === type);
    if (type !== undefined && counts.length === 0 && !known.has(type)) {
      const message = `There are no objects of the type "${type}" in ${inspector.location}, and the application has none. `;
      throw new CommandFailure(exitCodes.usage, "UNKNOWN_TYPE", message + knownNames(type, [...known.keys()]));
    }
    const progress = new Progress(
      shell,
      "Checking",
      counts.reduce((sum, { objects, alarms }) => sum + objects + alarms, 0),
    );
    for await (const object of allObjects(inspector, { tenant: null, type: type ?? null })) {
      const of = findings(object.address.type);
      of.objects += 1;
      const definition = known.get(of.type);
      const problem = definition === undefined ? null : objectProblem(object, definition.codec, options.maxStateBytes);
      if (problem !== null) tell(of, problem);
      progress.step();
    }
    for await (const alarm of allAlarms(inspector, { tenant: null, type: type ?? null, id: null, status: null })) {
      const of = findings(alarm.address.type);
      of.alarms += 1;
      const definition = known.get(of.type);
      if (definition !== undefined) {
        for (const problem of alarmProblems(alarm, definition.alarms.has(alarm.name))) tell(of, problem);
      }
      progress.step();
    }
    progress.end();
    return inspector.location;
  });
  const types = [...found.values()].sort((a, b) => (a.type < b.type ? -1 : 1));
  for (const of of types) {
    if (of.known) continue;
    const what = `${countText(of.objects, "object")} and ${countText(of.alarms, "alarm")} of it are left alone`;
    const problem = `the application does not know this type; ${what}. ${knownNames(of.type, [...known.keys()])}`;
    tell(of, { level: "warning", code: "UNKNOWN_TYPE", object: of.type, problem });
  }
  const sum = (what: "objects" | "alarms" | "errors" | "warnings"): number =>
    types.reduce((total, of) => total + of[what], 0);
  const [errors, warnings] = [sum("errors"), sum("warnings")];
  if (errors > 0) shell.exitCode = exitCodes.found;
  const result = { location, objects: sum("objects"), alarms: sum("alarms"), errors, warnings, types, problems };
  shell.result(result, () => {
    const rows = types.map((of) => [of.type, ...[of.objects, of.alarms, of.errors, of.warnings].map(String)]);
    const more = errors + warnings - problems.length;
    const read = `Read ${countText(result.objects, "object")} and ${countText(result.alarms, "alarm")} in ${location}`;
    return [
      ...problems.map(({ level, code, object, problem }) => `${level} ${code} ${object}: ${lineText(problem, 2_000)}`),
      ...(more > 0 ? [`and ${countText(more, "more problem")}: --limit or --all shows them`] : []),
      ...(rows.length === 0 ? [] : [table(["TYPE", "OBJECTS", "ALARMS", "ERRORS", "WARNINGS"], rows)]),
      `${read}: ${verdict(errors)}${warnings === 0 ? "" : `; ${countText(warnings, "warning")}`}.`,
    ].join("\n");
  });
}

function verdict(errors: number): string {
  if (errors === 0) return "all of it works with this code";
  return `${countText(errors, "error")}: do not deploy this code before that is mended`;
}
