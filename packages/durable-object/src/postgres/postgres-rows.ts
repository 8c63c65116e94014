/** Rows of the tables, as the port speaks of them. The columns are in the order of the statements. */

import type { AddressedAlarm, AlarmStatus, StoredAlarm } from "../ports/object-store.ts";
import type { Row } from "./postgres-pool.ts";

/**
 * The columns of an alarm, as the port has it.
 *
 * @param at - where in the row they begin
 */
export function storedAlarm(row: Row, at: number): StoredAlarm {
  return {
    name: row[at] ?? "",
    dueAt: Number(row[at + 1]),
    scheduledAt: Number(row[at + 2]),
    generation: Number(row[at + 3]),
    payload: row[at + 4] ?? null,
    rule: row[at + 5] ?? null,
    attempts: Number(row[at + 6]),
    status: row[at + 7] as AlarmStatus,
    lastError: row[at + 8] ?? null,
  };
}

/** A row of `dueAlarms` or `deadAlarms`, as the port has it. */
export function addressedAlarm(row: Row): AddressedAlarm {
  const [tenant, type, id, suspect] = row;
  const address = { tenant: tenant ?? "", type: type ?? "", id: id ?? "" };
  return { ...storedAlarm(row, 4), address, suspect: suspect === "t" };
}

/** Rows of one text each. */
export function textsOf(rows: readonly Row[]): readonly string[] {
  return rows.map(([text]) => text ?? "");
}
