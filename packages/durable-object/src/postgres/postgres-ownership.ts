/**
 * Ownership: taking the right to write.
 *
 * Either one process owns everything, or the nodes of a cluster share it: a sole owner and nodes are never there at the
 * same time. Taking the right is one transaction under an advisory lock of the schema: it looks who has it, brings the
 * tables up to date, removes those who are gone and are in the way, and adds a row with its lanes. Removing
 * the row of an owner sets `alive` of its lanes to null (a foreign key does that), and waits for a commit that
 * holds one of them. From then on that owner commits nothing, however long it was paused and whatever it believes.
 *
 * An owner is gone if it ran on this machine and its process is not there any more. What nobody can ask is gone if two
 * clocks agree: that of the database says that its lease has lapsed, and by the clock of this process it has shown no
 * sign of life for as long. So a database clock that jumps removes nobody. One that closes removes its row itself, so
 * whoever finds a row and removes it knows that its owner died.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Environment } from "../core/environment.ts";
import { StoreFailure } from "../ports/object-store.ts";
import { arrayOf } from "./postgres-columns.ts";
import type { PostgresConnections } from "./postgres-connections.ts";
import type { Run } from "./postgres-pool.ts";
import { isLockTimeout, storeFailure } from "./postgres-failure.ts";
import { applyMigrations, checkVersion, newestVersion } from "./postgres-migrations.ts";
import { reliedPart } from "./postgres-lease.ts";
import type { ResolvedPostgresOptions } from "./postgres-options.ts";
import { checkServer } from "./postgres-server.ts";
import { thisOwner, type PostgresOwner } from "./postgres-owner.ts";
import { Sightings, storedOwner, type StoredOwner } from "./postgres-sightings.ts";
import type { Statements } from "./postgres-statements.ts";

/** How often an ownership that is taken is asked for. */
const pollIntervalMs = 100;
/** How often a database that does not answer is tried. */
const reachIntervalMs = 250;
/** How long one attempt waits for another one's transaction, or for a commit of the owner it removes. */
export const lockWaitMs = 2_000;

/** What it takes to take the right to write. */
export interface Candidate {
  readonly connections: PostgresConnections;
  readonly statements: Statements;
  readonly options: ResolvedPostgresOptions;
  readonly owner: PostgresOwner;
  /** What a node of a cluster says of itself besides; null for one who wants to own everything. */
  readonly node: { readonly types: readonly string[]; readonly endpoint: string | null } | null;
  readonly leaseMs: number;
  readonly environment: Environment;
  /** The store as messages call it. */
  readonly where: string;
}

/** What an attempt came to: who is in the way; null if nobody was, and the right was taken. */
interface Obstacle {
  readonly holder: StoredOwner;
  /** Whether all that is missing is the time to be sure that whoever is in the way is gone. */
  readonly fading: boolean;
}

/**
 * Takes the right to write, waiting for it, and for a database that cannot be reached yet, as long as the
 * options say. An owner whose lease has lapsed is watched to the end of a lease even if that takes longer: whoever
 * gave up sooner would, each time it is started again, begin from the beginning.
 *
 * @returns until when the lease lasts at least, in ms of the environment's monotonic clock
 * @throws {@link StoreFailure} `STORE_LOCKED`, naming who has it, and what keeps the store from being opened
 */
export async function takeOwnership(candidate: Candidate): Promise<number> {
  const { connections, statements, options, environment, leaseMs } = candidate;
  // Whatever a node says of itself: who is gone is judged from where this process really is.
  const sightings = new Sightings(thisOwner(candidate.owner));
  let reachedAt: number | null = null;
  let missedSince: number | null = null;
  for (;;) {
    let obstacle: Obstacle | null = null;
    // Counted from before it is asked for: the database counts from later on.
    const leaseUntilMs = environment.monotonic() + reliedPart * leaseMs;
    try {
      obstacle = await connections.transaction((run) => attempt(run, candidate, sightings));
      if (obstacle === null) return leaseUntilMs;
    } catch (error) {
      // Somebody is just opening, or the last commit of one who is gone hangs.
      if (!isLockTimeout(error)) {
        missedSince ??= performance.now();
        await waitToReach(candidate, error, performance.now() - missedSince);
        continue;
      }
      const { gone } = sightings;
      if (gone.length > 0)
        await connections.write(statements.freeLanes, [arrayOf(gone), candidate.owner.node]).catch(() => []);
    }
    missedSince = null;
    reachedAt ??= performance.now();
    const leftMs = options.lockTimeoutMs - (performance.now() - reachedAt);
    if (leftMs <= 0 && obstacle?.fading !== true) {
      throw locked(obstacle?.holder ?? null, candidate, performance.now() - reachedAt);
    }
    await sleep(leftMs > 0 ? Math.min(pollIntervalMs, leftMs) : pollIntervalMs);
  }
}

/**
 * Waits before the next attempt to reach a database.
 *
 * @throws {@link StoreFailure} if that is of no use, or was tried long enough
 */
