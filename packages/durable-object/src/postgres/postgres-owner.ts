/**
 * Who owns the tables: one row for each process that has opened them, with what a person wants to know about
 * it and what the next process on the same machine can find out: whether it is still there.
 *
 * A process is told by the boot of its machine, the namespace its pid belongs to, the pid, and the moment it
 * started: pids are used again. Where the machine does not say (only Linux does), its lease has to lapse.
 */

import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { basename } from "node:path";
import { threadId } from "node:worker_threads";
import type { StoreOpening } from "../ports/object-store.ts";
import type { Joining } from "../ports/ownership-store.ts";

/** A process that has opened a store. */
export interface PostgresOwner {
  /** A name for this opening; a UUID. */
  readonly node: string;
  /** The unique name of the runtime. */
  readonly name: string;
  readonly host: string;
  /** The boot of the machine and the namespace of pids; null if unknown. */
  readonly machine: string | null;
  readonly pid: number;
  readonly thread: number;
  /** When the process started, in whatever the machine counts; null if unknown. */
  readonly started: string | null;
  /** What runs in the process, for instance `node server.js`. */
  readonly command: string;
}

const registryName = Symbol.for("durable-object.postgres.owners");

/**
 * The openings of this thread, by their UUIDs. It is found by a global symbol, because an application can
 * contain two copies of this package.
 */
function registry(): Set<string> {
  const global = globalThis as { [registryName]?: Set<string> };
  return (global[registryName] ??= new Set());
}

/** This process, as the owner of whatever it opens. */
export function thisOwner({
  name,
  node,
}: {
  readonly name: StoreOpening["node"];
  readonly node: string;
}): PostgresOwner {
  // Not the arguments: there may be secrets among them.
  const command = [process.execPath, process.argv[1] ?? ""]
    .map((path) => basename(path))
    .join(" ")
    .trim()
    .toWellFormed();
  return {
    node,
    name,
    host: hostname(),
    machine: thisMachine(),
    pid: process.pid,
    thread: threadId,
    started: startOf("self"),
    command,
  };
}

/** A node of a cluster, as it says of itself. */
export function ownerJoining(
  { node: name, process: { host, boot, pid, started = null } }: Pick<Joining, "node" | "process">,
  node: string,
): PostgresOwner {
  return { ...thisOwner({ name, node }), host, machine: boot, pid, started };
}

/** This opening lives. */
export function enter({ node }: PostgresOwner): void {
  registry().add(node);
}

/** This opening is over, whether or not the database could be told. */
export function leave({ node }: PostgresOwner): void {
  registry().delete(node);
}

/** Whether an owner is known to be gone: it ran on this machine, and does not run any more. */
export function isGone(owner: PostgresOwner, me: PostgresOwner): boolean {
  if (me.machine === null || owner.machine !== me.machine) return false;
  if (owner.pid === me.pid && owner.started === me.started) {
    // What another thread has open is not known here.
    return owner.thread === me.thread && !registry().has(owner.node);
  }
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as { readonly code?: unknown }).code === "ESRCH";
  }
  const started = startOf(owner.pid);
  return started !== null && owner.started !== null && started !== owner.started;
}

function thisMachine(): string | null {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return null;
  }
}

/** When a process started, in ticks since the boot: the 22nd field of its `stat`. */
function startOf(pid: number | "self"): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is a name in brackets, which may contain anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
