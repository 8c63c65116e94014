/**
 * Changing a store from the command line. There is no way around the owner: a command becomes the owner for as long as
 * it takes, or a guest of the cluster that the configuration names, which owns nothing and has the nodes do it. It fires
 * no alarms meanwhile.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { randomUUID } from "node:crypto";
import { Option, type Command } from "commander";
import type { ObjectStore, OpenObjectStore } from "../ports/object-store.ts";
import type { Scheduler } from "../ports/scheduler.ts";
import type { InspectableStore, StoreOwner } from "../ports/store-inspector.ts";
import type { RuntimeOptions } from "../runtime/options.ts";
import { createRuntime, type Runtime } from "../runtime/runtime.ts";
import { systemEnvironment } from "../runtime/system-environment.ts";
import { findConfiguration, findStore, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { durationMs } from "./option-value.ts";
import type { Shell } from "./shell.ts";

/** Which store, and how long to wait for its owner to go. */
export interface WhichOwnership extends WhichStore {
  /** In ms. */
  readonly wait: number;
}

/** Adds the option that says how long to wait for the owner. */
export function withWaitOption(command: Command): Command {
  const wait = 'how long to wait until nobody else owns the store, such as "30s"';
  return command.addOption(new Option("--wait <duration>", wait).argParser(durationMs).default(1_000, '"1s"'));
}

/** How often it is looked whether the owner has gone, in ms. */
const lookEveryMs = 100;

/** Due alarms wait for the application. */
const firesNothing: Scheduler = {
  name: "none",
  start: () => ({ changed(): void {}, look(): void {}, async stop(): Promise<void> {} }),
};

/**
 * Runs the application without its alarms, and stops it. With a cluster that runs, what it is asked to do is done by
 * the nodes.
 *
 * @param waitMs - how long to wait for the owner of a store that has only one
 * @throws {@link CommandFailure} `STORE_LOCKED` if there is an owner then
 */
export async function withRuntime<Result>(
  options: RuntimeOptions,
  waitMs: number,
  work: (runtime: Runtime) => Promise<Result>,
): Promise<Result> {
  let { cluster } = options;
  if (cluster === undefined) await refuseOwned(options.store, waitMs, false);
  // Without anybody to be the guest of, it is the only node, and owns what it needs.
  else if ((await lookAtOwner(options.store)) !== null) cluster = { ...cluster, isGuest: true };
  const runtime = await createRuntime({ ...options, cluster, scheduler: firesNothing });
  try {
    return await work(runtime);
  } finally {
    await runtime.stop();
  }
}

/**
 * Opens the store itself, for what needs no definitions.
 *
 * @param canJoin - whether the command would work with a cluster, if it knew its configuration
 * @throws {@link CommandFailure} `STORE_LOCKED` if there is an owner after `wait`
 */
export async function withOpenStore<Result>(
  shell: Shell,
  { wait, ...which }: WhichOwnership,
  canJoin: boolean,
  work: (store: OpenObjectStore) => Promise<Result>,
): Promise<Result> {
  const store = await findStore(shell, which);
  await refuseOwned(store, wait, canJoin);
  const opened = await store.open({ environment: systemEnvironment, node: randomUUID().replaceAll("-", "") });
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}

/** The application, if it shares its store, so that a command may join it while it runs. */
export async function findCluster(shell: Shell, which: WhichStore): Promise<RuntimeOptions | null> {
  if (which.store !== undefined) return null;
  const found = await findConfiguration(shell, which);
  return found?.cluster === undefined ? null : found;
}

/** Whoever owns it, or a part of it, and where that is; null if nobody who lives does. */
async function lookAtOwner(
  store: ObjectStore,
): Promise<{ readonly owner: StoreOwner; readonly location: string } | null> {
  if (typeof (store as Partial<InspectableStore>).inspect !== "function") return null;
  const inspector = await (store as ObjectStore & InspectableStore).inspect();
  try {
    const owner = (await inspector.owners()).find(({ alive }) => alive);
    return owner === undefined ? null : { owner, location: inspector.location };
  } finally {
    await inspector.close();
  }
}

/** Opening would wait for the owner to go, and a person at a terminal should be told soon who it is. */
async function refuseOwned(store: ObjectStore, waitMs: number, canJoin: boolean): Promise<void> {
  const untilMs = performance.now() + waitMs;
  for (;;) {
    const seen = await lookAtOwner(store);
    if (seen === null) return;
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) throw locked(seen.owner, seen.location, canJoin);
    await sleep(Math.min(lookEveryMs, leftMs));
  }
}

function locked(owner: StoreOwner, location: string, canJoin: boolean): CommandFailure {
  const { pid, command, host, since, sole } = owner;
  const whose = sole ? "is owned by" : "belongs to a cluster; one of its nodes is";
  const advice = sole
    ? "Stop it first, wait for it with --wait, or do this through the application."
    : canJoin
      ? "Have this command join it: run it with the configuration of the application (--config). Or stop all nodes first."
      : "Stop all its nodes first.";
  return new CommandFailure(
    exitCodes.unavailable,
    "STORE_LOCKED",
    `${location} ${whose} pid ${pid} (${command}, host ${host}) since ${new Date(since).toISOString()}. ${advice} ` +
      `Nothing was changed. Looking (ls, get, alarms, check, export) is possible meanwhile.`,
  );
}
