/**
 * Rows on their way into a statement: one array for each column, as the text that PostgreSQL reads as an
 * array, which `unnest` turns into rows again. So a statement has the same parameters however many rows it
 * gets, and is prepared once.
 */

import type { Value } from "./postgres-pool.ts";

/** The names of columns, in order, with their types in SQL. */
export type ColumnTypes = Readonly<
  Record<string, "text" | "json" | "jsonb" | "smallint" | "integer" | "bigint" | "boolean">
>;

/** A row with these columns. */
export type RowOf<Types extends ColumnTypes> = { readonly [Name in keyof Types]: Value };

/** Rows, column by column. */
export class Columns<Types extends ColumnTypes> {
  readonly #names: readonly (keyof Types)[];
  readonly #lists: string[];

  constructor(types: Types) {
    this.#names = Object.keys(types);
    this.#lists = this.#names.map(() => "");
  }

  add(row: RowOf<Types>): void {
    for (let index = 0; index < this.#names.length; index++) {
      const list = this.#lists[index] as string;
      const element = elementOf(row[this.#names[index] as keyof Types]);
      this.#lists[index] = list === "" ? element : `${list},${element}`;
    }
  }

  /** The parameters, in the order of the columns. */
  values(): string[] {
    return this.#lists.map((list) => `{${list}}`);
  }
}

/**
 * The rows of some columns, for FROM.
 *
 * @param first - the number of the first parameter
 */
export function rowsOf(types: ColumnTypes, first: number): string {
  return `unnest(${Object.values(types)
    .map((type, index) => `$${first + index}::${type}[]`)
    .join(", ")})`;
}

/** The names of some columns, for the column list of an alias. */
export function namesOf(types: ColumnTypes): string {
  return Object.keys(types).join(", ");
}

/** An array of texts. */
export function arrayOf(values: readonly Value[]): string {
  return `{${values.map(elementOf).join(",")}}`;
}

function elementOf(value: Value): string {
  if (value === null) return "NULL";
  if (typeof value === "string") return `"${value.replace(/["\\]/g, "\\$&")}"`;
  return String(value);
}
