/** docs/telemetry.md names every channel, field and warning of the code, and no others. */

import { globSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { attributes, changeAttribute, measureNames, spans, warningAttribute } from "../../src/otel/names.ts";
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

  test("has the fields of operations", () => {
    const contexts = [
      "TimedContext",
      "OperationContext",
      "CommitContext",
      "StorageContext",
      "AlarmContextMessage",
      "CallContext",
    ];
    const inCode = contexts.flatMap((context) => fieldsOf("telemetry/channels.ts", context).map(({ name }) => name));
    expect(names("Operations", "field")).toEqual([...new Set(inCode)]);
  });

  test("has the attributes and metrics of the bridge to OpenTelemetry, with their units and what they say", () => {
    const known = [...Object.values(attributes), changeAttribute, warningAttribute];
    expect(names("OpenTelemetry", "attribute")).toEqual(known);
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
