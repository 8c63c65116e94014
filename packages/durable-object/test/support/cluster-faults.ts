/**
 * What is done to a cluster: one function for each kind of fault, which strikes, lasts, and heals what it has done. When
 * it resolves, the cluster has as many nodes as before, all lines are good, and the servers run.
 *
 * How long a fault lasts is `hold`'s to say: a length of time that chance has drawn, or until something has happened.
 */

import type { Chance } from "./cluster-chance.ts";
import type { ClusterLine, Stall } from "./cluster-line.ts";
import type { ClusterNode } from "./cluster-node-process.ts";
import type { ClusterProcesses } from "./cluster-processes.ts";

/** Whether others on the machine of a node can find out that its process is no more. */
type Machine = "own" | "shared";

/** What a fault strikes. */
export interface FaultTarget {
  readonly processes: ClusterProcesses;
  readonly chance: Chance;
  /** Nodes that another fault has struck are left alone. */
  readonly busy: Set<ClusterNode>;
  /** On which machines the nodes are: a node that takes the place of another one is on the same. */
  readonly machines: Map<ClusterNode, Machine>;
  /** Lets a fault last: usually for so long that leases may end. */
  hold(node: ClusterNode | null, length?: "a moment"): Promise<void>;
}

/** A kind of fault. */
export interface Fault {
  readonly name: string;
  /** What it uses up: two faults of one moment have nothing in common. */
  readonly uses: "node" | "postgres" | "broker" | "membership";
  /** Whether no call may fail for it: callers see latency only. */
  readonly isQuiet: boolean;
  /** `alone` is a process that is in no cluster: whoever follows it waits until its lease is over. */
  readonly needs: "nothing" | "broker" | "cluster" | "alone";
  strike(target: FaultTarget): Promise<void>;
}

/**
 * Takes a node that is up and that no other fault has struck; nobody else takes it until `use` is over.
 *
 * @param on - the machine it is to be on, if there is such a node
 */
async function withNode(
  target: FaultTarget,
  use: (node: ClusterNode, machine: Machine) => Promise<void>,
  on?: Machine,
): Promise<void> {
  const free = target.processes.nodes.filter((node) => node.state === "up" && !target.busy.has(node));
  const there = free.filter((node) => on === undefined || target.machines.get(node) === on);
  if (free.length === 0) return;
  const node = target.chance.pick(there.length > 0 ? there : free);
  target.busy.add(node);
  try {
    await use(node, target.machines.get(node) ?? "own");
  } finally {
    target.busy.delete(node);
  }
}

function killed(on: Machine): Fault["strike"] {
  return (target) =>
    withNode(
      target,
      async (node, machine) => {
        await node.kill();
        await begin(target, machine);
      },
      on,
    );
}

/** It dies when its commits have landed, and it does not know: whoever repeats them should hear what became of them. */
const killedUnanswered: Fault["strike"] = (target) =>
  withNode(target, async (node, machine) => {
    node.postgres.stall("replies");
    await target.hold(node, "a moment");
    await node.kill();
    await begin(target, machine);
  });

/** Starts a node. */
export async function begin({ processes, machines }: FaultTarget, machine: Machine): Promise<void> {
  machines.set(await processes.start(machine), machine);
}

const paused: Fault["strike"] = (target) =>
  withNode(target, async (node) => {
    node.pause();
    await target.hold(node);
    node.proceed();
  });

/** It stands still until another one has taken over, and goes on without knowing that. */
const followedWhilePaused: Fault["strike"] = (target) =>
  withNode(target, async (node, machine) => {
    node.pause();
    await begin(target, machine);
    // It is asked things that its successor knows better.
    await target.hold(node, "a moment");
    node.proceed();
    await target.hold(node, "a moment");
    await node.kill();
  });

/** @param lines - those of a node that are cut */
function cut(lines: (node: ClusterNode) => readonly (ClusterLine | null)[]): Fault["strike"] {
  return (target) =>
    withNode(target, async (node) => {
      for (const line of lines(node)) line?.cut();
      await target.hold(node);
      for (const line of lines(node)) line?.heal();
    });
}

function stalled(lineOf: (node: ClusterNode) => ClusterLine | null, what: Stall): Fault["strike"] {
  return (target) =>
    withNode(target, async (node) => {
      lineOf(node)?.stall(what);
      await target.hold(node);
      lineOf(node)?.heal();
    });
}

const left: Fault["strike"] = (target) =>
  withNode(target, async (node, machine) => {
    await node.leave();
    await begin(target, machine);
  });

const joined: Fault["strike"] = async (target) => {
  await begin(target, "own");
  await target.hold(null);
  await withNode(target, (node) => node.leave(), "own");
};

function fault(name: string, uses: Fault["uses"], needs: Fault["needs"], strike: Fault["strike"]): Fault {
  return { name, uses, needs, strike, isQuiet: uses === "membership" };
}

const toPostgres = (node: ClusterNode): ClusterLine => node.postgres;
const toBroker = (node: ClusterNode): ClusterLine | null => node.broker;
const stalls = ["requests", "replies", "both"] as const;

/** All kinds of faults. Where nodes connect directly, the line to the broker is the one on which others reach the node. */
export const faults: readonly Fault[] = [
  fault("killed", "node", "nothing", killed("own")),
  fault("killed, with others on its machine", "node", "nothing", killed("shared")),
  fault("killed, its commits unanswered", "node", "nothing", killedUnanswered),
  fault("paused", "node", "nothing", paused),
  fault("paused and followed", "node", "alone", followedWhilePaused),
  fault("PostgreSQL restarted, fast", "postgres", "nothing", ({ processes }) => processes.restartPostgres("fast")),
  fault("PostgreSQL crashed", "postgres", "nothing", ({ processes }) => processes.restartPostgres("immediate")),
  fault("broker restarted", "broker", "broker", async ({ processes }) => processes.broker?.restart()),
  fault(
    "cut from PostgreSQL",
    "node",
    "nothing",
    cut((node) => [node.postgres]),
  ),
  fault(
    "cut from the broker",
    "node",
    "cluster",
    cut((node) => [node.broker]),
  ),
  fault(
    "cut from both",
    "node",
    "cluster",
    cut((node) => [node.postgres, node.broker]),
  ),
  ...stalls.map((what) => fault(`PostgreSQL stalled, ${what}`, "node", "nothing", stalled(toPostgres, what))),
  ...stalls.map((what) => fault(`broker stalled, ${what}`, "node", "cluster", stalled(toBroker, what))),
  fault("left and another one joined", "membership", "cluster", left),
  fault("joined and another one left", "membership", "cluster", joined),
];

/** The fault of a name. */
export function faultNamed(name: string): Fault {
  const found = faults.find((each) => each.name === name);
  if (found === undefined) throw new RangeError(`there is no fault "${name}"`);
  return found;
}
