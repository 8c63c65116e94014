/**
 * A store that tells what it does: every load, save and deletion of an object is an event, whichever
 * adapter does it. A batch that is sent again is told again.
 */

import type { Address } from "../core/address.ts";
import type { Environment } from "../core/environment.ts";
import { StoreFailure, type CommitBatch, type CommitResult, type OpenObjectStore } from "../ports/object-store.ts";
import {
  commits,
  deletes,
  loads,
  saves,
  type CommitContext,
  type OperationChannel,
  type StorageContext,
} from "./channels.ts";

interface Span {
  readonly channel: OperationChannel<StorageContext>;
  readonly context: StorageContext;
}

/**
 * Wraps an open store.
 *
 * @param storeName - what events call it: `"sqlite"`, …
 */
export function observeStore(store: OpenObjectStore, storeName: string, environment: Environment): OpenObjectStore {
  const begin = (channel: OperationChannel<StorageContext>, { tenant, type, id }: Address): Span => {
    const context: StorageContext = { store: storeName, tenant, type, id, systemTimeMs: environment.now() };
    channel.start(context);
    return { channel, context };
  };
  const observe = async <Result>(
    spans: readonly Span[],
    operation: Promise<Result>,
    staleOf: (result: Result) => readonly number[],
  ): Promise<Result> => {
    try {
      const result = await operation;
      const isStale = new Set(staleOf(result));
      for (const [index, { channel, context }] of spans.entries()) {
        if (isStale.has(index)) channel.fail(context, environment.now(), notWritten());
        else channel.stop(context, environment.now());
      }
      return result;
    } catch (error) {
      for (const { channel, context } of spans) channel.fail(context, environment.now(), error);
      throw error;
    }
  };
  const observeCommit = async (batch: CommitBatch, commit: () => Promise<CommitResult>): Promise<CommitResult> => {
    const { number, writes } = batch;
    const context: CommitContext = {
      store: storeName,
      number,
      objects: writes.length,
      systemTimeMs: environment.now(),
    };
    commits.start(context);
    try {
      const result = await commit();
      context.stale = result.stale.length;
      commits.stop(context, environment.now());
      return result;
    } catch (error) {
      commits.fail(context, environment.now(), error);
      throw error;
    }
  };
  return {
    get lastNumber() {
      return store.lastNumber;
    },
    get leaseUntilMs() {
      return store.leaseUntilMs;
    },
    companions: store.companions,
    load(addresses) {
      if (!loads.isHeard) return store.load(addresses);
      const spans = addresses.map((address) => begin(loads, address));
      return observe(spans, store.load(addresses), () => []);
    },
    commit(batch) {
      const result = (): Promise<CommitResult> => {
        if (!saves.isHeard && !deletes.isHeard) return store.commit(batch);
        const spans = batch.writes.map(({ address, deleted }) => begin(deleted ? deletes : saves, address));
        return observe(spans, store.commit(batch), ({ stale }) => stale);
      };
      return commits.isHeard ? observeCommit(batch, result) : result();
    },
    findReply: (address, key, now) => store.findReply(address, key, now),
    listAlarms: (address) => store.listAlarms(address),
    dueAlarms: (query) => store.dueAlarms(query),
    nextDueAfter: (types, after) => store.nextDueAfter(types, after),
    dueTenants: (type, dueBy) => store.dueTenants(type, dueBy),
    alarmTypes: () => store.alarmTypes(),
    deadAlarms: (query) => store.deadAlarms(query),
    listObjects: (query) => store.listObjects(query),
    sweep: (sweep) => store.sweep(sweep),
    close: () => store.close(),
    abandon: () => store.abandon(),
  };
}

/** A write that was not done: the batch as a whole is no failure. */
function notWritten(): StoreFailure {
  return new StoreFailure(
    "refused",
    "STALE_REVISION",
    "another revision is stored than the one that this was built on.",
  );
}
