/**
 * The application's own statements, on the connection and in the transaction of a commit.
 *
 * Placeholders are `?`, or `$1`, `$2`, … as in PostgreSQL. SQLite takes a placeholder without a value for
 * NULL. So they are counted when a statement is seen for the first time, by having its plan explained with one
 * value more than there are: that fails, or one is missing. Explaining changes nothing. What was prepared is kept for the texts that
 * were used last.
 */

import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type { SqlStatement, SqlValue } from "../core/sql-statement.ts";

/** How many statements stay prepared. */
const keptStatements = 128;

/** A statement that is not what it has to be. */
export class StatementError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "StatementError";
  }
}

interface Prepared {
  readonly statement: StatementSync;
  readonly placeholders: number;
  /** Whether they have numbers: `$1`. */
  readonly numbered: boolean;
}

/** Executes statements of the application. */
export class ApplicationSql {
  readonly #database: DatabaseSync;
  /** By their text; the one that was used last is the last. */
  readonly #prepared = new Map<string, Prepared>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** @throws errors of `node:sqlite`, and {@link StatementError} */
  execute({ text, params }: SqlStatement): void {
    const { statement, placeholders, numbered } = this.#prepare(text, params.length);
    if (params.length !== placeholders) throw wrongCount(params.length, params.length < placeholders);
    const values = params.map(asInput);
    if (numbered) statement.run(Object.fromEntries(values.map((value, index) => [`$${index + 1}`, value])));
    else statement.run(...values);
  }

  #prepare(text: string, given: number): Prepared {
    let prepared = this.#prepared.get(text);
    if (prepared === undefined) prepared = prepare(this.#database, text, given);
    else this.#prepared.delete(text);
    this.#prepared.set(text, prepared);
    if (this.#prepared.size > keptStatements) {
      const [oldest] = this.#prepared.keys();
      if (oldest !== undefined) this.#prepared.delete(oldest);
    }
    return prepared;
  }
}

/** @param given - how many values there are for the placeholders */
function prepare(database: DatabaseSync, text: string, given: number): Prepared {
  const statement = database.prepare(text);
  const rest = text.slice(statement.sourceSQL.length);
  if (!/^(?:[\s;]|--[^\n]*(?:\n|$)|\/\*[\s\S]*?(?:\*\/|$))*$/.test(rest)) {
    throw new StatementError("more than one statement was given; give each to an sql() of its own");
  }
  const plan = database.prepare(`EXPLAIN ${text}`);
  const has = (names: Record<string, null>, places: number): boolean => {
    try {
      plan.get(names, ...Array<null>(places).fill(null));
      return true;
    } catch {
      return false;
    }
  };
  const names = [...new Set(text.match(/[:@$]\w+/g))].filter((name) => has({ [name]: null }, 0));
  if (names.length === 0) {
    const tooFew = has({}, given + 1);
    if (tooFew || !has({}, given)) throw wrongCount(given, tooFew);
    return { statement, placeholders: given, numbered: false };
  }
  const numbers = names.map((name) => Number(/^\$(\d+)$/.exec(name)?.[1]));
  if (numbers.some(Number.isNaN) || has({}, 1)) {
    throw new StatementError(`placeholders are ? or $1, $2, … and not both: there is ${names.join(", ")}`);
  }
  const placeholders = Math.max(...numbers);
  return { statement, placeholders, numbered: true };
}

function wrongCount(given: number, tooFew: boolean): StatementError {
  const than = tooFew ? "more" : "fewer";
  return new StatementError(`the statement has ${than} placeholders than values: ${given} were given`);
}

/** SQLite has no booleans: they are 1 and 0. A whole number is to be an integer in every kind of column. */
function asInput(value: SqlValue): SQLInputValue {
  if (typeof value === "boolean") return value ? 1n : 0n;
  return Number.isSafeInteger(value) ? BigInt(value as number) : value;
}
