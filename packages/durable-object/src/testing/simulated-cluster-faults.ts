/** What goes wrong in a simulated cluster: one thing at a time, chosen by the seed. */

import type { SimulatedClusterDatabase } from "./simulated-cluster-database.ts";
import type { SimulatedMember } from "./simulated-member.ts";
import type { SimulatedNetwork } from "./simulated-network.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

/** What goes wrong. */
export interface ClusterFaults {
  /** Processes die in the middle of what they do, and are started again. */
  readonly crashes: boolean;
  /** Processes stand still, some for longer than their lease. */
  readonly pauses: boolean;
  /** The database cannot be reached from a node. */
  readonly cuts: boolean;
  /** Nodes do not reach each other: two of them, or one of them and all others. */
  readonly partitions: boolean;
  /** Requests, messages and answers are late, lost, or (to the database) arrive twice. */
  readonly messages: boolean;
  /** The database has no room for a commit now and then. */
  readonly fullDisks: boolean;
  /** The clocks of nodes go up to 0.5 % too fast or too slow, and are set to another time now and then. */
  readonly clocks: boolean;
  /** The database stands still, and its clock is set to another time, by up to an hour. */
  readonly database: boolean;
  /** The database forgets what it has confirmed last. */
  readonly tails: boolean;
  /** Nodes are stopped and started again, one or one after the other, also with a new version. */
  readonly stops: boolean;
}

/** How often it went wrong. */
export interface StrikeCounts {
  readonly crashes: number;
  readonly pauses: number;
  readonly cuts: number;
  readonly partitions: number;
  readonly standstills: number;
  readonly jumps: number;
  readonly tails: number;
  readonly stops: number;
}

/** Nothing goes wrong. */
export const noFaults: ClusterFaults = {
  crashes: false,
  pauses: false,
  cuts: false,
  partitions: false,
  messages: false,
  fullDisks: false,
  clocks: false,
  database: false,
  tails: false,
  stops: false,
};

/** Everything goes wrong that nothing is lost by: a database that forgets is another matter. */
export const allFaults: ClusterFaults = {
  crashes: true,
  pauses: true,
  cuts: true,
  partitions: true,
  messages: true,
  fullDisks: true,
  clocks: true,
  database: true,
  tails: false,
  stops: true,
};

/** What can be struck. */
export interface Target {
  readonly world: SimulatedWorld;
  readonly faults: ClusterFaults;
  readonly counts: Record<keyof StrikeCounts, number>;
  readonly members: readonly SimulatedMember[];
  readonly database: SimulatedClusterDatabase;
  readonly network: SimulatedNetwork;
  /** Nothing more is to go wrong. */
  readonly isHealed: () => boolean;
  /** What goes wrong in a way that it may not. */
  readonly failed: (error: unknown) => void;
}

const hourMs = 3_600_000;

/** Something goes wrong, if the fault that was drawn is one of those that may. */
export function strike(target: Target): void {
  const { world, faults } = target;
  const kinds = (Object.keys(strikes) as (keyof typeof strikes)[]).filter((kind) => faults[kind]);
  if (kinds.length > 0) strikes[world.pick(kinds)](target, world.pick(target.members));
}

const strikes = {
  crashes({ world, counts }: Target, member: SimulatedMember): void {
    if (member.process.isDead) return;
    counts.crashes += 1;
    member.crash(world.between(100, 12_000));
  },
  pauses({ world, counts }: Target, { name, process }: SimulatedMember): void {
    if (process.isPaused || process.isDead) return;
    counts.pauses += 1;
    const ms = world.chance(0.5) ? world.between(50, 3_000) : world.between(4_000, 14_000);
    world.note(`${name} stands still for ${Math.round(ms)} ms`);
    process.pause();
    world.after(ms, () => process.resume());
  },
  cuts({ world, counts }: Target, member: SimulatedMember): void {
    counts.cuts += 1;
    const ms = world.between(500, 14_000);
    world.note(`${member.name} cannot reach the database for ${Math.round(ms)} ms`);
    member.cutFromDatabase(ms);
  },
  partitions({ world, counts, members, network }: Target, { name }: SimulatedMember): void {
    counts.partitions += 1;
    const ms = world.between(500, 14_000);
    const others = members.filter((other) => other.name !== name);
    const cut = world.chance(0.5) ? others : [world.pick(others)];
    for (const other of cut) network.cut(name, other.name, ms);
    world.note(`${name} does not reach ${cut.map((other) => other.name).join(", ")} for ${Math.round(ms)} ms`);
  },
  clocks({ world, counts }: Target, { name, process }: SimulatedMember): void {
    counts.jumps += 1;
    const ms = world.chance(0.5) ? world.between(500, 60_000) : -world.between(500, 4_000);
    world.note(`the clock of ${name} moves by ${Math.round(ms)} ms`);
    process.moveClock(ms);
  },
  database({ world, counts, database }: Target): void {
    if (world.chance(0.5)) {
      counts.standstills += 1;
      const ms = world.between(200, 9_000);
      world.note(`the database stands still for ${Math.round(ms)} ms`);
      database.standStill(ms);
      return;
    }
    counts.jumps += 1;
    const ms = world.pick([1, -1]) * (world.chance(0.5) ? hourMs : world.between(100, 20_000));
    world.note(`the clock of the database moves by ${Math.round(ms)} ms`);
    database.moveClock(ms);
  },
  tails({ world, counts, database, failed }: Target): void {
    if (world.chance(0.5)) return;
    counts.tails += 1;
    database.loseTail(world.between(1, 3_000)).catch(failed);
  },
  stops(target: Target, member: SimulatedMember): void {
    const { world, counts, members } = target;
    if (world.chance(0.7)) {
      counts.stops += 1;
      restart(target, member).catch(target.failed);
      return;
    }
    world.note("all nodes are started again, one after the other");
    counts.stops += members.length;
    const version = world.chance(0.7) ? 2 : member.version;
    void members
      .reduce(async (before, each) => {
        await before;
        if (target.isHealed()) return;
        if (version === 2) world.note(`${each.name} gets the new version`);
        await restart(target, each, version);
      }, Promise.resolve())
      .catch(target.failed);
  },
} as const;

async function restart({ world }: Target, member: SimulatedMember, version = member.version): Promise<void> {
  if (!member.isUp) return;
  await member.stop();
  await world.sleep(world.between(0, 4_000));
  member.start(version);
}
