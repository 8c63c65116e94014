/**
 * Ownership as a node of a cluster sees it: its row, the other nodes, the slots, and its changes. Everything hangs on
 * the row; who finds that it is gone has lost the right to write as well.
 */

import type { Environment } from "../core/environment.ts";
import type {
  Beat,
  Heart,
  HeartOptions,
  NodeRow,
  OpenOwnershipStore,
  OwnershipChange,
  SlotRow,
} from "../ports/ownership-store.ts";
import { StoreFailure } from "../ports/object-store.ts";
import type { PostgresConnections } from "./postgres-connections.ts";
import { PostgresControlLane } from "./postgres-control-lane.ts";
import { storeFailure } from "./postgres-failure.ts";
import { heartbeatTimeoutMs, PostgresHeart } from "./postgres-heart.ts";
import type { PostgresLane } from "./postgres-lane.ts";
import { beatText, nodeStatementsIn, type NodeStatements } from "./postgres-node-statements.ts";
import type { ResolvedPostgresOptions } from "./postgres-options.ts";
import { leave, type PostgresOwner } from "./postgres-owner.ts";
import type { Row } from "./postgres-pool.ts";
import type { PostgresStanding } from "./postgres-standing.ts";
import type { Statements } from "./postgres-statements.ts";

/** How long a beat waits for somebody who may be removing the row, in ms. */
const beatLockWaitMs = 1_000;

/** What a node works with. */
export interface NodeParts {
  readonly connections: PostgresConnections;
  readonly statements: Statements;
  readonly owner: PostgresOwner;
  /** The store as messages call it. */
  readonly where: string;
  readonly standing: PostgresStanding;
  readonly lane: PostgresLane;
  readonly environment: Environment;
  readonly options: ResolvedPostgresOptions;
  readonly leaseMs: number;
}

/** The slots as they were read last, with the two numbers that tell whether they have changed. */
interface KnownSlots {
  readonly epochs: string | null;
  readonly owned: string | null;
  readonly rows: readonly SlotRow[];
}

export class PostgresNode implements OpenOwnershipStore {
  readonly #parts: NodeParts;
  readonly #statements: NodeStatements;
  readonly #control: PostgresControlLane;
  readonly #beatText: string;
  /** After how long without an answer a question is given up: what is older than half a lease is of no use. */
  readonly #timeoutMs: number;
  #slots: KnownSlots = { epochs: null, owned: null, rows: [] };
  #heart: PostgresHeart | null = null;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    const { schema } = parts.options;
    const { node } = parts.owner;
    this.#statements = nodeStatementsIn(schema);
    this.#beatText = beatText(schema, node, beatLockWaitMs);
    const timeoutMs = Math.min(parts.connections.statementTimeoutMs, parts.leaseMs / 2);
    this.#timeoutMs = timeoutMs;
    this.#control = new PostgresControlLane({ ...parts, nodeStatements: this.#statements, schema, node, timeoutMs });
  }

  get lastNumber(): number {
    return this.#control.lastNumber;
  }

  async beat(): Promise<Beat> {
    const askedAtMs = performance.now();
    const [row] = await this.#ask(() => this.#parts.connections.write(this.#beatText, [], this.#timeoutMs));
    return this.#beatOf(row, askedAtMs);
  }

  heart(options: HeartOptions): Heart {
    if (this.#heart !== null) throw new Error("A node has one heart.");
    const { connections, environment, where, owner, options: store } = this.#parts;
    const timeoutMs = heartbeatTimeoutMs(options.intervalMs);
    const text = beatText(store.schema, owner.node, timeoutMs / 2);
    this.#heart = new PostgresHeart({
      ...options,
      environment,
      where,
      timeoutMs,
      database: store.database,
      text,
      beat: () => connections.write(text, [], timeoutMs),
      beatOf: (row, askedAtMs) => this.#beatOf(row, askedAtMs),
    });
    return this.#heart;
  }

  async nodes(): Promise<readonly NodeRow[]> {
    const { connections, owner, standing } = this.#parts;
    const rows = await this.#ask(() => connections.read(this.#statements.nodes, [owner.node], this.#timeoutMs));
    if (!rows.some(([isOwn]) => isOwn === "t")) throw standing.lose("taken");
    return rows.map(nodeRow);
  }

  async slots(): Promise<readonly SlotRow[]> {
    const { connections, owner, standing } = this.#parts;
    const known = this.#slots;
    const values = [owner.node, known.epochs, known.owned];
    const [row] = await this.#ask(() => connections.read(this.#statements.slots, values, this.#timeoutMs));
    const [epochs = null, owned = null, isMember, changed = null] = row ?? [];
    if (isMember !== "t") throw standing.lose("taken");
    if (changed === null) return known.rows;
    const rows = slotRows(changed);
    this.#slots = { epochs, owned, rows };
    return rows;
  }

  async change(number: number, change: OwnershipChange): Promise<void> {
    const { failure } = this.#parts.standing;
    if (failure !== null) throw failure;
    await this.#control.change(number, change);
  }

  async leave(): Promise<void> {
    const { connections, owner, standing, where } = this.#parts;
    // Else it would find the row gone, and say that it was lost.
    await this.end();
    leave(owner);
    if (standing.failure !== null) return;
    try {
      await connections.write(this.#statements.leave, [owner.node]);
    } catch (error) {
      const { code, message } = storeFailure(error, "write", where);
      throw new StoreFailure("retry", code, message, { cause: error });
    }
  }

  /** Shows no further sign of life. */
  async end(): Promise<void> {
    await this.#heart?.stop();
  }

  /** What a beat was answered; the row is gone if that is nothing. */
  #beatOf(row: Row | undefined, askedAtMs: number): Beat {
    const { standing, lane } = this.#parts;
    if (row === undefined) throw standing.lose("taken");
    const [beat, commitNumber, changeNumber] = row;
    return {
      beat: Number(beat),
      batchNumber: lane.batchNumber(Number(commitNumber), askedAtMs),
      changeNumber: Number(changeNumber),
    };
  }

  async #ask(question: () => Promise<readonly Row[]>): Promise<readonly Row[]> {
    const { standing, where } = this.#parts;
    if (standing.failure !== null) throw standing.failure;
    try {
      return await question();
    } catch (error) {
      const { kind, code, message } = storeFailure(error, "read", where);
      throw new StoreFailure(kind === "lost" ? "lost" : "retry", code, message, { cause: error });
    }
  }
}

function nodeRow(row: Row): NodeRow {
  const [, node, types, endpoint, host, boot, pid, started, beat, expired, draining] = row;
  return {
    node: node ?? "",
    types: JSON.parse(types ?? "[]") as string[],
    endpoint: endpoint ?? null,
    process: {
      host: host ?? "",
      boot: boot ?? null,
      pid: Number(pid),
      ...(started === null || started === undefined ? {} : { started }),
    },
    beat: Number(beat),
    expired: expired === "t",
    draining: draining === "t",
  };
}

/** @param text - a list of owners, each with its slots and their epochs */
function slotRows(text: string): readonly SlotRow[] {
  const owners = JSON.parse(text) as [owner: string, slots: number[], epochs: number[]][];
  return owners.flatMap(([owner, slots, epochs]) =>
    slots.map((slot, index) => ({ slot, owner, epoch: epochs[index] ?? 0 })),
  );
}
