/**
 * A store that tells when it is lost: any call that finds the right to write gone, or the store damaged,
 * ends the node, and not only the call. A commit is left out: the committer knows best what became of it.
 */

import { StoreFailure, type OpenObjectStore } from "../ports/object-store.ts";

/** Wraps an open store; `onLost` may be called more than once. */
export function watchStore(store: OpenObjectStore, onLost: (failure: StoreFailure) => void): OpenObjectStore {
  const watch = async <Result>(operation: Promise<Result>): Promise<Result> => {
    try {
      return await operation;
    } catch (error) {
      if (error instanceof StoreFailure && error.kind === "lost") onLost(error);
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
    commit: (batch) => store.commit(batch),
    load: (addresses) => watch(store.load(addresses)),
    findReply: (address, key, now) => watch(store.findReply(address, key, now)),
    listAlarms: (address) => watch(store.listAlarms(address)),
    dueAlarms: (query) => watch(store.dueAlarms(query)),
    nextDueAfter: (types, after) => watch(store.nextDueAfter(types, after)),
    dueTenants: (type, dueBy) => watch(store.dueTenants(type, dueBy)),
    alarmTypes: () => watch(store.alarmTypes()),
    deadAlarms: (query) => watch(store.deadAlarms(query)),
    listObjects: (query) => watch(store.listObjects(query)),
    sweep: (sweep) => watch(store.sweep(sweep)),
    close: () => store.close(),
    abandon: () => store.abandon(),
  };
}
