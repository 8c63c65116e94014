/**
 * The object store: where objects, their alarms and the recorded replies of idempotent calls are kept.
 *
 * A store is opened by one owner. Opening takes the right to write and keeps it until `close`, or until
 * somebody else takes it over; from then on every write is refused. Writes come in numbered batches, one
 * at a time: number n is accepted only after n-1. A batch that was sent before under the same number is
 * not applied again: the store answers as it did, or would have. So whoever does not know whether a batch
 * landed sends the same batch again, until the answer is known.
 *
 * Within a batch every object stands for itself: one whose `baseRevision` is not the stored revision is
 * reported as stale and left alone, and the others are applied. All parts of one object's write (state,
 * alarms, replies, SQL of the application) are applied, or none.
 *
 * An adapter is dumb: no cache, no retry, no telemetry. It passes `objectStoreSuite` of
 * `durable-object/testing`.
 */

import type { Address } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { SqlStatement } from "../core/sql-statement.ts";

/** An object as it is stored. */
export interface StoredObject {
  /** Raised by one with every commit of the object, its deletion included. */
  readonly revision: number;
  /** The state as JSON text; null if none was ever written, or the object was deleted. */
  readonly state: string | null;
  /** The version of the state's shape. */
  readonly stateVersion: number;
}

/** A new setting of an alarm. Its generation is the revision that sets it. */
export interface AlarmSetting {
  readonly change: "set";
  readonly name: string;
  /** When it is due, in ms since 1970. */
  readonly dueAt: number;
  /** JSON text, or null. */
  readonly payload: string | null;
  /** How it repeats and is retried, as JSON text; null for once, with the defaults. */
  readonly rule: string | null;
}

/** A change to one alarm of the object that is written. */
export type AlarmChange =
  | AlarmSetting
  | { readonly change: "cancel"; readonly name: string }
  /** It was handled and goes, unless it was set anew meanwhile: then its generation is another one. */
  | { readonly change: "acknowledge"; readonly name: string; readonly generation: number }
  /** It was started and not handled: it is due again at `dueAt`, or dead. Under the same condition. */
  | {
      readonly change: "attempted";
      readonly name: string;
      readonly generation: number;
      readonly dueAt: number;
      readonly attempts: number;
      readonly status: AlarmStatus;
      readonly lastError: string | null;
    }
  /** A dead alarm is due again at `dueAt`, with no attempts counted. */
  | { readonly change: "redrive"; readonly name: string; readonly dueAt: number };

/** Whether an alarm will fire, or has failed too often and waits for somebody to look. */
export type AlarmStatus = "set" | "dead";

/** The reply of a call that was made with an idempotency key. */
export interface RecordedReply {
  readonly key: string;
  /** Tells the same call from another one under the same key. */
  readonly fingerprint: string;
  /** The result as JSON text; `""` for `undefined`; null if it was too large to keep. */
  readonly result: string | null;
  /** When the record may be forgotten, in ms since 1970. */
  readonly expiresAt: number;
}

/** What one object asks to have written. */
export interface ObjectWrite {
  readonly address: Address;
  /** The revision this write is built on; 0 if nothing is stored. */
  readonly baseRevision: number;
  /** The new state as JSON text, or null to leave the stored one as it is. */
  readonly state: string | null;
  readonly stateVersion: number;
  /** Deletes the state, all alarms and all replies; the row stays as a tombstone. `state` is null. */
  readonly deleted: boolean;
  /** Whether all alarms go before `alarms` is applied. */
  readonly cancelAllAlarms: boolean;
  /** At most one change for each name. An alarm's generation is the revision that set it. */
  readonly alarms: readonly AlarmChange[];
  /** At most one for each key; a key that is recorded already stays as it is, unless it has expired. */
  readonly replies: readonly RecordedReply[];
  /**
   * The application's own SQL, executed in this order in the transaction of the batch, once it is clear that
   * this write is not stale; what the statements return is dropped. They are in the dialect of the database.
   * One that fails refuses the batch with the code `SQL_FAILED`. A store without SQL refuses any.
   */
  readonly statements: readonly SqlStatement[];
}

