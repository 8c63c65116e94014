/** `migrations`: what was applied; and the SQL, for those who apply it with a tool of their own. */

import { Option, type Command } from "commander";
import { resolve } from "node:path";
import type { InspectableStore, MigrationStatus } from "../ports/store-inspector.ts";
import { findInspectable, withStoreOptions, type WhichStore } from "./configuration.ts";
import { exitCodes } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { inspecting } from "./inspection.ts";
import { highestGenerated, migrationText, writeMigration } from "./migration-files.ts";
import { wholeNumber } from "./option-value.ts";
import type { Shell } from "./shell.ts";
import { table, timeText } from "./table.ts";

interface SqlOptions extends WhichStore {
  readonly from: number;
  readonly to?: number;
  readonly transaction: boolean;
}

interface NewOptions extends WhichStore {
  readonly dir: string;
  readonly transaction: boolean;
}

export function addMigrations(program: Command, shell: Shell): void {
  const migrations = program.command("migrations").description("the versions of the tables, and their SQL");
  const withoutTransaction = [
    "--no-transaction",
    "leave BEGIN and COMMIT out, for a tool that begins by itself",
  ] as const;

  const status = migrations
    .command("status")
    .description("which versions were applied, and when; exit code 1 unless it is exactly those of this package")
    .action(async (which: WhichStore) => await showStatus(shell, which));
  const sql = migrations
    .command("sql")
    .description("print the SQL of the tables; the database is not asked")
    .option("--from <version>", "the version that is there", wholeNumber, 0)
    .option("--to <version>", "the version to get to (default: the newest)", wholeNumber)
    .option(...withoutTransaction)
    .action(async (options: SqlOptions) => await printSql(shell, options));
  const add = migrations
    .command("new")
    .description("write a migration for a tool of your own: from what was written before to the newest version")
    .option("--dir <directory>", "where your migrations are", "migrations")
    .option(...withoutTransaction)
    .addOption(new Option("--format <format>", "of the file").choices(["sql"]).default("sql"))
    .action(async (options: NewOptions) => await writeNew(shell, options));
  for (const command of [status, sql, add]) withStoreOptions(command);
}

async function showStatus(shell: Shell, which: WhichStore): Promise<void> {
  await inspecting(shell, which, async (inspector) => {
    const migrations = await inspector.migrations();
    if (migrations.some(({ state }) => state !== "applied")) shell.exitCode = exitCodes.found;
    const shown = migrations.map(({ appliedAt, ...migration }) => ({
      ...migration,
      appliedAt: appliedAt === null ? null : timeText(appliedAt),
    }));
    shell.result({ location: inspector.location, migrations: shown }, () => {
      const rows = shown.map(({ version, state, appliedAt, name }) => [`${version}`, state, appliedAt ?? "-", name]);
      const all = `${inspector.location}\n${table(["VERSION", "STATE", "APPLIED", "NAME"], rows)}`;
      const advice = adviceFor(migrations);
      return advice === null ? all : `${all}\n${advice}`;
    });
  });
}

/** What to do about tables that are not those of this package; null if they are. */
function adviceFor(migrations: readonly MigrationStatus[]): string | null {
  const states = new Set(migrations.map(({ state }) => state));
  if (states.has("newer")) return "A newer version of durable-object made these tables: update the package.";
  if (states.has("changed")) return "These tables were made by something else. Nothing here will touch them.";
  return states.has("missing") ? "Run `npx durable-object migrate`, or start the application." : null;
}

async function printSql(shell: Shell, { from, to, transaction, ...which }: SqlOptions): Promise<void> {
  const store = await findInspectable(shell, which);
  const sql = sqlOf(store, from, to ?? null, transaction);
  shell.result({ from, to: to ?? store.tablesVersion, sql }, () => sql.trimEnd());
}

async function writeNew(shell: Shell, { dir, transaction, ...which }: NewOptions): Promise<void> {
  const directory = resolve(shell.surroundings.cwd, dir);
  const store = await findInspectable(shell, which);
  const from = highestGenerated(directory);
  const to = store.tablesVersion;
  if (from > to) {
    throw new CommandFailure(
      exitCodes.found,
      "STORE_TOO_NEW",
      `The migrations in ${directory} go to version ${from}, and this package knows ${to}: update the package.`,
    );
  }
  if (from === to) {
    shell.result({ file: null, from, to }, () => `The migrations in ${directory} are up to date: version ${to}.`);
    return;
  }
  const file = writeMigration(directory, from, to, migrationText(from, to, sqlOf(store, from, to, transaction)));
  shell.result({ file, from, to }, () => `Wrote ${file}: from version ${from} to ${to}.`);
}

/** @throws {@link CommandFailure} for versions that there are not */
function sqlOf(store: InspectableStore, from: number, to: number | null, transaction: boolean): string {
  try {
    const sql = store.migrationSql(from, to);
    return transaction ? sql : sql.replaceAll(/^(?:BEGIN(?: IMMEDIATE)?|COMMIT);\n+/gm, "");
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new CommandFailure(exitCodes.usage, "INVALID_VERSION", error.message, error);
  }
}
