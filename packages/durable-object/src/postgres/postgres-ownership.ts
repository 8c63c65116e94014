/**
 * Ownership: taking the right to write, keeping it, and giving it away.
 *
 * Without a cluster one process owns everything. Taking the right is one transaction under an advisory lock
 * of the schema: it looks whether somebody has it, brings the tables up to date, removes an owner that is
 * gone, and adds its own row with its lanes. Removing the row of an owner sets `alive` of its lanes to null
 * (a foreign key does that), and waits for a commit that holds one of them. From then on that owner commits
 * nothing, however long it was paused and whatever it believes.
 *
 * An owner is gone if it ran on this machine and its process is not there any more, or if its lease has
 * lapsed by the clock of the database. One that closes removes its row itself, so whoever finds a row and
 * removes it knows that its owner died.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Environment, Timer } from "../core/environment.ts";
import { StoreFailure } from "../ports/object-store.ts";
import type { PostgresConnections } from "./postgres-connections.ts";
import type { Row, Run } from "./postgres-pool.ts";
import { sqlState, storeFailure } from "./postgres-failure.ts";
import { applyMigrations, checkVersion, newestVersion } from "./postgres-migrations.ts";
import type { ResolvedPostgresOptions } from "./postgres-options.ts";
import { checkServer } from "./postgres-server.ts";
import { isGone, type PostgresOwner } from "./postgres-owner.ts";
import type { Statements } from "./postgres-statements.ts";

/** How often an ownership that is taken is asked for. */
const pollIntervalMs = 100;
/** How often a database that does not answer is tried. */
const reachIntervalMs = 250;
/** How long one attempt waits for another one's transaction, or for a commit of the owner it removes. */
const lockWaitMs = 2_000;

/** What part of the lease an owner relies on: clocks may run differently fast, by a fifth at most. */
const reliedPart = 0.8;

/** The longest time between two signs of life. */
const longestIntervalMs = 86_400_000;

const lockNotAvailable = "55P03";

/** An owner as its row says. */
interface StoredOwner extends PostgresOwner {
  /** In ms since 1970. */
  readonly since: number;
  readonly lapsed: boolean;
}

/** What it takes to take the right to write. */
export interface Candidate {
  readonly connections: PostgresConnections;
  readonly statements: Statements;
  readonly options: ResolvedPostgresOptions;
  readonly owner: PostgresOwner;
  readonly environment: Environment;
  /** The store as messages call it. */
  readonly where: string;
}

/**
 * Takes the right to write, waiting for it, and for a database that cannot be reached yet, as long as the
 * options say.
 *
 * @returns until when the lease lasts at least, in ms of the environment's monotonic clock
 * @throws {@link StoreFailure} `STORE_LOCKED`, naming who has it, and what keeps the store from being opened
 */
