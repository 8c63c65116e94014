/**
 * One case of the suite of object stores, and what every case works with: a store that numbers its
 * batches, and writes that say only what matters.
 */

import assert from "node:assert/strict";
import type { Address } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import type {
  CommitBatch,
  ObjectStore,
  ObjectWrite,
  OpenObjectStore,
  StoredAlarm,
  StoredObject,
  StoreFailureKind,
} from "../ports/object-store.ts";
import { systemEnvironment } from "../runtime/system-environment.ts";

/** A store under test, and what can be done to it. */
export interface ObjectStoreSubject {
  readonly store: ObjectStore;
  /** A store on the same data, which the first one has given up; absent if the data end with the store. */
  reopen?(): ObjectStore;
  /** Takes the right to write away from whoever has it, as another owner would; absent if impossible. */
  takeOver?(): Promise<void>;
  /**
   * The database of the store, for its cases of the application's own SQL: executes one statement on a
   * connection of its own, and returns the rows. Absent if the store has no SQL.
   */
  query?(text: string): Promise<readonly object[]>;
  /** Removes everything. The store was closed before. */
  dispose(): Promise<void>;
}

/** A rule of the port, and how it is checked. */
export interface ObjectStoreCase {
  readonly name: string;
  run(tested: TestedStore): Promise<void>;
}

/** An object's address; the type is `counter` and the tenant the default one unless said otherwise. */
export function address(id: string, type = "counter", tenant = ""): Address {
  return { tenant, type, id };
}

/** A write; what is not given is empty, built on nothing, and `{}` as the state. */
export function write(id: string | Address, parts: Partial<ObjectWrite> = {}): ObjectWrite {
  return {
    address: typeof id === "string" ? address(id) : id,
    baseRevision: 0,
    state: parts.deleted === true ? null : "{}",
    stateVersion: 1,
    deleted: false,
    cancelAllAlarms: false,
    alarms: [],
    replies: [],
    statements: [],
    ...parts,
  };
}

/** An alarm as it is stored; what is not given is as in a fresh setting. */
export function storedAlarm(
  parts: Partial<StoredAlarm> & Pick<StoredAlarm, "name" | "dueAt" | "generation">,
): StoredAlarm {
  const { dueAt } = parts;
  const fresh = { payload: null, rule: null, attempts: 0, status: "set", lastError: null } as const;
  return { scheduledAt: dueAt, ...fresh, ...parts };
}

/** The time of batches that do not give one, in ms since 1970. */
export const someTime = 1_760_000_000_000;

/** A subject with its open stores. */
export class TestedStore {
  readonly subject: ObjectStoreSubject;
  readonly environment: Environment = systemEnvironment;
  readonly #opened: OpenObjectStore[] = [];

  constructor(subject: ObjectStoreSubject) {
    this.subject = subject;
  }

  async open(store: ObjectStore = this.subject.store): Promise<NumberedStore> {
    const opened = await store.open({ environment: this.environment, node: this.environment.uniqueId() });
    this.#opened.push(opened);
    return new NumberedStore(opened);
  }

  /** Closes everything that a case has opened, whatever became of it. */
  async closeAll(): Promise<void> {
    for (const opened of this.#opened) await opened.close();
  }
}

/** An open store that gives its batches their numbers. */
export class NumberedStore {
  readonly store: OpenObjectStore;

  constructor(store: OpenObjectStore) {
    this.store = store;
  }

  /** The next batch with these writes. */
  batch(writes: readonly ObjectWrite[], at = someTime): CommitBatch {
    return { number: this.store.lastNumber + 1, at, writes };
  }

  /** Commits these writes as the next batch. Returns the indexes that were stale. */
  async commit(writes: readonly ObjectWrite[], at = someTime): Promise<readonly number[]> {
    const { stale } = await this.store.commit(this.batch(writes, at));
    return [...stale];
  }

  /** Commits these writes as the next batch; none of them may be stale. */
  async apply(...writes: readonly ObjectWrite[]): Promise<void> {
    assert.deepEqual(await this.commit(writes), [], "no write is stale");
  }

  async load(id: string | Address): Promise<StoredObject | null> {
    const [stored] = await this.store.load([typeof id === "string" ? address(id) : id]);
    assert.notEqual(stored, undefined, "load answers every address");
    return stored ?? null;
  }

  /** Checks what is stored; null: nothing. */
  async assertStored(id: string | Address, expected: StoredObject | null): Promise<void> {
    assert.deepEqual(parsed(await this.load(id)), parsed(expected));
  }
}

/**
 * What is stored, with the state as a value: a database may keep JSON in a form of its own (`jsonb` orders
 * the keys). Also without the prototype, which the rows of some drivers lack.
 */
function parsed(stored: StoredObject | null): unknown {
  if (stored === null) return null;
  const state: unknown = stored.state === null ? undefined : JSON.parse(stored.state);
  return { ...stored, state };
}

/** Checks that something fails as the port says, and returns the failure. */
export async function assertFails(promise: Promise<unknown>, kind: StoreFailureKind, code?: string): Promise<void> {
  const failure = await promise.then(
    () => assert.fail(`expected a StoreFailure of the kind "${kind}", but nothing was thrown`),
    (error: unknown) => error as { name?: unknown; kind?: unknown; code?: unknown; message?: unknown },
  );
  assert.equal(
    failure.name,
    "StoreFailure",
    `expected a StoreFailure, not ${String(failure.name)}: ${String(failure.message)}`,
  );
  assert.equal(failure.kind, kind);
  if (code !== undefined) assert.equal(failure.code, code);
}
