/**
 * The lane: the numbers under which the commits of one owner go out.
 *
 * The database counts in the lane's row, and accepts number n only after n-1. So a commit that was not
 * answered is sent again under its number, and either is applied now, or finds that it was already.
 *
 * One case needs more: an attempt was not answered, and the next one fails for good (no room, say). The
 * first one could still be under way, and the next batch would have its number. So the number is used up
 * by an empty batch, and from then on the lane is ahead of the port by one; unless it turns out to be used
 * up already, which means that the first attempt has landed.
 */

import type { CommitBatch, CommitCompanion, CommitResult, ObjectWrite } from "../ports/object-store.ts";
import { StoreFailure } from "../ports/object-store.ts";
import { commitWithSql, type LaneCompanion } from "./postgres-application-sql.ts";
import type { Commits } from "./postgres-commit.ts";
import type { PostgresConnections } from "./postgres-connections.ts";
import { isReadOnly, storeFailure } from "./postgres-failure.ts";
import type { Loss } from "./postgres-standing.ts";
import type { Statements } from "./postgres-statements.ts";

/** What a lane is given. */
export interface LaneOptions {
  readonly connections: PostgresConnections;
  readonly statements: Statements;
  readonly commits: Commits;
  readonly node: string;
  /** The store as messages call it. */
  readonly where: string;
  /** The right to write is gone. */
  readonly onLost: (how: Loss) => StoreFailure;
}

/** What an attempt came to. */
interface Attempt {
  readonly result: CommitResult;
  /** Whether it was an earlier attempt that was applied. */
  readonly repeated: boolean;
}

const nothingStale: CommitResult = Object.freeze({ stale: Object.freeze([]) });

export class PostgresLane {
  readonly #options: LaneOptions;
  /** The number of the last batch of the port that was answered. */
  #lastNumber = 0;
  /** The number that the lane had then. */
  #answered = 0;
  /** How many numbers were used up by empty batches. */
  #ahead = 0;
  /** When each of them was, by `performance.now()`. */
  readonly #aheadSinceMs: number[] = [];
  /** A number of the lane with an attempt that may be under way; null if there is none. */
  #doubtful: number | null = null;
  #companion: LaneCompanion | null = null;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  get lastNumber(): number {
    return this.#lastNumber;
  }

  /** From now on commits that change alarms have company in their transaction. */
  join(companion: CommitCompanion): void {
    this.#companion = { companion, alarmNames: this.#options.statements.alarmNames };
  }

  /** The number that the row of the lane has at least. */
  get answered(): number {
    return this.#answered;
  }

  /**
   * The number of the port's last batch, as a question to the database was answered: never less than what had been
   * answered when it was sent.
   *
   * @param number - that the row of the lane had
   * @param askedAtMs - when the question was sent, by `performance.now()`
   */
  batchNumber(number: number, askedAtMs: number): number {
    return number - this.#aheadSinceMs.filter((sinceMs) => sinceMs <= askedAtMs).length;
  }

  /** Whether a batch was sent, and nobody knows what became of it. */
  isInDoubt({ number }: CommitBatch): boolean {
    return this.#doubtful === number + this.#ahead;
  }

  /** @throws {@link StoreFailure} */
  async commit(batch: CommitBatch): Promise<CommitResult> {
    const number = batch.number + this.#ahead;
    let result: CommitResult;
    try {
      ({ result } = await this.#send(batch, number));
    } catch (error) {
      const failure = await this.#failureOf(error);
      if (failure.kind === "retry") this.#doubtful = number;
      if (failure.kind === "retry" || failure.kind === "lost" || this.#doubtful !== number) throw failure;
      result = await this.#settle(batch, number, failure);
    }
    this.#options.connections.wrote(batch.writes.length);
    this.#answered = number;
    this.#lastNumber = batch.number;
    this.#doubtful = null;
    return result;
  }

  /** Makes sure that no attempt of this number can land any more. Throws `failure` if none has. */
  async #settle({ at }: CommitBatch, number: number, failure: StoreFailure): Promise<CommitResult> {
    let settled: Attempt;
    try {
      settled = await this.#send({ at, writes: [] }, number);
    } catch (error) {
      const { kind, code, message } = await this.#failureOf(error);
      throw new StoreFailure(kind === "lost" ? "lost" : "retry", code, message, { cause: error });
    }
    if (settled.repeated) return settled.result;
    this.#ahead += 1;
    this.#aheadSinceMs.push(performance.now());
    this.#answered = number;
    this.#doubtful = null;
    throw failure;
  }

  async #send(batch: Pick<CommitBatch, "at" | "writes">, number: number): Promise<Attempt> {
    const { connections, commits } = this.#options;
    const commit = commits.commit(batch, number);
    const { writes } = batch;
    const companion = writes.some(changesAlarms) ? this.#companion : null;
    const row =
      companion !== null || writes.some(({ statements }) => statements.length > 0)
        ? await commitWithSql(connections, commit, writes, (answer) => resultOf(answer[0]).stale, companion)
        : (await connections.write(commit.statement, commit.values))[0];
    return row === undefined ? await this.#earlier(number) : { result: resultOf(row[0]), repeated: false };
  }

  /** The lane did not advance: either this batch is in it already, or it may not be written. */
  async #earlier(number: number): Promise<Attempt> {
    const { connections, statements, node, where, onLost } = this.#options;
    const [row] = await connections.write(statements.lane, [node]);
    if (row === undefined) throw onLost("taken");
    const last = Number(row[0]);
    if (last < this.#answered) throw onLost("rewound");
    // An owner that was removed since may hear what became of its commit.
    if (last === number && number > 0) return { result: resultOf(row[1]), repeated: true };
    if (row[2] !== "t") throw onLost("taken");
    if (last === number - 1) {
      throw new StoreFailure(
        "retry",
        "STORE_UNAVAILABLE",
        `${where} did not apply commit ${number}, and says not why.`,
      );
    }
    throw new StoreFailure(
      "lost",
      "STORE_CORRUPT",
      `Commit ${number} was sent to ${where}, whose last commit is ${last}. Nothing of it was applied. Commits were ` +
        `sent out of order.`,
    );
  }

  async #failureOf(error: unknown): Promise<StoreFailure> {
    const { connections, where } = this.#options;
    const failure = storeFailure(error, "write", where);
    if (!isReadOnly(error)) return failure;
    // A standby is on its way to become a primary, or the connection to find one. A primary that was told to
    // take no writes is so until somebody says otherwise: calls should hear of it.
    const isStandby = await connections.write("SELECT pg_is_in_recovery()").then(
      ([row]) => row?.[0] === "t",
      () => true,
    );
    if (isStandby) return failure;
    return new StoreFailure("full", failure.code, failure.message, { cause: error });
  }
}

function changesAlarms({ deleted, cancelAllAlarms, alarms }: ObjectWrite): boolean {
  return deleted || cancelAllAlarms || alarms.length > 0;
}

/** @param stale - the list in the lane's row: indexes from 1, as JSON */
function resultOf(stale: string | null | undefined): CommitResult {
  if (stale === null || stale === undefined) return nothingStale;
  return { stale: (JSON.parse(stale) as number[]).map((index) => index - 1) };
}
