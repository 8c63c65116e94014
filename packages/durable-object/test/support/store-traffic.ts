/**
 * Requests that are on their way to a database. A request to a file or to memory is answered before anything
 * else happens; one to a server takes real time. A test whose time stands still, or that wants everything to
 * have happened that needs no time, waits for them.
 */

import type { ObjectStore, OpenObjectStore, StoreOpening } from "../../src/ports/object-store.ts";

let begun = 0;
const underWay = new Set<Promise<unknown>>();

/** How many requests there have been. */
export function requestsBegun(): number {
  return begun;
}

/** Resolves when no request is on its way. */
export async function requestsAnswered(): Promise<void> {
  while (underWay.size > 0) await Promise.allSettled(underWay);
}

/** A store whose requests are waited for. */
export function withTraffic(store: ObjectStore): ObjectStore {
  return {
    name: store.name,
    open: (opening: StoreOpening) => told(async () => openWithTraffic(await store.open(opening))),
  };
}

function openWithTraffic(store: OpenObjectStore): OpenObjectStore {
  return {
    get lastNumber() {
      return store.lastNumber;
    },
    get leaseUntilMs() {
      return store.leaseUntilMs;
    },
    load: (addresses) => told(() => store.load(addresses)),
    commit: (batch) => told(() => store.commit(batch)),
    findReply: (address, key, now) => told(() => store.findReply(address, key, now)),
    listAlarms: (address) => told(() => store.listAlarms(address)),
    listObjects: (query) => told(() => store.listObjects(query)),
    dueAlarms: (query) => told(() => store.dueAlarms(query)),
    nextDueAfter: (types, after) => told(() => store.nextDueAfter(types, after)),
    dueTenants: (type, dueBy) => told(() => store.dueTenants(type, dueBy)),
    alarmTypes: () => told(() => store.alarmTypes()),
    deadAlarms: (query) => told(() => store.deadAlarms(query)),
    sweep: (sweep) => told(() => store.sweep(sweep)),
    close: () => told(() => store.close()),
    abandon: () => told(() => store.abandon()),
  };
}

async function told<Result>(request: () => Promise<Result>): Promise<Result> {
  begun += 1;
  const answered = request();
  underWay.add(answered);
  try {
    return await answered;
  } finally {
    underWay.delete(answered);
  }
}