/** Writes of distinct objects that become durable together. */
export interface CommitBatch {
  /** One more than the batch before it. */
  readonly number: number;
  /** Wall-clock time of the batch in ms, for `created_at` and `updated_at`. */
  readonly at: number;
  readonly writes: readonly ObjectWrite[];
}

/** What became of a batch. */
export interface CommitResult {
  /** The indexes of the writes that were not applied because the stored revision was another one. */
  readonly stale: readonly number[];
}

/** Runs a statement in a transaction of the store; rows are objects, with the types that the driver gives them. */
export type RunSql = (
  text: string,
  values?: readonly unknown[],
) => Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[] }>;

/** What a commit has done to the alarms of one object. */
export interface CommittedAlarms {
  readonly address: Address;
  /** The alarms that were there, if all of them went before `changes`. */
  readonly gone: readonly string[];
  readonly changes: readonly AlarmChange[];
}

/** Writes besides what a commit writes, in its transaction: all of it becomes durable, or nothing. */
export type CommitCompanion = (run: RunSql, committed: readonly CommittedAlarms[]) => Promise<void>;

/** An alarm as it is stored. */
export interface StoredAlarm {
  readonly name: string;
  /** When it is to fire, in ms since 1970: when it was set for, or later after a failure. */
  readonly dueAt: number;
  /** When it was set for. */
  readonly scheduledAt: number;
  readonly generation: number;
  readonly payload: string | null;
  readonly rule: string | null;
  /** How often it was started and not handled. */
  readonly attempts: number;
  readonly status: AlarmStatus;
  /** What the last attempt failed with. */
  readonly lastError: string | null;
}

/** An alarm with the object it belongs to. */
export interface AddressedAlarm extends StoredAlarm {
  readonly address: Address;
  /** Whether it may have been running when an owner died. */
  readonly suspect: boolean;
}

/** Which due alarms to get: those of one type, the one that is due longest first. */
export interface DueAlarmsQuery {
  readonly type: string;
  /** Only this tenant's; null for all. */
  readonly tenant: string | null;
  /** Only alarms that are due at this time or before, in ms since 1970. */
  readonly dueBy: number;
  readonly limit: number;
}

/** Which dead alarms to get: those of one type and tenant, ordered by id and name. */
export interface DeadAlarmsQuery {
  readonly tenant: string;
  readonly type: string;
  /** Only alarms after this one; null for the first page. */
  readonly after: { readonly id: string; readonly name: string } | null;
  readonly limit: number;
}

/** Which objects to list: those of one tenant and type, in order of their ids. */
export interface ObjectListQuery {
  readonly tenant: string;
  readonly type: string;
  /** Only ids greater than this one, by their UTF-8 bytes; null for the first page. */
  readonly after: string | null;
  readonly limit: number;
}

