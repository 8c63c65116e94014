/**
 * Changing a store from the command line. There is no way around the owner: a command becomes the owner for as long as
 * it takes, or a node of the cluster that the configuration names. It fires no alarms meanwhile.
 */

import { randomUUID } from "node:crypto";
import type { ObjectStore, OpenObjectStore } from "../ports/object-store.ts";
import type { Scheduler } from "../ports/scheduler.ts";
import type { InspectableStore } from "../ports/store-inspector.ts";
import type { RuntimeOptions } from "../runtime/options.ts";
import { createRuntime, type Runtime } from "../runtime/runtime.ts";
import { systemEnvironment } from "../runtime/system-environment.ts";
import { findConfiguration, findStore, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import type { Shell } from "./shell.ts";

/** Due alarms wait for the application. */
const firesNothing: Scheduler = {
  name: "none",
  start: () => ({ changed(): void {}, look(): void {}, async stop(): Promise<void> {} }),
};

/** Runs the application without its alarms, and stops it. */
export async function withRuntime<Result>(
  options: RuntimeOptions,
  work: (runtime: Runtime) => Promise<Result>,
): Promise<Result> {
  if (options.cluster === undefined) await refuseOwned(options.store);
  const runtime = await createRuntime({ ...options, scheduler: firesNothing });
  try {
    return await work(runtime);
  } finally {
    await runtime.stop();
  }
}

/**
 * Opens the store itself, for what needs no definitions.
 *
 * @throws {@link CommandFailure} `STORE_LOCKED` at once where an owner is alive
 */
export async function withOpenStore<Result>(
  shell: Shell,
  which: WhichStore,
  work: (store: OpenObjectStore) => Promise<Result>,
): Promise<Result> {
  const store = await findStore(shell, which);
  await refuseOwned(store);
  const opened = await store.open({ environment: systemEnvironment, node: randomUUID().replaceAll("-", "") });
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}

/** Whether the application shares its store, so that a command may join it while it runs. */
export async function findCluster(shell: Shell, which: WhichStore): Promise<RuntimeOptions | null> {
  if (which.store !== undefined) return null;
  const found = await findConfiguration(shell, which);
  return found?.cluster === undefined ? null : found;
}

/** Opening would wait for the owner to go, which a person at a terminal should be told at once. */
async function refuseOwned(store: ObjectStore): Promise<void> {
  if (typeof (store as Partial<InspectableStore>).inspect !== "function") return;
  const inspector = await (store as ObjectStore & InspectableStore).inspect();
  try {
    const owner = (await inspector.owners()).find(({ alive }) => alive);
    if (owner === undefined) return;
    const { pid, command, host, since, sole } = owner;
    const whose = sole ? "is owned by" : "belongs to a cluster; one of its nodes is";
    const advice = sole
      ? "Stop it first, or do this through the application."
      : "Name its configuration with --config, so that this command joins it, or stop the nodes first.";
    throw new CommandFailure(
      exitCodes.unavailable,
      "STORE_LOCKED",
      `${inspector.location} ${whose} pid ${pid} (${command}, host ${host}) since ${new Date(since).toISOString()}. ${advice} ` +
        `Looking (ls, get, alarms, check, export) is possible meanwhile.`,
    );
  } finally {
    await inspector.close();
  }
}
