/**
 * Which application and which store a command is about.
 *
 * `durable-object.config.ts` (or `.mts`, `.js`, `.mjs`) exports what the application gives to `createRuntime`, by
 * default: `{ objects, store, … }`. So there is one place that says it, and the application imports the same file.
 * `--store` (a path or a PostgreSQL URL) or `DATABASE_URL` stand in where there is no such file.
 */

import type { Command } from "commander";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { messageOf } from "../core/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { InspectableStore, StoreInspector } from "../ports/store-inspector.ts";
import type { RuntimeOptions } from "../runtime/options.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import type { Shell } from "./shell.ts";

/** The options that say it, the same for every command that needs it. */
export interface WhichStore {
  readonly config?: string;
  readonly store?: string;
  /** Of PostgreSQL: where the tables are. */
  readonly schema?: string;
}

/** Adds the options that say which store. */
export function withStoreOptions(command: Command): Command {
  return command
    .option("--config <file>", "the configuration file (default: durable-object.config.ts)")
    .option("--store <place>", "the store: a SQLite file or a PostgreSQL URL")
    .option("--schema <name>", "the schema of the tables, with a PostgreSQL URL");
}

/** The files that may be the configuration; the first one that is there is it. */
export const configurationNames: readonly string[] = ["ts", "mts", "js", "mjs"].map(
  (extension) => `durable-object.config.${extension}`,
);

/** What the configuration file exports; null if there is no such file and none was named. */
export async function findConfiguration(shell: Shell, { config }: WhichStore): Promise<RuntimeOptions | null> {
  const { cwd } = shell.surroundings;
  const file =
    config === undefined
      ? configurationNames.map((name) => join(cwd, name)).find((path) => existsSync(path))
      : resolve(cwd, config);
  if (file === undefined) return null;
  if (!existsSync(file)) throw new CommandFailure(exitCodes.usage, "NO_CONFIGURATION", `There is no file ${file}.`);
  let exported: Partial<RuntimeOptions> | undefined;
  try {
    exported = ((await import(pathToFileURL(file).href)) as { default?: Partial<RuntimeOptions> }).default;
  } catch (error) {
    throw new CommandFailure(
      exitCodes.usage,
      "INVALID_CONFIGURATION",
      `${file} could not be loaded: ${messageOf(error)}`,
      error,
    );
  }
  if (!Array.isArray(exported?.objects) || typeof exported.store?.open !== "function") {
    throw new CommandFailure(
      exitCodes.usage,
      "INVALID_CONFIGURATION",
      `${file} must export by default what createRuntime takes: { objects: [Counter], store: sqlite("app.db") }.`,
    );
  }
  return exported as RuntimeOptions;
}

/**
 * The application: its definitions and its store.
 *
 * @throws {@link CommandFailure} if there is no configuration file
 */
export async function loadApplication(shell: Shell, which: WhichStore): Promise<RuntimeOptions> {
  const found = await findConfiguration(shell, which);
  if (found === null) {
    throw new CommandFailure(
      exitCodes.usage,
      "NO_CONFIGURATION",
      `There is no durable-object.config.ts here, and this needs the definitions of your objects. ` +
        `Run \`npx durable-object init\`, or name the file with --config.`,
    );
  }
  return which.store === undefined && which.schema === undefined
    ? found
    : { ...found, store: await findStore(shell, which) };
}

/** The store, with or without an application. */
export async function findStore(shell: Shell, which: WhichStore): Promise<ObjectStore> {
  if (which.store !== undefined) return await storeAt(shell, which.store, which.schema);
  const found = await findConfiguration(shell, which);
  if (found !== null) {
    refuseSchema(which.schema);
    return found.store;
  }
  const url = shell.surroundings.env["DATABASE_URL"];
  if (url !== undefined && url !== "") return await storeAt(shell, url, which.schema);
  throw new CommandFailure(
    exitCodes.usage,
    "NO_STORE",
    `Which store? There is no durable-object.config.ts here. Name one with --store app.db or --store postgres://…, or set DATABASE_URL.`,
  );
}

/** A store that can be looked at. Nothing is opened. */
export async function findInspectable(shell: Shell, which: WhichStore): Promise<ObjectStore & InspectableStore> {
  const store = await findStore(shell, which);
  if (typeof (store as Partial<InspectableStore>).inspect !== "function") {
    throw new CommandFailure(
      exitCodes.usage,
      "NOT_INSPECTABLE",
      `A store of ${store.name}() cannot be looked at from another process.`,
    );
  }
  return store as ObjectStore & InspectableStore;
}

/** A store, looked at. */
export async function openInspector(shell: Shell, which: WhichStore): Promise<StoreInspector> {
  return await (await findInspectable(shell, which)).inspect();
}

/** Whoever names a schema should not be shown another one. */
function refuseSchema(schema: string | undefined): void {
  if (schema === undefined) return;
  const message = "--schema goes with the URL of a PostgreSQL database: --store postgres://…, or DATABASE_URL.";
  throw new CommandFailure(exitCodes.usage, "INVALID_OPTION", message);
}

async function storeAt({ surroundings }: Shell, place: string, schema: string | undefined): Promise<ObjectStore> {
  if (/^postgres(?:ql)?:\/\//.test(place)) {
    const { postgres } = await import("../postgres/index.ts");
    return postgres(place, schema === undefined ? {} : { schema });
  }
  refuseSchema(schema);
  const { sqlite } = await import("../sqlite/index.ts");
  return sqlite(resolve(surroundings.cwd, place));
}
