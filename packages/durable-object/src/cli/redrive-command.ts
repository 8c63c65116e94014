/** `redrive`: dead alarms are due again, with no attempts counted. */

import type { Command } from "commander";
import type { AddressedAlarm } from "../ports/object-store.ts";
import { withStoreOptions, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { allAlarms, inspecting } from "./inspection.ts";
import { findCluster, withOpenStore, withRuntime } from "./ownership.ts";
import type { Shell } from "./shell.ts";
import { commitAll, type Change } from "./store-writes.ts";
import { countText } from "./table.ts";

interface RedriveOptions extends WhichStore {
  readonly tenant?: string;
  readonly all?: boolean;
}

export function addRedrive(program: Command, shell: Shell): void {
  const command = program
    .command("redrive")
    .description("try dead alarms again; the application must not run, unless it is a cluster")
    .argument("<type>")
    .argument("[id]")
    .argument("[name]", "of the alarm; without it all dead ones of the object")
    .option("--tenant <tenant>", "whose; with --all the default is every tenant's")
    .option("--all", "all dead alarms of the type")
    .action(async (type: string, id: string | undefined, name: string | undefined, options: RedriveOptions) => {
      await redrive(shell, type, id, name, options);
    });
  withStoreOptions(command);
}

async function redrive(
  shell: Shell,
  type: string,
  id: string | undefined,
  name: string | undefined,
  { tenant, all, ...which }: RedriveOptions,
): Promise<void> {
  if ((id === undefined) !== (all === true)) {
    throw new CommandFailure(exitCodes.usage, "INVALID_ARGUMENTS", "Name an object, or say --all for all of the type.");
  }
  const whose = id === undefined ? (tenant ?? null) : (tenant ?? "");
  const dead: AddressedAlarm[] = [];
  await inspecting(shell, which, async (inspector) => {
    for await (const alarm of allAlarms(inspector, { tenant: whose, type, id: id ?? null, status: "dead" })) {
      if (name === undefined || alarm.name === name) dead.push(alarm);
    }
  });
  const cluster = dead.length === 0 ? null : await findCluster(shell, which);
  if (cluster !== null) {
    await withRuntime(cluster, async ({ alarms }) => {
      for (const { address, name: alarm } of dead) {
        await alarms.redrive(type, address.id, alarm, { tenant: address.tenant });
      }
    });
  } else if (dead.length > 0) {
    await withOpenStore(shell, which, async (store) => {
      await commitAll(store, redrivings(dead, Date.now()));
    });
  }
  const redriven = dead.map(({ address, name: alarm }) => ({ ...address, name: alarm }));
  shell.result({ redriven }, () => `${countText(dead.length, "dead alarm")} will be tried again.`);
  if (dead.length === 0 && id !== undefined) shell.exitCode = exitCodes.found;
}

/** One change for each object. The alarms come in the order of their objects. */
function* redrivings(dead: readonly AddressedAlarm[], dueAt: number): Generator<Change> {
  for (const [index, { address }] of dead.entries()) {
    const before = dead[index - 1]?.address;
    if (before?.id === address.id && before.tenant === address.tenant) continue;
    const own = dead.filter((other) => other.address.id === address.id && other.address.tenant === address.tenant);
    yield { address, alarms: own.map(({ name }) => ({ change: "redrive", name, dueAt })) };
  }
}
