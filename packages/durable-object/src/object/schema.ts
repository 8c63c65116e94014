/** Standard Schema (https://standardschema.dev): how zod, valibot, arktype and others are all understood. */

import type { StandardSchemaV1 } from "@standard-schema/spec";

/** Any Standard Schema. */
export type Schema<Input = unknown, Output = Input> = StandardSchemaV1<Input, Output>;

/** What a validation comes to. */
export type SchemaResult = StandardSchemaV1.Result<unknown>;

/** Whether a value is a Standard Schema. Some libraries' schemas are functions. */
export function isSchema(value: unknown): value is Schema {
  return (
    ((typeof value === "object" && value !== null) || typeof value === "function") &&
    "~standard" in value &&
    typeof (value as Schema)["~standard"]?.validate === "function"
  );
}

/** The first issues of a failed validation as one line: `at items[0].price: expected number; …`. */
export function formatIssues(issues: readonly StandardSchemaV1.Issue[], root: string): string {
  return issues
    .slice(0, 3)
    .map((issue) => {
      const path = (issue.path ?? [])
        .map((part) => (typeof part === "object" && part !== null ? part.key : part))
        .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
        .join("");
      return `${root}${path}: ${issue.message}`;
    })
    .join("; ");
}
