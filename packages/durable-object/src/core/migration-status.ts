/** Migrations as the code has them, against those that a database says were applied. */

/** A migration that this code knows. */
interface KnownMigration {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
}

/** A migration as the database records it. */
export interface AppliedMigration extends KnownMigration {
  /** In ms since 1970. */
  readonly appliedAt: number;
}

/** A migration with what became of it; see `MigrationStatus` of the port. */
interface ComparedMigration {
  readonly version: number;
  readonly name: string;
  readonly appliedAt: number | null;
  readonly state: "applied" | "missing" | "newer" | "changed";
}

/** All that are known or applied, in order. */
export function compareMigrations(
  known: readonly KnownMigration[],
  applied: readonly AppliedMigration[],
): readonly ComparedMigration[] {
  const found = new Map(applied.map((migration) => [migration.version, migration]));
  const newer = applied.filter(({ version }) => !known.some((migration) => migration.version === version));
  return [
    ...known.map(({ version, name, checksum }): ComparedMigration => {
      const match = found.get(version);
      if (match === undefined) return { version, name, appliedAt: null, state: "missing" };
      return { version, name, appliedAt: match.appliedAt, state: match.checksum === checksum ? "applied" : "changed" };
    }),
    ...newer.map(({ version, name, appliedAt }): ComparedMigration => ({ version, name, appliedAt, state: "newer" })),
  ].toSorted((a, b) => a.version - b.version);
}

/**
 * Those after a version, up to another one.
 *
 * @param to - null for the newest
 * @throws RangeError for versions that there are not
 */
export function migrationsBetween<Migration>(
  known: readonly Migration[],
  from: number,
  to: number | null,
): readonly Migration[] {
  const last = to ?? known.length;
  for (const version of [from, last]) {
    if (!Number.isInteger(version) || version < 0 || version > known.length) {
      throw new RangeError(`There is no version ${version} of the tables; there are 0 to ${known.length}.`);
    }
  }
  if (from > last) throw new RangeError(`Tables go forward only, and ${last} is before ${from}.`);
  return known.slice(from, last);
}
