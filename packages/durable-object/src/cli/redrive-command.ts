/** `redrive`: dead alarms are due again, with no attempts counted. */

import type { Command } from "commander";
import type { AddressedAlarm, AlarmChange } from "../ports/object-store.ts";
import type { StoreInspector } from "../ports/store-inspector.ts";
import { withStoreOptions, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { allAlarms, inspecting } from "./inspection.ts";
import { findCluster, withOpenStore, withRuntime, withWaitOption } from "./ownership.ts";
import type { Shell } from "./shell.ts";
import { commitAll, type Change } from "./store-writes.ts";
import { countText } from "./table.ts";

interface RedriveOptions extends WhichStore {
  readonly tenant?: string;
  readonly all?: boolean;
  readonly wait: number;
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
  withStoreOptions(withWaitOption(command));
}

async function redrive(
  shell: Shell,
  type: string,
  id: string | undefined,
  name: string | undefined,
  { tenant, all, wait, ...which }: RedriveOptions,
): Promise<void> {
  if ((id === undefined) !== (all === true)) {
    throw new CommandFailure(exitCodes.usage, "INVALID_ARGUMENTS", "Name an object, or say --all for all of the type.");
  }
  const whose = id === undefined ? (tenant ?? null) : (tenant ?? "");
  await inspecting(shell, which, async (inspector) => {
    const query = { tenant: whose, type, id: id ?? null, status: "dead" } as const;
    const dead = chosen(allAlarms(inspector, query), name);
    const first = await dead.next();
    if (first.done === true) throw await noneDead(inspector, query, name);
    const rest = restored(first.value, dead);
    let count = 0;
    const cluster = await findCluster(shell, which);
    if (cluster !== null) {
      await withRuntime(cluster, wait, async ({ alarms }) => {
        for await (const { address, name: alarm } of rest) {
          if (await alarms.redrive(type, address.id, alarm, { tenant: address.tenant })) count += 1;
        }
      });
    } else {
      const counted = (alarms: number): void => void (count += alarms);
      await withOpenStore(shell, { ...which, wait }, true, async (store) => {
        await commitAll(store, redrivings(rest, Date.now(), counted));
      });
    }
    shell.result({ redriven: count }, () => `${countText(count, "dead alarm")} will be tried again.`);
  });
}

async function* chosen(
  alarms: AsyncIterable<AddressedAlarm>,
  name: string | undefined,
): AsyncGenerator<AddressedAlarm> {
  for await (const alarm of alarms) if (name === undefined || alarm.name === name) yield alarm;
}

async function* restored<Item>(first: Item, rest: AsyncIterable<Item>): AsyncGenerator<Item> {
  yield first;
  yield* rest;
}

/** There is nothing to do, which is not what somebody expects who asks for it. */
async function noneDead(
  inspector: StoreInspector,
  { tenant, type, id }: { readonly tenant: string | null; readonly type: string; readonly id: string | null },
  name: string | undefined,
): Promise<CommandFailure> {
  const which = name === undefined ? "" : ` called "${name}"`;
  const of = `of ${id === null ? `the type "${type}"` : `${type}/${id}`}`;
  const alarms = await inspector.alarms({ tenant, type, id, status: "set", after: null, limit: 1 });
  const set = alarms.length === 0 ? "" : " It has alarms that are set, which fire by themselves.";
  const message = `There is no dead alarm${which} ${of} in ${inspector.location}.${set} Nothing was changed.`;
  return new CommandFailure(exitCodes.found, "NOT_FOUND", message);
}

/** One change for each object. The alarms come in the order of their objects. */
async function* redrivings(
  dead: AsyncIterable<AddressedAlarm>,
  dueAt: number,
  counted: (alarms: number) => void,
): AsyncGenerator<Change> {
  let address: AddressedAlarm["address"] | null = null;
  let alarms: AlarmChange[] = [];
  for await (const alarm of dead) {
    if (address !== null && (address.id !== alarm.address.id || address.tenant !== alarm.address.tenant)) {
      counted(alarms.length);
      yield { address, alarms };
      alarms = [];
    }
    ({ address } = alarm);
    alarms.push({ change: "redrive", name: alarm.name, dueAt });
  }
  if (address === null) return;
  counted(alarms.length);
  yield { address, alarms };
}
