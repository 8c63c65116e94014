/** docs/telemetry.md names every channel, field and warning of the code, and no others. */

import { globSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { attributes, measureNames, spans } from "../../src/otel/names.ts";
import { codeIn, fieldsOf, pathOf, rowsUnder, textOf } from "./page.ts";

const page = "docs/telemetry.md";
const channels = "packages/durable-object/src/telemetry/channels.ts";

function names(heading: string, column: string): string[] {
  return rowsUnder(page, heading, column).map((row) => codeIn(row[column])[0] ?? "");
}

/** The first arguments of calls such as `channel("…")` in the source. */
function quotedIn(of: RegExp): string[] {
  return [...textOf(channels).matchAll(of)].map(([, name]) => name ?? "");
}

/** The operations, as the page speaks of them, with the fields of their contexts and of those these extend. */
function channelContexts(): [name: string, fields: string[]][] {
  const fields = (context: string): string[] => {
    const [, base] = new RegExp(`^export interface ${context} extends (\\w+) `, "m").exec(textOf(channels)) ?? [];
    const own = fieldsOf("telemetry/channels.ts", context).map(({ name }) => name);
    return base === undefined ? own : [...fields(base), ...own];
  };
  return [...textOf(channels).matchAll(/new OperationChannel<(\w+)>\("durable-object:(\w+)/g)].map(
    ([, context = "", name = ""]) => [name, fields(context)],
  );
}

describe("docs/telemetry.md", () => {
  test("has the operations of the code", () => {
    const inCode = quotedIn(/new OperationChannel<\w+>\("([^"]+)"\)/g);
    expect(inCode.length).toBeGreaterThan(0);
    expect(names("Operations", "channel").toSorted()).toEqual(inCode.toSorted());
  });

  test("has the plain channels of the code, with their fields", () => {
    const inCode = quotedIn(/= channel\("([^"]+)"\)/g);
    expect(names("Changes", "channel")).toEqual(inCode);
    const fields = rowsUnder(page, "Changes", "channel").map((row) => codeIn(row["message"]));
    expect(fields).toEqual(
      ["PhaseMessage", "OwnershipMessage", "WarningMessage"].map((message) =>
        fieldsOf("telemetry/channels.ts", message).map(({ name }) => name),
      ),
    );
  });

  test("has the fields of each operation, and says which operations they are of", () => {
    const written = rowsUnder(page, "Operations", "field").map((row) => [codeIn(row["field"])[0], row["on"]]);
    const all = new Set(channelContexts().flatMap(([, fields]) => fields));
    const inCode = [...all].map((field) => {
      const on = channelContexts().filter(([, fields]) => fields.includes(field));
      return [
        field,
        on.length === channelContexts().length ? "all" : [...new Set(on.map(([name]) => name))].join(", "),
      ];
    });
    expect(new Map(written as [string, string][])).toEqual(new Map(inCode as [string, string][]));
    expect(written).toHaveLength(inCode.length);
  });

  test("has the attributes and metrics of the bridge to OpenTelemetry, with their units and what they say", () => {
    expect(names("OpenTelemetry", "attribute")).toEqual(Object.values(attributes));
    const rows = rowsUnder(page, "OpenTelemetry", "metric").map((row) => [
      codeIn(row["metric"])[0],
      codeIn(row["unit"])[0],
      row["what"],
    ]);
    expect(rows).toEqual(Object.values(measureNames));
    for (const name of Object.values(spans)) expect(textOf(page)).toContain(name);
  });

  test("has the warnings of the code", () => {
    const inCode = globSync(pathOf("packages/durable-object/src/**/*.ts"))
      .flatMap((file) => [...textOf(file).matchAll(/\b(?:warning: |warn\(\s*)"([^"]+)"/g)])
      .map(([, name]) => name ?? "");
    expect(inCode.length).toBeGreaterThan(0);
    expect(names("Changes", "warning")).toEqual([...new Set(inCode)].toSorted());
  });

  test("has the library's own operations", () => {
    const source = textOf("packages/durable-object/src/runtime/system-operations.ts");
    const inCode = [...source.matchAll(/\boperation\(\s*"([^"]+)"/g)].map(([, name]) => name ?? "");
    const [call] = rowsUnder(page, "Operations", "channel");
    expect(inCode.length).toBeGreaterThan(0);
    expect(codeIn(call?.["what"]).toSorted()).toEqual(inCode.toSorted());
  });

  test("has the phases of an activation", () => {
    const source = textOf("packages/durable-object/src/runtime/activation-phase.ts");
    const [, union = ""] = /export type Phase = ([^;]+);/.exec(source) ?? [];
    const [phases] = rowsUnder(page, "Changes", "channel");
    expect(codeIn(phases?.["what"])).toEqual([...union.matchAll(/"(\w+)"/g)].map(([, phase]) => phase));
  });
});
