/**
 * The questions of a scheduler: which alarms are due, when the next one is, whose they are. One who owns
 * everything asks about all alarms, a node of a cluster about those of its slots.
 *
 * A node asks slot by slot, each from the front of an index on (type, slot, due_at): what is due elsewhere costs it
 * nothing, however much that is. Of each slot it takes its share of what it is asked for, some times over; only
 * where one slot has more of what is due longest it asks again, for more of each.
 */

import { slotOf } from "../core/slot.ts";
import type { AddressedAlarm, DueAlarmsQuery } from "../ports/object-store.ts";
import { arrayOf } from "./postgres-columns.ts";
import type { Row, Statement, Value } from "./postgres-pool.ts";
import { addressedAlarm, textsOf } from "./postgres-rows.ts";
import type { Statements } from "./postgres-statements.ts";

/** The questions, as the port `OpenObjectStore` has them. */
export interface DueAlarms {
  dueAlarms(query: DueAlarmsQuery): Promise<readonly AddressedAlarm[]>;
  nextDueAfter(types: readonly string[], after: number): Promise<number | null>;
  dueTenants(type: string, dueBy: number): Promise<readonly string[]>;
}

type Read = (statement: Statement, values: readonly Value[]) => Promise<readonly Row[]>;

/** Those of all objects. */
export class AllDueAlarms implements DueAlarms {
  readonly #read: Read;
  readonly #statements: Statements;

  constructor(read: Read, statements: Statements) {
    this.#read = read;
    this.#statements = statements;
  }

  async dueAlarms({ type, tenant, dueBy, limit }: DueAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    const { dueAlarms, dueAlarmsOfTenant } = this.#statements;
    const rows =
      tenant === null
        ? await this.#read(dueAlarms, [type, dueBy, limit])
        : await this.#read(dueAlarmsOfTenant, [type, tenant, dueBy, limit]);
    return rows.map(addressedAlarm);
  }

  async nextDueAfter(types: readonly string[], after: number): Promise<number | null> {
    return numberOf(await this.#read(this.#statements.nextDueAfter, [arrayOf(types), after]));
  }

  async dueTenants(type: string, dueBy: number): Promise<readonly string[]> {
    return textsOf(await this.#read(this.#statements.dueTenants, [type, dueBy]));
  }
}

/** How many times its even share is taken of each slot at first, and how much more when that was not enough. */
const firstShares = 4;
const shareGrowth = 16;

/** Those of the slots that a node owns at the moment. */
export class OwnDueAlarms implements DueAlarms {
  readonly #read: Read;
  readonly #statements: Statements;
  readonly #node: string;

  /** @param node - the UUID of its row */
  constructor(read: Read, statements: Statements, node: string) {
    this.#read = read;
    this.#statements = statements;
    this.#node = node;
  }

  async dueAlarms({ type, tenant, dueBy, limit }: DueAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    const { ownDueAlarms, ownDueAlarmsOfTenant } = this.#statements;
    if (tenant !== null) {
      const rows = await this.#read(ownDueAlarmsOfTenant, [this.#node, type, tenant, dueBy, limit]);
      return rows.map(addressedAlarm);
    }
    for (let shares = firstShares; ; shares *= shareGrowth) {
      const rows = await this.#read(ownDueAlarms, [this.#node, type, dueBy, limit, shares]);
      const due = rows.map(addressedAlarm);
      // The column after those of the alarm: how many were taken of each slot at most.
      const most = Number(rows[0]?.at(-1));
      if (most >= limit || !hasSlotWith(most, due)) return due;
    }
  }

  async nextDueAfter(types: readonly string[], after: number): Promise<number | null> {
    return numberOf(await this.#read(this.#statements.ownNextDueAfter, [this.#node, arrayOf(types), after]));
  }

  async dueTenants(type: string, dueBy: number): Promise<readonly string[]> {
    return textsOf(await this.#read(this.#statements.ownDueTenants, [this.#node, type, dueBy]));
  }
}

/** Whether so many of these alarms are of one slot, so that there may be more of it that should be among them. */
function hasSlotWith(most: number, due: readonly AddressedAlarm[]): boolean {
  const counts = new Map<number, number>();
  return due.some(({ address }) => {
    const slot = slotOf(address);
    const count = (counts.get(slot) ?? 0) + 1;
    counts.set(slot, count);
    return count >= most;
  });
}

function numberOf(rows: readonly Row[]): number | null {
  const value = rows[0]?.[0] ?? null;
  return value === null ? null : Number(value);
}
