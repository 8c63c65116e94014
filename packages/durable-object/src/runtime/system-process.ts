/**
 * The process as others on the same machine can find out about it: whether it is still there. Where the machine
 * does not say which boot it is (only Linux does), nobody is known to be gone.
 */

import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { ProcessIdentity } from "../ports/ownership-store.ts";

/** This process. The boot is that of the machine, with the namespace of pids: a container has its own. */
export function thisProcess(): ProcessIdentity {
  let boot: string | null = null;
  try {
    const id = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    boot = `${id} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    // Not Linux.
  }
  return { host: hostname(), boot, pid: process.pid, started: boot === null ? null : startOf("self") };
}

/** Whether a process is known to have ended: it ran on this machine, and its pid is nobody's. */
export function isGone(other: ProcessIdentity, me: ProcessIdentity): boolean {
  if (me.boot === null || other.boot !== me.boot || other.pid === me.pid) return false;
  try {
    process.kill(other.pid, 0);
  } catch (error) {
    return (error as { readonly code?: unknown }).code === "ESRCH";
  }
  // Its pid may be another one's by now.
  const started = other.started ?? null;
  const now = startOf(other.pid);
  return started !== null && now !== null && started !== now;
}

/** When a process started, in ticks since the boot: the 22nd field of its `stat`. Null if that cannot be read. */
function startOf(pid: number | "self"): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is a name in brackets, which may contain anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
