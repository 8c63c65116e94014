/**
 * Looking at a store from outside, without the right to write: what the command line reads, beside an application
 * that runs. An inspector never takes ownership, never creates anything unless `migrate` is called, and sees what is
 * committed.
 *
 * A store that can be looked at has `inspect`. It resolves also where there are no tables yet, which is an empty store;
 * where they are older, which are read as they are; and where they are newer or not ours, of which `migrations` and
 * `diagnose` tell, and everything else is refused.
 */

import type { Address } from "../core/address.ts";
import type { AddressedAlarm, AlarmStatus } from "./object-store.ts";

/** A store that can be looked at. */
export interface InspectableStore {
  /** The version of the tables that this code works with; the number of its migrations. */
  readonly tablesVersion: number;
  /**
   * The SQL of all migrations after a version, up to another one, as a text that can be run as it is: in one
   * transaction, with what records them. Nothing is asked of the database.
   *
   * @param from - 0 for an empty database; at most `to`
   * @param to - null for the newest
   * @throws RangeError for versions that there are not
   */
  migrationSql(from: number, to: number | null): string;
  /** @throws {@link StoreFailure} if the database cannot be reached, or is not one of ours */
  inspect(): Promise<StoreInspector>;
}

/** An object with all that is stored of it. Deleted objects are not shown. */
export interface InspectedObject {
  readonly address: Address;
  /** JSON text; null if only alarms or replies were ever written. */
  readonly state: string | null;
  readonly stateVersion: number;
  readonly revision: number;
  /** In ms since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Which objects to show: in the order of tenant, type and id, by their UTF-8 bytes. */
export interface InspectedObjectsQuery {
  /** null for all. */
  readonly tenant: string | null;
  readonly type: string | null;
  /** Only objects after this one; null for the first page. */
  readonly after: Address | null;
  readonly limit: number;
}

/** Which alarms to show: in the order of tenant, type, id and name. */
export interface InspectedAlarmsQuery {
  readonly tenant: string | null;
  readonly type: string | null;
  readonly id: string | null;
  readonly status: AlarmStatus | null;
  readonly after: (Address & { readonly name: string }) | null;
  readonly limit: number;
}

/** How much there is of one type in one tenant. */
export interface TypeCount {
  readonly tenant: string;
  readonly type: string;
  readonly objects: number;
  readonly alarms: number;
  /** Of the alarms. */
  readonly dead: number;
}

/** A process that has the right to write, or had it and has not given it away. */
export interface StoreOwner {
  readonly node: string;
  readonly host: string;
  readonly pid: number;
  readonly command: string;
  /** In ms since 1970. */
  readonly since: number;
  /** Whether it is the only one, or a node of a cluster. */
  readonly sole: boolean;
  /** Whether it is there, as far as can be seen from here. */
  readonly alive: boolean;
}

/** A migration, applied or not. */
export interface MigrationStatus {
  readonly version: number;
  readonly name: string;
  /** In ms since 1970; null if it is still to be applied. */
  readonly appliedAt: number | null;
  /**
   * `"missing"` is still to be applied; `"newer"` was applied by a version of durable-object after this one, and
   * `"changed"` by none of its versions. Where there is one of the last two, everything else is refused.
   */
  readonly state: "applied" | "missing" | "newer" | "changed";
}

/** Something `doctor` found. */
export interface StoreFinding {
  /** A stable name, such as `clock-skew`. */
  readonly check: string;
  readonly level: "ok" | "warning" | "error";
  /** What was found. */
  readonly message: string;
  /** What to do about it; null if there is nothing to do. */
  readonly advice: string | null;
}

/** A store that is looked at. Every method may throw {@link StoreFailure}, and nothing else on purpose. */
export interface StoreInspector {
  /** Where it is, for people: a path, or a URL without its password. */
  readonly location: string;
  /** All migrations that this code knows or that were applied, in order; of a newer version, too. */
  migrations(): Promise<readonly MigrationStatus[]>;
  /** Applies what is missing, under the lock of the store; the versions before and after. */
  migrate(): Promise<{ readonly from: number; readonly to: number }>;
  counts(): Promise<readonly TypeCount[]>;
  objects(query: InspectedObjectsQuery): Promise<readonly InspectedObject[]>;
  /** One object, or null. */
  object(address: Address): Promise<InspectedObject | null>;
  alarms(query: InspectedAlarmsQuery): Promise<readonly AddressedAlarm[]>;
  owners(): Promise<readonly StoreOwner[]>;
  /** The checks of this kind of store: driver, connection, version, clocks, pooler, settings. Never throws. */
  diagnose(): Promise<readonly StoreFinding[]>;
  close(): Promise<void>;
}
