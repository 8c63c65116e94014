/** `delete`: objects with all that belongs to them. */

import type { Command } from "commander";
import type { Address } from "../core/address.ts";
import { withStoreOptions, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { inspecting } from "./inspection.ts";
import { findCluster, withOpenStore, withRuntime, withWaitOption } from "./ownership.ts";
import type { Shell } from "./shell.ts";
import { commitAll } from "./store-writes.ts";
import { countText } from "./table.ts";

interface DeleteOptions extends WhichStore {
  readonly tenant: string;
  readonly yes?: boolean;
  readonly wait: number;
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
  withStoreOptions(withWaitOption(command));
}

async function remove(
  shell: Shell,
  type: string,
  ids: readonly string[],
  { tenant, yes, wait, ...which }: DeleteOptions,
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
  // What no definition knows nobody has in memory; but only an owner may write, and the nodes own all of it.
  if (cluster?.objects.some((known) => known.type === type) === true) {
    await withRuntime(cluster, wait, async (runtime) => {
      for (const { id } of found) await runtime.delete(type, id, { tenant });
    });
  } else {
    const changes = found.map((address) => ({ address, deleted: true }));
    await withOpenStore(shell, { ...which, wait }, cluster === null, (store) => commitAll(store, changes));
  }
  shell.result({ deleted: found.map(({ id }) => id), missing }, () => `Deleted ${countText(found.length, "object")}.`);
  for (const id of missing) shell.note(`${type}/${id} did not exist.`);
}
