/** Fields as `new object --fields` takes them, `count:integer,window_start:utc_datetime`, and the object they make. */

import { typeProblem } from "../core/address.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { kebabCase, type ProjectChoice } from "./project-files.ts";

/** What each type of field begins as, and what it may be, where that does not follow. */
const fieldTypes: Readonly<
  Record<string, { readonly initial: string; readonly type?: string; readonly says?: string }>
> = {
  integer: { initial: "0" },
  float: { initial: "0" },
  string: { initial: '""' },
  boolean: { initial: "false" },
  map: { initial: "{}", type: "Record<string, JsonValue>" },
  list: { initial: "[]", type: "JsonValue[]" },
  utc_datetime: { initial: "null", type: "string | null", says: "a time, as toISOString() writes it" },
  naive_datetime: { initial: "null", type: "string | null", says: "a time without a zone, as 2026-01-31T09:00:00" },
  any: { initial: "null", type: "JsonValue" },
};

/** A field of a state. */
export interface ObjectField {
  readonly name: string;
  readonly initial: string;
  /** TypeScript; null where the initial value says it. */
  readonly type: string | null;
  readonly says: string | null;
}

/**
 * Reads a list of fields. A field without a type may hold anything; so may one of a type that is not known here.
 *
 * @throws {@link CommandFailure} for a name that is no field's
 */
export function parseFields(text: string): readonly ObjectField[] {
  const seen = new Set<string>();
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part): ObjectField => {
      const [name = "", type = "any"] = part.split(":").map((piece) => piece.trim());
      if (!/^[A-Za-z_$][\w$]*$/.test(name))
        throw invalid(`"${name}" cannot be the name of a field: letters, digits and _`);
      if (name === "__proto__") throw invalid(`"${name}" cannot be the name of a field`);
      if (seen.has(name)) throw invalid(`the field "${name}" is there twice`);
      seen.add(name);
      const known = fieldTypes[type];
      const {
        initial,
        type: written = null,
        says = null,
      } = known ?? { initial: "null", type: "JsonValue", says: `was declared as ${type}` };
      return { name, initial, type: written, says };
    });
}

/** The name of an object, as a constant of TypeScript. */
export function checkObjectName(name: string): string {
  if (!/^[A-Z][A-Za-z0-9]*$/.test(name)) {
    const guess = name.replaceAll(/(?:^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    const hint = /^[A-Z][A-Za-z0-9]*$/.test(guess) ? ` Did you mean ${guess}?` : "";
    throw invalid(
      `"${name}" cannot be the name of an object: it begins with a capital letter, as in ShoppingCart.${hint}`,
    );
  }
  const problem = typeProblem(kebabCase(name));
  if (problem !== null) throw invalid(`"${name}": ${problem}`);
  return name;
}

/** The file that declares an object with these fields; with none, a sample to change. */
export function objectText(name: string, fields: readonly ObjectField[], language: ProjectChoice["language"]): string {
  const isTyped = language === "ts";
  const needsJson = isTyped && fields.some(({ type }) => type?.includes("JsonValue") === true);
  const first = fields.find(({ initial }) => initial === "0" && true);
  const imports = [
    'import { defineObject, reply } from "durable-object";',
    ...(needsJson ? ['import type { JsonValue } from "durable-object";'] : []),
  ];
  const state =
    fields.length === 0
      ? ["  state: {", "    // The fields, with what they begin as: count: 0,", "  },"]
      : [
          "  state: {",
          ...fields.flatMap(({ name: field, initial, type, says }) => [
            ...(says === null ? [] : [`    // ${capital(says)}.`]),
            `    ${field}: ${initial}${isTyped && type !== null ? ` as ${type}` : ""},`,
          ]),
          "  },",
        ];
  const handlers =
    first === undefined
      ? [
          "    // Change the state by returning the next one: put: ({ state }, value) => reply(value, { ...state, value }),",
        ]
      : [
          `    // Returns what the caller gets, and the next state.`,
          `    increment: ({ state }, amount = 1) => {`,
          `      const ${first.name} = state.${first.name} + amount;`,
          `      return reply(${first.name}, { ...state, ${first.name} });`,
          "    },",
        ];
  return `${[
    ...imports,
    "",
    `export const ${name} = defineObject({`,
    "  // The name in the database: renaming the constant changes nothing.",
    `  type: "${kebabCase(name)}",`,
    ...state,
    "  handlers: {",
    "    get: ({ state }) => reply(state),",
    ...handlers,
    "  },",
    "});",
  ].join("\n")}\n`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function invalid(problem: string): CommandFailure {
  return new CommandFailure(exitCodes.usage, "INVALID_ARGUMENTS", `${problem}.`);
}
