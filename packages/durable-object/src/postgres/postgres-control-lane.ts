/**
 * The control lane: the numbers under which the changes of ownership of one node go out.
 *
 * It is what the commit lane is for commits. The database counts in the lane's row and makes change n only after n-1;
 * so whoever does not know whether a change was made sends it again under its number. Nothing but that comes of
 * a failure: a change that the database did not make for another reason may be made the next time.
 */

import type { OwnershipChange } from "../ports/ownership-store.ts";
import { StoreFailure } from "../ports/object-store.ts";
import { arrayOf, Columns } from "./postgres-columns.ts";
import type { PostgresConnections } from "./postgres-connections.ts";
import { isLockTimeout, storeFailure } from "./postgres-failure.ts";
import { evictText, slotEpochs, type NodeStatements } from "./postgres-node-statements.ts";
import { lockWaitMs } from "./postgres-ownership.ts";
import type { Row, Value } from "./postgres-pool.ts";
import type { PostgresStanding } from "./postgres-standing.ts";
import type { Statements } from "./postgres-statements.ts";

/** What a control lane is given. */
export interface ControlLaneOptions {
  readonly connections: PostgresConnections;
  readonly statements: Statements;
  readonly nodeStatements: NodeStatements;
  readonly schema: string;
  /** The UUID of the node's row. */
  readonly node: string;
  /** The store as messages call it. */
  readonly where: string;
  readonly standing: PostgresStanding;
  /** After how long without an answer a change is given up that does not evict. */
  readonly timeoutMs: number;
}

/** How often an eviction is tried against a commit that hangs, before whoever wants it is asked again. */
const evictionAttempts = 3;
/** No node has it. */
const nobody = "00000000-0000-0000-0000-000000000000";

export class PostgresControlLane {
  readonly #options: ControlLaneOptions;
  #lastNumber = 0;

  constructor(options: ControlLaneOptions) {
    this.#options = options;
  }

  /** The number of the last change that is known to have been made. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  /** @throws {@link StoreFailure} `retry` or `lost` */
  async change(number: number, change: OwnershipChange): Promise<void> {
    try {
      const [row] = await this.#send(number, change);
      if (row?.[0] !== "1") await this.#assertMade(number);
    } catch (error) {
      const failure = storeFailure(error, "write", this.#options.where);
      if (failure.kind === "lost") throw failure;
      throw new StoreFailure("retry", failure.code, failure.message, { cause: error });
    }
    this.#lastNumber = Math.max(this.#lastNumber, number);
  }

  #send(number: number, change: OwnershipChange): Promise<readonly Row[]> {
    const { connections, nodeStatements, node, timeoutMs } = this.#options;
    const send = (name: keyof NodeStatements, ...values: readonly Value[]): Promise<readonly Row[]> =>
      connections.write(nodeStatements[name], [node, number, ...values], timeoutMs);
    switch (change.change) {
      case "acquire":
        return send("acquire", arrayOf(change.slots));
      case "release":
        return send("release", ...slotsSpokenOf(change.slots));
      case "hand over":
        return send("handOver", ...slotsSpokenOf(change.slots), change.to);
      case "drain":
        return send("drain");
      case "evict":
        return this.#evict(number, change);
    }
  }

  /** An eviction waits for a commit of the other one, but not for one that hangs: it ends the connection of that. */
  async #evict(
    number: number,
    { node: name, beat, force = false }: Extract<OwnershipChange, { readonly change: "evict" }>,
  ): Promise<readonly Row[]> {
    const { connections, statements, nodeStatements, schema, node } = this.#options;
    const [named] = await connections.write(nodeStatements.nodeNamed, [name]);
    const victim = named?.[0] ?? nobody;
    const text = evictText(schema, { node, victim, number, beat, force, lockWaitMs });
    for (let attempt = 1; ; attempt++) {
      try {
        return await connections.write(text);
      } catch (error) {
        if (!isLockTimeout(error) || attempt === evictionAttempts) throw error;
        await connections.write(statements.freeLanes, [arrayOf([victim]), node]);
      }
    }
  }

  /** The lane did not advance: either this change was made before, or it may not be made. */
  async #assertMade(number: number): Promise<void> {
    const { connections, nodeStatements, node, where, standing } = this.#options;
    const [row] = await connections.write(nodeStatements.controlLane, [node]);
    if (row?.[1] !== "t") throw standing.lose("taken");
    const last = Number(row[0]);
    if (last < this.#lastNumber) throw standing.lose("rewound", `change ${this.#lastNumber}`);
    if (last === number && number > 0) return;
    if (last === number - 1) {
      throw new StoreFailure("retry", "STORE_UNAVAILABLE", `${where} did not make change ${number}, and says not why.`);
    }
    throw new StoreFailure(
      "lost",
      "STORE_CORRUPT",
      `Change ${number} was sent to ${where}, whose last change is ${last}. It was not made.`,
    );
  }
}

/** The parameters of a list of slots. */
function slotsSpokenOf(slots: readonly { readonly slot: number; readonly epoch: number }[]): readonly string[] {
  const columns = new Columns(slotEpochs);
  for (const { slot, epoch } of slots) columns.add({ slot, epoch });
  return columns.values();
}
