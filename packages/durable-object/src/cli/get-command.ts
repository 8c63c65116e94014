/** `get`: one object with all that is stored of it. */

import type { Command } from "commander";
import { withStoreOptions, type WhichStore } from "./configuration.ts";
import { shownAlarm, alarmsTable } from "./alarms-command.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { inspecting } from "./inspection.ts";
import type { Shell } from "./shell.ts";
import { shownValue } from "./stored-json.ts";
import { timeText } from "./table.ts";

interface GetOptions extends WhichStore {
  readonly tenant: string;
  readonly state?: boolean;
}

/** The most alarms that are shown of one object. */
const alarmLimit = 1_000;

export function addGet(program: Command, shell: Shell): void {
  const command = program
    .command("get")
    .description("show one object: its last committed state, and its alarms; also while the application runs")
    .argument("<type>")
    .argument("<id>")
    .option("--tenant <tenant>", "whose object", "")
    .option("--state", "print the state and nothing else, as JSON")
    .action(async (type: string, id: string, options: GetOptions) => await get(shell, type, id, options));
  withStoreOptions(command);
}

async function get(
  shell: Shell,
  type: string,
  id: string,
  { tenant, state: onlyState, ...which }: GetOptions,
): Promise<void> {
  await inspecting(shell, which, async (inspector) => {
    const object = await inspector.object({ tenant, type, id });
    if (object === null) {
      const whose = tenant === "" ? "" : ` of the tenant ${JSON.stringify(tenant)}`;
      throw new CommandFailure(
        exitCodes.found,
        "NOT_FOUND",
        `${type}/${id}${whose} does not exist in ${inspector.location}.`,
      );
    }
    const state = shownValue(object.state);
    if (onlyState === true) {
      shell.print(JSON.stringify(state, null, shell.json ? 0 : 2));
      return;
    }
    const alarms = await inspector.alarms({ tenant, type, id, status: null, after: null, limit: alarmLimit });
    const { revision, stateVersion, createdAt, updatedAt } = object;
    const times = { createdAt: timeText(createdAt), updatedAt: timeText(updatedAt) };
    shell.result({ tenant, type, id, revision, stateVersion, ...times, state, alarms: alarms.map(shownAlarm) }, () =>
      [
        `${type}/${id}${tenant === "" ? "" : ` (tenant ${tenant})`}`,
        `revision ${revision}, version ${stateVersion} of the state`,
        `created ${times.createdAt}, updated ${times.updatedAt}`,
        JSON.stringify(state, null, 2),
        ...(alarms.length === 0 ? ["No alarms."] : [alarmsTable(alarms)]),
      ].join("\n"),
    );
  });
}
