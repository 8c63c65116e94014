/** `ls`: what is stored. */

import type { Command } from "commander";
import { withStoreOptions, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { inspecting } from "./inspection.ts";
import { positiveNumber } from "./option-value.ts";
import type { Shell } from "./shell.ts";
import { shownValue } from "./stored-json.ts";
import { knownNames } from "./suggestion.ts";
import { lineText, sizeText, table, timeText } from "./table.ts";

interface LsOptions extends WhichStore {
  readonly tenant?: string;
  readonly limit: number;
  readonly after?: string;
}

export function addLs(program: Command, shell: Shell): void {
  const command = program
    .command("ls")
    .description("list the types of objects, or the objects of a type; also while the application runs")
    .argument("[type]", "the type of the objects to list")
    .option("--tenant <tenant>", "only this tenant's; with a type the default is the tenant without a name")
    .option("--limit <count>", "at most this many objects", positiveNumber, 50)
    .option("--after <id>", "continue after this id")
    .action(async (type: string | undefined, options: LsOptions) => {
      await (type === undefined ? listTypes(shell, options) : listObjects(shell, type, options));
    });
  withStoreOptions(command);
}

async function listTypes(shell: Shell, options: LsOptions): Promise<void> {
  await inspecting(shell, options, async (inspector) => {
    const counts = (await inspector.counts()).filter(
      ({ tenant }) => options.tenant === undefined || tenant === options.tenant,
    );
    shell.result(counts, () => {
      if (counts.length === 0) return `Nothing is stored in ${inspector.location}.`;
      const rows = counts.map(({ tenant, type, objects, alarms, dead }) => [
        type,
        tenant === "" ? "-" : tenant,
        `${objects}`,
        `${alarms}`,
        `${dead}`,
      ]);
      return table(["TYPE", "TENANT", "OBJECTS", "ALARMS", "DEAD"], rows);
    });
  });
}

async function listObjects(
  shell: Shell,
  type: string,
  { tenant = "", limit, after, ...which }: LsOptions,
): Promise<void> {
  await inspecting(shell, which, async (inspector) => {
    const from = after === undefined ? null : { tenant, type, id: after };
    const found = await inspector.objects({ tenant, type, after: from, limit: limit + 1 });
    const objects = found.slice(0, limit);
    const next = found.length > limit ? (objects.at(-1)?.address.id ?? null) : null;
    if (objects.length === 0 && after === undefined) await refuseUnknown(type, tenant, inspector);
    const listed = objects.map(({ address, revision, state, createdAt, updatedAt }) => ({
      id: address.id,
      revision,
      bytes: Buffer.byteLength(state ?? ""),
      createdAt: timeText(createdAt),
      updatedAt: timeText(updatedAt),
      state: shownValue(state),
    }));
    shell.result({ objects: listed, next }, () => {
      const rows = listed.map(({ id, revision, bytes, updatedAt }, index) => [
        id,
        `${revision}`,
        sizeText(bytes),
        updatedAt,
        lineText(objects[index]?.state ?? ""),
      ]);
      return table(["ID", "REVISION", "SIZE", "UPDATED", "STATE"], rows);
    });
    if (next !== null) shell.note(`There are more: --after ${JSON.stringify(next)}`);
  });
}

/** Nothing of that type: it may be misspelt. */
async function refuseUnknown(
  type: string,
  tenant: string,
  inspector: Parameters<Parameters<typeof inspecting>[2]>[0],
): Promise<void> {
  const counts = await inspector.counts();
  const elsewhere = counts.filter((count) => count.type === type).map((count) => count.tenant);
  const types = [...new Set(counts.map((count) => count.type))];
  if (elsewhere.includes(tenant)) return;
  const where =
    elsewhere.length > 0
      ? `The tenants ${elsewhere.map((name) => JSON.stringify(name)).join(", ")} have some: --tenant.`
      : types.length === 0
        ? "Nothing is stored there."
        : knownNames(type, types);
  const whose = tenant === "" ? "" : ` of the tenant ${JSON.stringify(tenant)}`;
  throw new CommandFailure(
    exitCodes.found,
    "NOT_FOUND",
    `There are no objects of the type "${type}"${whose} in ${inspector.location}. ${where}`,
  );
}
