/**
 * The application's own statements, in the transaction of the commit they belong to.
 *
 * Without them a commit is one statement. With them it is a transaction: that statement first, because it
 * holds the lane and says which writes are stale, then the statements of the others in their order. A batch that
 * was applied already executes none of them again: its lane does not advance.
 *
 * A statement that waits for a lock of somebody else holds up all commits, so it may not wait long.
 */

import { messageOf } from "../core/errors.ts";
import { describeStatement, type SqlStatement } from "../core/sql-statement.ts";
import type { CommitCompanion, CommittedAlarms, ObjectWrite, RunSql } from "../ports/object-store.ts";
import { StoreFailure } from "../ports/object-store.ts";
import { arrayOf } from "./postgres-columns.ts";
import type { Commit } from "./postgres-commit.ts";
import type { PostgresConnections } from "./postgres-connections.ts";
import type { Row, Run, Statement } from "./postgres-pool.ts";
import { isStatementFault } from "./postgres-failure.ts";

/** How long a statement of the application may wait for a lock, in ms. */
const lockWaitMs = 3_000;

/**
 * Sends a commit with the statements of its writes.
 *
 * @param staleIn - the indexes of the stale writes in the row that the commit returns
 * @param company - who writes besides; null for nobody
 * @returns the row of the commit; undefined if the lane did not advance, and nothing was done
 * @throws {@link StoreFailure} `SQL_FAILED` if a statement fails for what it is
 */
export async function commitWithSql(
  connections: PostgresConnections,
  { statement, values }: Commit,
  writes: readonly ObjectWrite[],
  staleIn: (row: Row) => readonly number[],
  company: LaneCompanion | null,
): Promise<Row | undefined> {
  // When all has been said, what is left to fail are constraints that are checked at the end.
  let isDone = false;
  const { statementTimeoutMs } = connections;
  const begin =
    `BEGIN; SET LOCAL lock_timeout = ${Math.min(lockWaitMs, statementTimeoutMs)}; ` +
    `SET LOCAL statement_timeout = ${Math.ceil(statementTimeoutMs * 0.9)}`;
  try {
    return await connections.transaction(async (run, runSql) => {
      const gone = company === null ? [] : await alarmsOf(run, company, writes);
      const [row] = await run(statement, values);
      if (row === undefined) return undefined;
      const stale = new Set(staleIn(row));
      for (const [index, write] of writes.entries()) {
        if (!stale.has(index)) await executeAll(run, write.statements, index);
      }
      if (company !== null) await accompany(runSql, company, writes, stale, gone);
      isDone = true;
      return row;
    }, begin);
  } catch (cause) {
    if (!isDone || !isStatementFault(cause)) throw cause;
    // Whose it was nobody says.
    throw new StoreFailure("refused", "SQL_FAILED", messageOf(cause), { cause });
  }
}

/** Who writes in the transactions of a lane, and the statement that says which alarms objects have. */
export interface LaneCompanion {
  readonly companion: CommitCompanion;
  readonly alarmNames: Statement;
}

/** The alarms of the objects that lose all of theirs, by the index of the write. Nobody but their owner changes them. */
async function alarmsOf(run: Run, { alarmNames }: LaneCompanion, writes: readonly ObjectWrite[]): Promise<string[][]> {
  const gone: string[][] = [];
  const emptied = writes.flatMap(({ address, deleted, cancelAllAlarms }, index) =>
    deleted || cancelAllAlarms ? [{ address, index }] : [],
  );
  if (emptied.length === 0) return gone;
  const rows = await run(alarmNames, [
    arrayOf(emptied.map(({ address }) => address.tenant)),
    arrayOf(emptied.map(({ address }) => address.type)),
    arrayOf(emptied.map(({ address }) => address.id)),
  ]);
  for (const [at, name] of rows) (gone[emptied[Number(at) - 1]?.index ?? -1] ??= []).push(name ?? "");
  return gone;
}

async function accompany(
  runSql: RunSql,
  { companion }: LaneCompanion,
  writes: readonly ObjectWrite[],
  stale: ReadonlySet<number>,
  gone: readonly string[][],
): Promise<void> {
  const committed = writes.flatMap(({ address, alarms }, index): CommittedAlarms[] =>
    stale.has(index) || (alarms.length === 0 && gone[index] === undefined)
      ? []
      : [{ address, gone: gone[index] ?? [], changes: alarms }],
  );
  if (committed.length === 0) return;
  let failed: { readonly error: unknown } | null = null;
  const heard: RunSql = async (text, values) => {
    try {
      return await runSql(text, values);
    } catch (error) {
      failed ??= { error };
      throw error;
    }
  };
  const database = (): { readonly error: unknown } | null => failed;
  try {
    await companion(heard, committed);
  } catch (error) {
    // What the database said counts, not what the companion made of it: it may have to do with the moment.
    const said = database();
    if (said !== null && !isStatementFault(said.error)) throw said.error;
    const message = `the scheduler could not write its part: ${messageOf(error)}`;
    throw new StoreFailure("refused", "COMMIT_FAILED", message, { cause: error });
  }
}

/** @param write - whose they are, as an index of the batch */
async function executeAll(run: Run, statements: readonly SqlStatement[], write: number): Promise<void> {
  for (const [index, { text, params }] of statements.entries()) {
    try {
      await run({ text, name: null }, params);
    } catch (cause) {
      if (!isStatementFault(cause)) throw cause;
      const message = `${messageOf(cause)} (${describeStatement(statements, index)})`;
      throw new StoreFailure("refused", "SQL_FAILED", message, { cause, write });
    }
  }
}
