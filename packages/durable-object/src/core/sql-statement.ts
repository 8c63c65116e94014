/**
 * A statement of the application's own SQL, which is committed together with the state of an object.
 *
 * Only statements that read or change rows: they run inside a transaction of the library, so one that
 * begins or ends a transaction, or changes how the connection works, has no place there. Nor has one that
 * names the library's own tables. What a statement means is for the database to say; this looks at its
 * first word and for one name.
 */

import { isStorableText } from "./json.ts";
import { preview } from "./preview.ts";

/** A value that a statement is given for one of its placeholders. */
export type SqlValue = string | number | bigint | boolean | null | Uint8Array;

/** A statement with the values of its placeholders, in their order. */
export interface SqlStatement {
  readonly text: string;
  readonly params: readonly SqlValue[];
}

/** Why a statement cannot be. */
export class WrongStatement {
  readonly problem: string;

  constructor(problem: string) {
    this.problem = problem;
  }
}

const firstWords: ReadonlySet<string> = new Set([
  "INSERT",
  "UPDATE",
  "DELETE",
  "REPLACE",
  "MERGE",
  "SELECT",
  "WITH",
  "CALL",
]);

/** White space and comments. */
const filling = /(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)/y;
const ownTables = /\bdurable_object(?:s|_\w+)\b/i;

/**
 * A statement that shares nothing with what was given.
 *
 * @throws {@link WrongStatement}
 */
export function checkStatement(text: unknown, params: unknown): SqlStatement {
  if (typeof text !== "string") throw new WrongStatement(`the statement is ${preview(text)}, which is no text`);
  if (!isStorableText(text)) {
    throw new WrongStatement("the text of the statement contains U+0000 or an unpaired surrogate");
  }
  const word = firstWord(text);
  if (!firstWords.has(word.toUpperCase())) {
    throw new WrongStatement(
      word === ""
        ? `${preview(text)} is no statement`
        : `a statement may not begin with ${preview(word)}: it runs inside a transaction, and begins with one of ` +
            [...firstWords].join(", "),
    );
  }
  const own = ownTables.exec(text);
  if (own !== null) {
    throw new WrongStatement(`the statement names ${own[0]}, and the tables of this library are not to be touched`);
  }
  if (!Array.isArray(params)) throw new WrongStatement(`the parameters are ${preview(params)}, which is no list`);
  return { text, params: params.map(checkValue) };
}

function firstWord(text: string): string {
  filling.lastIndex = 0;
  let start = 0;
  while (filling.test(text)) start = filling.lastIndex;
  return /^[A-Za-z_]*/.exec(text.slice(start))?.[0] ?? "";
}

function checkValue(value: unknown, index: number): SqlValue {
  switch (typeof value) {
    case "string":
      if (isStorableText(value)) return value;
      throw wrongValue(index, "a text with U+0000 or an unpaired surrogate");
    case "number":
      if (Number.isFinite(value)) return value;
      throw wrongValue(index, `${value}, which is no finite number`);
    case "boolean":
      return value;
    case "bigint":
      if (value === BigInt.asIntN(64, value)) return value;
      throw wrongValue(index, "an integer of more than 64 bits; give it as a text");
    default:
      if (value === null) return value;
      // A copy: the handler may go on writing to its own.
      if (value instanceof Uint8Array) return new Uint8Array(value);
      if (value === undefined) throw wrongValue(index, "undefined; give null for a missing value");
      if (value instanceof Date) throw wrongValue(index, "a Date; give its ISO text, or its time in ms");
      throw wrongValue(index, `${preview(value)}; give objects and arrays as JSON text`);
  }
}

function wrongValue(index: number, what: string): WrongStatement {
  return new WrongStatement(
    `params[${index}] is ${what}. A parameter is a text, a finite number, a bigint, a boolean, null or a Uint8Array`,
  );
}

/** Which of a write's statements failed, for messages. */
export function describeStatement(statements: readonly SqlStatement[], index: number): string {
  return `statement ${index + 1} of ${statements.length}: ${preview(statements[index]?.text.trim())}`;
}