async function waitToReach({ options, where }: Candidate, error: unknown, missedMs: number): Promise<void> {
  const failure = storeFailure(error, "open", where);
  if (failure.kind !== "retry") throw failure;
  if (missedMs >= options.connectTimeoutMs) {
    const { kind, code, message } = failure;
    throw new StoreFailure(kind, code, `${message}. Tried for ${Math.round(missedMs)} ms.`, { cause: error });
  }
  await sleep(reachIntervalMs);
}

/** One attempt, in one transaction. */
async function attempt(run: Run, candidate: Candidate, sightings: Sightings): Promise<Obstacle | null> {
  const { statements, options, owner, node, leaseMs, environment, where } = candidate;
  const { schema } = options;
  await checkServer(run, where);
  await lockSchema(run, schema);
  const version = await checkVersion(run, schema, where);
  if (version < newestVersion && !options.migrate) throw notMigrated(where, version);

  const askedAtMs = performance.now();
  const others = version === 0 ? [] : (await run(statements.owners)).map(storedOwner);
  // The commit of an attempt before was not answered, and yet it landed.
  if (others.some((other) => other.node === owner.node)) {
    await run(statements.renewLease, [owner.node, leaseMs]);
    return null;
  }
  sightings.look(others, askedAtMs);
  // Nodes are in nobody's way but a sole owner's, unless the tables have to change, which nobody may be using then.
  const inTheWay = others.filter(({ sole }) => sole || node === null || version < newestVersion);
  const alive = inTheWay.filter((other) => !sightings.gone.includes(other.node));
  const [holder] = alive.toSorted((a, b) => Number(a.lapsed) - Number(b.lapsed));
  if (holder !== undefined) return { holder, fading: alive.every((other) => sightings.isFading(other)) };
  await applyMigrations(run, schema, version);

  if (inTheWay.length > 0) {
    const dead = arrayOf(inTheWay.map((other) => other.node));
    const nowMs = Math.floor(environment.now());
    // In this order, which is everybody's: lanes, nodes, slots.
    await run(statements.lockLanes, [dead]);
    if (inTheWay.some(({ sole }) => sole)) await run(statements.suspectDueAlarms, [nowMs]);
    else await run(statements.suspectDueAlarmsOf, [nowMs, dead]);
    await run(statements.removeOwnersNamed, [dead]);
  }
  await run(statements.removeLanes, [owner.node]);
  const { name, host, machine, pid, thread, started, command } = owner;
  const { types, endpoint } = node ?? { types: [], endpoint: null };
  const row = [owner.node, name, host, machine, pid, thread, started, command];
  const added = await run(statements.addOwner, [...row, node === null, arrayOf(types), endpoint, Math.ceil(leaseMs)]);
  if (added.length > 0) return null;
  throw new StoreFailure(
    "refused",
    "STORE_LOCKED",
    `There is a node ${name} in ${where} already. Join under a name that no process has had before.`,
  );
}

/** Whoever opens or migrates a schema does so alone, until the end of the transaction. */
export async function lockSchema(run: Run, schema: string): Promise<void> {
  await run(`SET LOCAL lock_timeout = ${lockWaitMs}`);
  await run("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [`durable_object ${schema}`]);
}

function locked(holder: StoredOwner | null, { where, owner, node }: Candidate, waitedMs: number): StoreFailure {
  const isSelf = holder?.pid === owner.pid && holder.started === owner.started && holder.machine === owner.machine;
  const whose = holder?.sole === false ? "the node" : "runtime";
  const who =
    holder === null
      ? "another process, which is just opening it"
      : `${isSelf ? "this process already, " : ""}pid ${holder.pid} (${holder.command}, host ${holder.host}, ${whose} ` +
        `${holder.name}) since ${new Date(holder.since).toISOString()}`;
  const advice =
    holder?.sole !== false
      ? node === null
        ? `Without a cluster one process owns a schema: stop that one first, use another schema, or configure a ` +
          `cluster so that several processes share it.`
        : `It has no cluster configured, so it owns the schema alone: stop it first, or start it with a cluster, too.`
      : node === null
        ? `It belongs to a cluster, and without one a process owns a schema alone: configure the cluster here, too, ` +
          `use another schema, or stop the nodes first.`
        : `The tables have to be brought up to date for this version, and nobody may use them meanwhile: stop the ` +
          `nodes of the version before first.`;
  return new StoreFailure(
    "retry",
    "STORE_LOCKED",
    `${where} is used by ${who}. Waited ${Math.round(waitedMs)} ms. ${advice}`,
  );
}

function notMigrated(where: string, version: number): StoreFailure {
  return new StoreFailure(
    "lost",
    "STORE_UNAVAILABLE",
    `${where} has tables of version ${version}, and this code needs ${newestVersion}; migrate: false keeps it from ` +
      `bringing them up to date. Run "npx durable-object migrate", or migrate() of durable-object/postgres, with a role ` +
      `that may change tables.`,
  );
}
