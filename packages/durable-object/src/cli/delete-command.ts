/** `delete`: objects with all that belongs to them. */

import type { Command } from "commander";
import type { Address } from "../core/address.ts";
import { withStoreOptions, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { inspecting } from "./inspection.ts";
import { findCluster, withOpenStore, withRuntime } from "./ownership.ts";
import type { Shell } from "./shell.ts";
import { commitAll } from "./store-writes.ts";
import { countText } from "./table.ts";

interface DeleteOptions extends WhichStore {
  readonly tenant: string;
  readonly yes?: boolean;
}

export function addDelete(program: Command, shell: Shell): void {
  const command = program
    .command("delete")
    .description("delete objects, with their alarms; the application must not run, unless it is a cluster")
    .argument("<type>")
    .argument("<ids...>")
    .option("--tenant <tenant>", "whose objects", "")
    .option("--yes", "do not ask")
    .action(async (type: string, ids: string[], options: DeleteOptions) => await remove(shell, type, ids, options));
  withStoreOptions(command);
}

async function remove(
  shell: Shell,
  type: string,
  ids: readonly string[],
  { tenant, yes, ...which }: DeleteOptions,
): Promise<void> {
  const found: Address[] = [];
  const missing: string[] = [];
  const location = await inspecting(shell, which, async (inspector) => {
    for (const id of new Set(ids)) {
      const address = { tenant, type, id };
      const hasAlarms = (await inspector.alarms({ ...address, status: null, after: null, limit: 1 })).length > 0;
      if (hasAlarms || (await inspector.object(address)) !== null) found.push(address);
      else missing.push(id);
    }
    return inspector.location;
  });
  if (found.length === 0) {
    throw new CommandFailure(
      exitCodes.found,
      "NOT_FOUND",
      `None of them exists in ${location}: ${missing.join(", ")}. Nothing was changed.`,
    );
  }
  await shell.confirm(
    `Delete ${countText(found.length, "object")} of the type "${type}", with state and alarms, from ${location}?`,
    yes === true,
  );
  const cluster = await findCluster(shell, which);
  if (cluster !== null) {
    await withRuntime(cluster, async (runtime) => {
      for (const { id } of found) await runtime.delete(type, id, { tenant });
    });
  } else {
    await withOpenStore(shell, which, async (store) => {
      await commitAll(
        store,
        found.map((address) => ({ address, deleted: true })),
      );
    });
  }
  shell.result({ deleted: found.map(({ id }) => id), missing }, () => `Deleted ${countText(found.length, "object")}.`);
  for (const id of missing) shell.note(`${type}/${id} did not exist.`);
}
