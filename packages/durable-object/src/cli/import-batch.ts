/** One batch of an import: distinct objects, written in one commit, or two where alarms have been attempted. */

import { isDeepStrictEqual } from "node:util";
import { formatAddress } from "../core/address.ts";
import type { AlarmChange, OpenObjectStore, StoredObject } from "../ports/object-store.ts";
import { exitCodes } from "./exit-code.ts";
import type { ExportedAlarm, ExportedObject } from "./export-format.ts";
import { CommandFailure } from "./failure.ts";
import { commitAll, type Change } from "./store-writes.ts";
import { shownValue } from "./stored-json.ts";

/** A line of the input that is an object. */
export interface ImportedLine {
  /** From 1. */
  readonly number: number;
  readonly object: ExportedObject;
  /** Of its text, in characters. */
  readonly size: number;
}

/** What becomes of objects that exist. */
export type Existing = "refuse" | "skip" | "overwrite";

/**
 * Writes a batch.
 *
 * @throws {@link CommandFailure} `EXISTS` with the number of the line; then nothing of the batch is written
 */
export async function importBatch(
  store: OpenObjectStore,
  lines: readonly ImportedLine[],
  existing: Existing,
  place: string,
): Promise<{ readonly imported: number; readonly skipped: number; readonly alarms: number }> {
  const stored = await store.load(lines.map(({ object }) => object.address));
  const first: Change[] = [];
  const second: Change[] = [];
  const emptied: Change[] = [];
  const count = { imported: 0, skipped: 0, alarms: 0 };
  for (const [index, { number, object }] of lines.entries()) {
    const { address, state, stateVersion, alarms } = object;
    const before = stored[index] ?? null;
    const exists = before !== null && (await isThere(store, object, before));
    if (exists && existing === "refuse") {
      const what = `${place}, line ${number}: ${formatAddress(address)} exists already`;
      const advice = "Nothing of this object was changed. Say --skip-existing or --overwrite.";
      throw new CommandFailure(exitCodes.found, "EXISTS", `${what}. ${advice}`);
    }
    const attempts = alarms.filter(wasAttempted);
    if (exists && existing === "skip") {
      count.skipped += 1;
      // An import that was cut off has set its alarms, and not counted the attempts.
      if (attempts.length > 0 && isHalfImported(object, before))
        second.push({ address, alarms: attempted(attempts, 1) });
      continue;
    }
    count.imported += 1;
    count.alarms += alarms.length;
    // A write without a state leaves the one that is there.
    const isEmptied = state === null && before !== null && before.state !== null;
    if (isEmptied) emptied.push({ address, deleted: true });
    const revision = (before?.revision ?? 0) + (isEmptied ? 2 : 1);
    const set = alarms.map(({ name, scheduledAt, payload, rule }): AlarmChange => {
      return { change: "set", name, dueAt: scheduledAt, payload, rule };
    });
    first.push({ address, state: { text: state, version: stateVersion }, cancelAllAlarms: exists, alarms: set });
    if (attempts.length > 0) second.push({ address, alarms: attempted(attempts, revision) });
  }
  for (const changes of [emptied, first, second]) await commitAll(store, changes);
  return count;
}

/** Whether an alarm is more than set for a time. */
function wasAttempted({ attempts, status, dueAt, scheduledAt, lastError }: ExportedAlarm): boolean {
  return attempts > 0 || status === "dead" || dueAt !== scheduledAt || lastError !== null;
}

function attempted(alarms: readonly ExportedAlarm[], generation: number): readonly AlarmChange[] {
  return alarms.map(({ name, dueAt, attempts, status, lastError }) => {
    return { change: "attempted", name, generation, dueAt, attempts, status, lastError };
  });
}

/** Whether there is more than what is left of an object that was deleted. */
async function isThere(store: OpenObjectStore, { address }: ExportedObject, stored: StoredObject): Promise<boolean> {
  return stored.state !== null || (await store.listAlarms(address)).length > 0;
}

/** Whether nobody has written an object since it was imported: the second commit would have raised its revision. */
function isHalfImported({ state }: ExportedObject, stored: StoredObject): boolean {
  return stored.revision === 1 && isDeepStrictEqual(shownValue(stored.state), shownValue(state));
}