/** An object in a list. Deleted objects are not listed. */
export interface ObjectListing {
  readonly id: string;
  readonly revision: number;
  /** In ms since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What the owner of a store is called, for the message that a second one gets. */
export interface StoreOpening {
  readonly environment: Environment;
  /** A unique name of the runtime that opens the store. */
  readonly node: string;
}

/** A store as the application configures it. */
export interface ObjectStore {
  /** For telemetry: `"memory"`, `"sqlite"`, … */
  readonly name: string;
  /**
   * Takes the right to write, and prepares the store (migrations included). Where the owner before did not
   * close it, every alarm that is set and due becomes a suspect: it may have been running, and may be what
   * its process died of. Being set or attempted clears it.
   *
   * @throws {@link StoreFailure} with a code that starts with `STORE_`
   */
  open(opening: StoreOpening): Promise<OpenObjectStore>;
}

/** A store that is open. Every method may throw {@link StoreFailure}, and nothing else on purpose. */
export interface OpenObjectStore {
  /** The number of the last batch that was applied under this ownership; the next one is one more. */
  readonly lastNumber: number;
  /**
   * Until when this owner may answer from memory, in ms of the environment's monotonic clock; `Infinity` where nobody
   * can take the store over as long as the process lives. What is committed needs no lease: the store refuses it.
   */
  readonly leaseUntilMs: number;
  /**
   * Lets a scheduler write in the transactions of commits that change alarms, where the store can do that. A commit whose companion
   * fails is not applied.
   */
  readonly companions?: { readonly schema: string; join(companion: CommitCompanion): void } | undefined;
  /** The stored objects, in the order of the addresses; null where nothing is stored. */
  load(addresses: readonly Address[]): Promise<readonly (StoredObject | null)[]>;
  commit(batch: CommitBatch): Promise<CommitResult>;
  /** The recorded reply of a call, or null if there is none or it expired before `now`. */
  findReply(address: Address, key: string, now: number): Promise<RecordedReply | null>;
  /** The alarms of one object, dead ones included, the next one first; names in order where times are equal. */
  listAlarms(address: Address): Promise<readonly StoredAlarm[]>;
  listObjects(query: ObjectListQuery): Promise<readonly ObjectListing[]>;
  /** Due alarms, without those that are dead. What it costs does not grow with the alarms that are not due. */
  dueAlarms(query: DueAlarmsQuery): Promise<readonly AddressedAlarm[]>;
  /** When the next alarm of these types is due after a time, in ms since 1970; null if none is. Costs as little. */
  nextDueAfter(types: readonly string[], after: number): Promise<number | null>;
  /** The tenants with an alarm of this type that is due by then. What it costs grows with the tenants. */
  dueTenants(type: string, dueBy: number): Promise<readonly string[]>;
  /** All types that have alarms that are set. What it costs grows with the types. */
  alarmTypes(): Promise<readonly string[]>;
  deadAlarms(query: DeadAlarmsQuery): Promise<readonly AddressedAlarm[]>;
  /**
   * Forgets at most `limit` replies that expired before `now` and at most `limit` tombstones that are
   * older than `tombstonesBefore`. Refused like a write when the right to write is gone.
   *
   * @returns how many records were forgotten
   */
  sweep(sweep: { readonly now: number; readonly tombstonesBefore: number; readonly limit: number }): Promise<number>;
  /** Gives the right to write away. Further calls fail. */
  close(): Promise<void>;
  /**
   * Ends as the death of the process would, for tests: lets go of everything and tells the store nothing, so that
   * the next owner finds it as a dead one leaves it.
   */
  abandon(): Promise<void>;
}

/**
 * What to do about a failure.
 *
 * - `refused`: this batch cannot be stored as it is; nothing of it was applied. Split it, and it is clear
 *   which object is at fault.
 * - `full`: there is no room; nothing was applied. The same may work later.
 * - `retry`: it may or may not have been applied, or will work in a moment. Send the same again.
 * - `lost`: the right to write is gone, or the store is damaged. Nothing more can be written.
 */
export type StoreFailureKind = "refused" | "full" | "retry" | "lost";

/** A failure of a store. */
export class StoreFailure extends Error {
  readonly kind: StoreFailureKind;
  readonly code: ErrorCode;
  /** With `lost`: whether the batch that met the failure may have been applied. */
  readonly maybeApplied: boolean;
  /** With `refused`: the index of the write at fault, if that is known; the writes before it are not at fault. */
  readonly write: number | null;

  constructor(
    kind: StoreFailureKind,
    code: ErrorCode,
    message: string,
    details: { readonly cause?: unknown; readonly maybeApplied?: boolean; readonly write?: number | null } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "StoreFailure";
    this.kind = kind;
    this.code = code;
    this.maybeApplied = details.maybeApplied ?? false;
    this.write = details.write ?? null;
  }
}
