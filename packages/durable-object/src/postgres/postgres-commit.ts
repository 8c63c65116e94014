/** Commits, from the batch of the port to a statement and its parameters. */

import { slotOf } from "../core/slot.ts";
import type { AlarmChange, CommitBatch, ObjectWrite } from "../ports/object-store.ts";
import { Columns, type ColumnTypes } from "./postgres-columns.ts";
import { commitLists, commitText, shapeLists, type CommitList, type CommitShape } from "./postgres-commit-text.ts";
import type { Statement, Value } from "./postgres-pool.ts";
import { statementIn } from "./postgres-statements.ts";

/** A statement with its parameters. */
export interface Commit {
  readonly statement: Statement;
  readonly values: readonly Value[];
}

type Row = Readonly<Record<string, Value>>;
type Lists = Readonly<Record<CommitList, Columns<ColumnTypes>>>;

/** Makes the commits of one node in one schema. */
export class Commits {
  readonly #schema: string;
  readonly #node: string;
  readonly #statements = new Map<CommitShape, Statement>();

  constructor(schema: string, node: string) {
    this.#schema = schema;
    this.#node = node;
  }

  /**
   * The commit of a batch.
   *
   * @param number - that the lane is to get; it has to have the one before
   */
  commit({ at, writes }: Pick<CommitBatch, "at" | "writes">, number: number): Commit {
    const shape = shapeOf(writes);
    const lists = Object.fromEntries(
      shapeLists[shape].map((name) => [name, new Columns<ColumnTypes>(commitLists[name])]),
    );
    for (let index = 0; index < writes.length; index++)
      addWrite(lists as Lists, writes[index] as ObjectWrite, index + 1);
    const values = Object.values(lists).flatMap((list) => list.values());
    return { statement: this.#statement(shape), values: [this.#node, number, at, ...values] };
  }

  #statement(shape: CommitShape): Statement {
    let statement = this.#statements.get(shape);
    if (statement === undefined) {
      statement = statementIn(this.#schema, commitText(shape));
      this.#statements.set(shape, statement);
    }
    return statement;
  }
}

function shapeOf(writes: readonly ObjectWrite[]): CommitShape {
  let alarms = false;
  let replies = false;
  for (const write of writes) {
    if (write.deleted || write.cancelAllAlarms) return "everything";
    if (write.alarms.length > 0) alarms = true;
    if (write.replies.length > 0) replies = true;
  }
  if (alarms) return replies ? "alarms and replies" : "alarms";
  return replies ? "replies" : "objects";
}

/** @param index - of the write in its batch, from 1 */
function addWrite(lists: Lists, write: ObjectWrite, index: number): void {
  const { address, baseRevision, state, stateVersion, deleted, cancelAllAlarms, alarms, replies } = write;
  const { tenant, type, id } = address;
  const slot = slotOf(address);
  lists.writes.add({ tenant, type, id, slot, base: baseRevision, state, state_version: stateVersion, deleted });
  if (alarms.length === 0 && replies.length === 0 && !deleted && !cancelAllAlarms) return;

  const object: Row = { write: index, tenant, type, id };
  const empties = deleted || cancelAllAlarms;
  if (empties) lists.emptied.add(object);
  if (deleted) lists.forgotten.add(object);
  for (const alarm of alarms) {
    // What is set takes the place of the alarm of that name; any other change finds none.
    if (!empties || alarm.change === "set")
      addAlarm(lists, { ...object, name: alarm.name }, alarm, slot, baseRevision + 1);
    if (empties && alarm.change === "set") lists.kept_alarms.add({ kept: `${index} ${alarm.name}` });
  }
  for (const { key, fingerprint, result, expiresAt } of replies) {
    const reply: Row = { ...object, key, fingerprint, result, expires_at: expiresAt };
    if (deleted) lists.kept_replies.add({ kept: `${index} ${key}` });
    (deleted ? lists.replaced : lists.replies).add(reply);
  }
}

function addAlarm(lists: Lists, named: Row, alarm: AlarmChange, slot: number, generation: number): void {
  switch (alarm.change) {
    case "set": {
      const { dueAt, payload, rule } = alarm;
      lists.set.add({ ...named, slot, due_at: dueAt, generation, payload, rule });
      break;
    }
    case "cancel":
      lists.removed.add({ ...named, generation: null });
      break;
    case "acknowledge":
      lists.removed.add({ ...named, generation: alarm.generation });
      break;
    case "attempted": {
      const { dueAt, attempts, status, lastError } = alarm;
      const what: Row = { generation: alarm.generation, due_at: dueAt, attempts, status, last_error: lastError };
      lists.attempted.add({ ...named, ...what });
      break;
    }
    case "redrive":
      lists.attempted.add({
        ...named,
        generation: null,
        due_at: alarm.dueAt,
        attempts: 0,
        status: "set",
        last_error: null,
      });
      break;
  }
}
