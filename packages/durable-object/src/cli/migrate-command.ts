/** `migrate`: makes the tables, or brings them up to date. It never goes back, and asks nothing. */

import type { Command } from "commander";
import type { StoreInspector } from "../ports/store-inspector.ts";
import { withStoreOptions, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { inspecting } from "./inspection.ts";
import type { Shell } from "./shell.ts";

export function addMigrate(program: Command, shell: Shell): void {
  const command = program
    .command("migrate")
    .description("create the tables, or bring them up to date; safe to run again, and beside others that do")
    .action(async (which: WhichStore) => await migrate(shell, which));
  withStoreOptions(command);
}

async function migrate(shell: Shell, which: WhichStore): Promise<void> {
  await inspecting(shell, which, async (inspector) => {
    const { from, to } = await bringUpToDate(inspector);
    shell.result({ location: inspector.location, from, to }, () =>
      from === to
        ? `${inspector.location}: the tables have version ${to}, which is the newest. Nothing was changed.`
        : `${inspector.location}: the tables were brought from version ${from} to ${to}.`,
    );
  });
}

/** Where nothing is missing the application may run on; else nobody may be using the tables. */
async function bringUpToDate(inspector: StoreInspector): Promise<{ readonly from: number; readonly to: number }> {
  const versions = await inspector.migrations();
  const newest = versions.at(-1)?.version ?? 0;
  if (versions.every(({ state }) => state === "applied")) return { from: newest, to: newest };
  // Whatever is wrong with the tables themselves is said by the attempt.
  if (versions.every(({ state }) => state === "applied" || state === "missing")) await refuseUsed(inspector);
  return await inspector.migrate();
}

async function refuseUsed(inspector: StoreInspector): Promise<void> {
  const alive = (await inspector.owners()).filter((owner) => owner.alive);
  if (alive.length === 0) return;
  const who = alive.map(({ pid, command, host }) => `pid ${pid} (${command}, host ${host})`).join(", ");
  throw new CommandFailure(
    exitCodes.unavailable,
    "STORE_LOCKED",
    `${inspector.location} is used by ${who}, and its tables have to change. Stop that first, then run this again. ` +
      `Nothing was changed.`,
  );
}
