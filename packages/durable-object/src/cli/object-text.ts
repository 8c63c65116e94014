/** The text of an object: the first one of a project, which shows what there is, and those that `new object` writes. */

import type { ObjectField } from "./object-fields.ts";
import { kebabCase } from "./object-name.ts";

export type Language = "ts" | "js";

/** The first object of a project: calls, a state that is kept, and an alarm. */
export function firstObjectText(name: string): string {
  return `import { defineObject, noreply, read, reply, schedule } from "durable-object";

/** A counter for each id. Its state is saved before a caller gets the reply. */
export const ${name} = defineObject({
  // The name in the database: renaming the constant changes nothing.
  type: "${kebabCase(name)}",
  state: { count: 0, chimes: 0 },
  handlers: {
    increment: ({ state }, amount = 1) => {
      const count = state.count + amount;
      // The reply, the next state, and an alarm: one commit.
      return reply(count, { ...state, count }, schedule("chime", "2s"));
    },
    get: read(({ state }) => reply(state)),
  },
  alarms: {
    // Two seconds after the last increment, also if the process was restarted in between.
    chime: ({ state, id }) => {
      const chimes = state.chimes + 1;
      console.log(\`alarm: "\${id}" is at \${state.count} and has chimed \${chimes} \${chimes === 1 ? "time" : "times"}\`);
      return noreply({ ...state, chimes });
    },
  },
});
`;
}

/** An object with these fields; with none, a sample to change. */
export function objectText(name: string, fields: readonly ObjectField[], language: Language): string {
  const sample = fields.length === 0 ? emptySample(language) : sampleOf(fields, language);
  const needsJson = language === "ts" && fields.some(({ type }) => type.includes("JsonValue"));
  const imported = ["defineObject", ...(sample.needsNoreply ? ["noreply"] : []), "read", "reply"];
  return `${[
    `import { ${imported.join(", ")}${needsJson ? ", type JsonValue" : ""} } from "durable-object";`,
    "",
    `export const ${name} = defineObject({`,
    "  // The name in the database: renaming the constant changes nothing.",
    `  type: "${kebabCase(name)}",`,
    "  // What a new object begins with; the types of the fields follow from it.",
    "  state: {",
    ...sample.state,
    "  },",
    "  // A handler returns the whole of what happens: reply(result, nextState), noreply(nextState), fail(reason).",
    "  handlers: {",
    "    get: read(({ state }) => reply(state)),",
    ...sample.handlers,
    "  },",
    "});",
  ].join("\n")}\n`;
}

interface Sample {
  readonly state: readonly string[];
  readonly handlers: readonly string[];
  readonly needsNoreply: boolean;
}

function emptySample(language: Language): Sample {
  const expires = language === "ts" ? "null as string | null" : "/** @type {string | null} */ (null)";
  return {
    state: ["    // count: 0,", '    // name: "",', `    // expires_at: ${expires},`],
    handlers: [
      `    // increment: ({ state }, amount = 1) => reply(state.count + amount, { ...state, count: state.count + amount }),`,
    ],
    needsNoreply: false,
  };
}

function sampleOf(fields: readonly ObjectField[], language: Language): Sample {
  const state = fields.flatMap(({ name, says, ...field }) => [
    ...(says === undefined ? [] : [`    // ${says}`]),
    `    ${name}: ${initialText(field, language)},`,
  ]);
  const number = fields.find(isNumber);
  if (number !== undefined) {
    const { name } = number;
    const handlers = [
      "    increment: ({ state }, amount = 1) => {",
      `      const next = state.${name} + amount;`,
      `      return reply(next, { ...state, ${name}: next });`,
      "    },",
    ];
    return { state, handlers, needsNoreply: false };
  }
  const [{ name, type } = { name: "", type: "" }] = fields;
  const value = language === "ts" ? `value: ${type}` : "value";
  const handlers = [`    put: ({ state }, ${value}) => noreply({ ...state, ${name}: value }),`];
  return { state, handlers, needsNoreply: true };
}

const isNumber = ({ type }: ObjectField): boolean => type === "number";

function initialText({ initial, type, isWritten }: Omit<ObjectField, "name" | "says">, language: Language): string {
  if (isWritten !== true) return initial;
  if (language === "ts") return `${initial} as ${type}`;
  return `/** @type {${type.replaceAll("JsonValue", 'import("durable-object").JsonValue')}} */ (${initial})`;
}

/** A test of an object, for the test runner of Node.js. */
export function objectTestText(name: string, fields: readonly ObjectField[], extension: string): string {
  const file = kebabCase(name);
  const initial = fields.map((field) => `${field.name}: ${field.initial}`).join(", ");
  const number = fields.find(isNumber);
  const second =
    number === undefined
      ? ""
      : `
test("what a call changes is stored", async () => {
  await using t = await createTestRuntime({ objects: [${name}] });
  assert.equal(await t.get(${name}, "test").increment(2), 2);
  await t.object(${name}, "test").assertPersisted({ ${number.name}: 2 });
});
`;
  return `import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestRuntime } from "durable-object/testing";
import { ${name} } from "./${file}.${extension}";

test("a new object begins with its defaults", async () => {
  await using t = await createTestRuntime({ objects: [${name}] });
  assert.deepEqual(await t.get(${name}, "test").get(), {${initial === "" ? "" : ` ${initial} `}});
});
${second}`;
}