export async function takeOwnership(candidate: Candidate): Promise<number> {
  const { connections, options, environment } = candidate;
  let reachedAt: number | null = null;
  let missedSince: number | null = null;
  for (;;) {
    let holder: StoredOwner | null = null;
    // Counted from before it is asked for: the database counts from later on.
    const leaseUntilMs = environment.monotonic() + reliedPart * options.leaseMs;
    try {
      holder = await connections.transaction((run) => attempt(run, candidate));
      if (holder === null) return leaseUntilMs;
    } catch (error) {
      // Somebody is just opening, or an owner's last commit hangs.
      if (sqlState(error) !== lockNotAvailable) {
        missedSince ??= performance.now();
        await waitToReach(candidate, error, performance.now() - missedSince);
        continue;
      }
    }
    missedSince = null;
    reachedAt ??= performance.now();
    const waitedMs = performance.now() - reachedAt;
    if (waitedMs >= options.lockTimeoutMs) throw locked(holder, candidate, waitedMs);
    await sleep(Math.min(pollIntervalMs, options.lockTimeoutMs - waitedMs));
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

/** One attempt, in one transaction. Returns who has the right; null if it was taken. */
async function attempt(run: Run, candidate: Candidate): Promise<StoredOwner | null> {
  const { statements, options, owner, environment, where } = candidate;
  const { schema } = options;
  await checkServer(run, where);
  await lockSchema(run, schema);
  const version = await checkVersion(run, schema, where);
  if (version === 0 && !options.migrate) throw notMigrated(where, version);

  let died = false;
  if (version > 0) {
    for (const row of await run(statements.owners)) {
      const other = storedOwner(row);
      // The commit of an attempt before was not answered, and yet it landed.
      if (other.node === owner.node) {
        await run(statements.renewLease, [owner.node, options.leaseMs]);
        return null;
      }
      if (!other.lapsed && !isGone(other, owner)) return other;
      died = true;
    }
  }
  // Only now: nobody works with the tables while they change.
  if (version < newestVersion && !options.migrate) throw notMigrated(where, version);
  await applyMigrations(run, schema, version);

  await run(statements.removeOwners);
  await run(statements.removeLanes);
  const { node, name, host, machine, pid, thread, started, command } = owner;
  await run(statements.addOwner, [node, name, host, machine, pid, thread, started, command, options.leaseMs]);
  if (died) await run(statements.suspectDueAlarms, [Math.floor(environment.now())]);
  return null;
}

/** Whoever opens or migrates a schema does so alone, until the end of the transaction. */
export async function lockSchema(run: Run, schema: string): Promise<void> {
  await run(`SET LOCAL lock_timeout = ${lockWaitMs}`);
  await run("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [`durable_object ${schema}`]);
}

function storedOwner(row: Row): StoredOwner {
  const [node, name, host, machine, pid, thread, started, command, since, lapsed] = row;
  return {
    node: node ?? "",
    name: name ?? "",
    host: host ?? "",
    machine: machine ?? null,
    pid: Number(pid),
    thread: Number(thread),
    started: started ?? null,
    command: command ?? "",
    since: Number(since),
    lapsed: lapsed === "t",
  };
}

function locked(holder: StoredOwner | null, { where, owner }: Candidate, waitedMs: number): StoreFailure {
  const isSelf = holder?.pid === owner.pid && holder.started === owner.started && holder.machine === owner.machine;
  const who =
    holder === null
      ? "another process, which is just opening it"
      : `${isSelf ? "this process already, " : ""}pid ${holder.pid} (${holder.command}, host ${holder.host}, runtime ` +
        `${holder.name}) since ${new Date(holder.since).toISOString()}`;
  return new StoreFailure(
    "retry",
    "STORE_LOCKED",
    `${where} is used by ${who}. Waited ${Math.round(waitedMs)} ms. Without a cluster one process owns a schema: stop ` +
      `that one first, use another schema, or configure a cluster so that several processes share it.`,
  );
}

function notMigrated(where: string, version: number): StoreFailure {
  return new StoreFailure(
    "lost",
    "STORE_UNAVAILABLE",
    `${where} has tables of version ${version}, and this code needs ${newestVersion}; migrate: false keeps it from ` +
      `bringing them up to date. Run migrate() of durable-object/postgres with a role that may change tables.`,
  );
}

/** What the lease is kept with. */
interface LeaseOptions {
  readonly connections: PostgresConnections;
  readonly statements: Statements;
  readonly environment: Environment;
  readonly node: string;
  readonly leaseMs: number;
  /** Until when it lasts, in ms of the environment's monotonic clock. */
  readonly untilMs: number;
  /** The number of the last commit that was answered. */
  readonly lastNumber: () => number;
  /** The right to write is gone: `"taken"`, or the database does not remember what it said (`"rewound"`). */
  readonly onLost: (why: "taken" | "rewound") => void;
}

/**
 * Renews the lease of an owner, again and again. A renewal that fails is tried again: nobody can take the
 * right to write without the row of the owner going, and that is what ends it.
 */
export class PostgresLease {
  readonly #options: LeaseOptions;
  #untilMs: number;
  #timer: Timer | null = null;
  #beat = 0;
  #phase: "kept" | "over" = "kept";

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#untilMs = options.untilMs;
    this.#schedule();
  }

  /** Until when it lasts at least, in ms of the environment's monotonic clock. */
  get untilMs(): number {
    return this.#phase === "over" ? -Infinity : this.#untilMs;
  }

  end(): void {
    this.#phase = "over";
    this.#timer?.cancel();
  }

  #schedule(): void {
    const { environment, leaseMs } = this.#options;
    // The next one only when this one is answered: whoever sleeps long does not wake up to a crowd of them.
    this.#timer = environment.after(Math.min(leaseMs / 5, longestIntervalMs), () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { connections, statements, environment, node, leaseMs, lastNumber, onLost } = this.#options;
    const known = lastNumber();
    const untilMs = environment.monotonic() + reliedPart * leaseMs;
    try {
      const [row] = await connections.write(
        statements.renewLease,
        [node, leaseMs],
        Math.min(leaseMs / 2, connections.statementTimeoutMs),
      );
      if (this.#phase === "over") return;
      const beat = Number(row?.[0]);
      if (row === undefined || beat <= this.#beat || Number(row[1]) < known) {
        this.end();
        onLost(row === undefined ? "taken" : "rewound");
        return;
      }
      this.#beat = beat;
      this.#untilMs = untilMs;
    } catch {
      // Whether the database is there is for those to say who need it.
    }
    if (this.#phase === "kept") this.#schedule();
  }
}
