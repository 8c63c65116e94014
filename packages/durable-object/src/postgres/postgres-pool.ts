/** What the store uses of pg: pools, connections, queries; and statements as the store speaks of them. */

import { createHash } from "node:crypto";

/** What is used of a connection of pg. */
export interface PostgresClient {
  query(query: PostgresQuery | PlainQuery): Promise<{ readonly rows: readonly unknown[] }>;
  /** `true` ends the connection instead of giving it back. */
  release(destroy?: boolean): void;
  /** Ends the connection; whatever it is doing fails. */
  end?(): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

/** What is used of a pool of pg. Other drivers have pools that look like this one. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

/** A query of somebody else, who expects rows as pg gives them. */
export interface PlainQuery {
  readonly text: string;
  readonly values: unknown[];
  readonly query_timeout: number;
}

/** A query as it is given to pg: rows come as arrays, every value as the text that the server sends. */
export interface PostgresQuery {
  readonly text: string;
  readonly values: unknown[];
  readonly rowMode: "array";
  readonly types: typeof textTypes;
  readonly query_timeout: number;
  readonly name?: string;
  /** One statement only, even if there are no values. */
  readonly queryMode?: "extended";
}

/** A parameter of a statement. Arrays come as the text that PostgreSQL reads as one. */
export type Value = string | number | bigint | boolean | Uint8Array | null;

/** A row, as the texts that the server sends. */
export type Row = readonly (string | null)[];

/** A statement. What is a mere text may be several of them, if there are no values. */
export interface Statement {
  readonly text: string;
  /**
   * What it is prepared under, once for each connection; null if it is not. The same for the same text only: a
   * pool may be shared by stores on several schemas.
   */
  readonly name: string | null;
}

/** Runs a statement; without an answer after `timeoutMs` it is given up, with its connection. */
export type Run = (
  statement: Statement | string,
  values?: readonly Value[],
  timeoutMs?: number,
) => Promise<readonly Row[]>;

/** What the application has told the types of pg to become does not concern us. */
export const textTypes = { getTypeParser: (): ((text: string) => string) => (text) => text };

/** A statement with its name. */
export function statementOf(text: string): Statement {
  return { text, name: `durable_object_${createHash("sha256").update(text).digest("hex").slice(0, 24)}` };
}
