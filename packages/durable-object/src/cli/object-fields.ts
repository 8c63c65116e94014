/**
 * Fields as `new object --fields` takes them: `count:integer,window_start:utc_datetime`.
 *
 * A state is JSON, so a time is a text there, and null until it is known. A field keeps its name as it is written: it
 * is a name in the database.
 */

import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";

/** What a field of some type begins as. */
interface FieldType {
  readonly initial: string;
  /** Its type in TypeScript. */
  readonly type: string;
  /** Whether the type does not follow from the initial value, and has to be written. */
  readonly isWritten?: boolean;
  readonly says?: string;
}

const fieldTypes = {
  integer: { initial: "0", type: "number" },
  float: { initial: "0", type: "number" },
  string: { initial: '""', type: "string" },
  boolean: { initial: "false", type: "boolean" },
  map: { initial: "{}", type: "Record<string, JsonValue>", isWritten: true },
  list: { initial: "[]", type: "JsonValue[]", isWritten: true },
  utc_datetime: {
    initial: "null",
    type: "string | null",
    isWritten: true,
    says: "A time in UTC, as new Date().toISOString() writes it.",
  },
  naive_datetime: {
    initial: "null",
    type: "string | null",
    isWritten: true,
    says: "A time without a zone, such as 2027-01-31T09:00:00.",
  },
  any: { initial: "null", type: "JsonValue", isWritten: true },
} as const satisfies Record<string, FieldType>;

/** What people write who come from elsewhere. */
const aliases: Readonly<Record<string, keyof typeof fieldTypes>> = {
  int: "integer",
  number: "float",
  text: "string",
  bool: "boolean",
  object: "map",
  record: "map",
  array: "list",
  date: "utc_datetime",
  datetime: "utc_datetime",
  unknown: "any",
  json: "any",
};

/** A field of a state. */
export interface ObjectField extends FieldType {
  readonly name: string;
}

/** The names of the types, for help and messages. */
export const fieldTypeNames: readonly string[] = Object.keys(fieldTypes);

/**
 * Reads a list of fields. A field without a type may hold whatever JSON holds.
 *
 * @throws {@link CommandFailure} for what cannot be the name of a field, and for a type that is not known
 */
export function parseFields(text: string): readonly ObjectField[] {
  const seen = new Set<string>();
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part): ObjectField => {
      const [name = "", type = "any", ...rest] = part.split(":").map((piece) => piece.trim());
      if (rest.length > 0) throw invalid(`"${part}" is not a field: write name:type, as in count:integer`);
      if (!/^[A-Za-z_$][\w$]*$/.test(name) || name === "__proto__") {
        throw invalid(`"${name}" cannot be the name of a field: it consists of letters, digits and _`);
      }
      if (seen.has(name)) throw invalid(`there are two fields "${name}"`);
      seen.add(name);
      return { name, ...typeOf(name, type) };
    });
}

function typeOf(field: string, given: string): FieldType {
  const name = given.toLowerCase().replaceAll("-", "_");
  if (Object.hasOwn(fieldTypes, name)) return fieldTypes[name as keyof typeof fieldTypes];
  const alias = Object.hasOwn(aliases, name) ? aliases[name] : undefined;
  if (alias !== undefined) return fieldTypes[alias];
  const near = fieldTypeNames.find((known) => distance(known, name) <= 2);
  const hint = near === undefined ? `There are ${fieldTypeNames.join(", ")}` : `Did you mean ${field}:${near}?`;
  throw invalid(`the field "${field}" has the type "${given}", which is none. ${hint}`);
}

/** How many letters have to be changed, added or taken away. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [index, letter] of a.split("").entries()) {
    const next = [index + 1];
    for (const [at, other] of b.split("").entries()) {
      const swap = (row[at] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(swap, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

function invalid(problem: string): CommandFailure {
  const end = problem.endsWith("?") ? "" : ".";
  return new CommandFailure(exitCodes.usage, "INVALID_ARGUMENTS", `--fields: ${problem}${end}`);
}
