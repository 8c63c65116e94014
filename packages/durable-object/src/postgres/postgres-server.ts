/** The server behind the connection: whether it can hold a store, and whether it keeps what it says. */

import { channel } from "node:diagnostics_channel";
import { StoreFailure } from "../ports/object-store.ts";
import type { Run } from "./postgres-pool.ts";

/** `MATERIALIZED` came with it. */
export const oldestVersion = 12;

/** Adapters do not know the engine; the channel's name is what they share. */
const warnings = channel("durable-object:warning");

/** @throws {@link StoreFailure} if the server cannot hold a store */
export async function checkServer(run: Run, where: string): Promise<void> {
  const [row] = await run(`SELECT current_setting('server_version_num'), current_setting('server_encoding')`);
  const version = Math.floor(Number(row?.[0]) / 10_000);
  if (version < oldestVersion) {
    throw new StoreFailure(
      "lost",
      "STORE_UNAVAILABLE",
      `${where} is on PostgreSQL ${version}; durable-object needs ${oldestVersion} or newer.`,
    );
  }
  if (row?.[1] !== "UTF8") {
    throw new StoreFailure(
      "lost",
      "STORE_UNAVAILABLE",
      `${where} has the encoding ${row?.[1] ?? "of another time"}; durable-object needs a database in UTF8.`,
    );
  }
}

/** Settings with which a reply does not mean that the write is on the disk, as `name = off`. */
export async function unsafeSettings(run: Run): Promise<readonly string[]> {
  const names = ["fsync", "full_page_writes", "synchronous_commit"];
  const [row] = await run(`SELECT ${names.map((name) => `current_setting('${name}')`).join(", ")}`);
  return names.filter((_, index) => row?.[index] === "off").map((name) => `${name} = off`);
}

/** Tells operators about them. */
export async function warnIfUnsafe(run: Run, where: string): Promise<void> {
  const unsafe = await unsafeSettings(run);
  if (unsafe.length === 0 || !warnings.hasSubscribers) return;
  warnings.publish({
    warning: "unsafe-database",
    message:
      `${where} runs with ${unsafe.join(" and ")}: a crash of the server may lose commits that were answered, or ` +
      `damage the database. Turn it on, unless nothing here matters.`,
  });
}
