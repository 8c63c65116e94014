/** The store of a cluster as one simulated process uses it: over a line that is not to be trusted. */

import { StoreFailure, type ObjectStore, type OpenObjectStore } from "../ports/object-store.ts";
import type { JoinedStore, Joining, OpenOwnershipStore, OwnershipStore } from "../ports/ownership-store.ts";
import type { SimulatedClusterDatabase } from "./simulated-cluster-database.ts";
import { Unanswered, type SimulatedLine } from "./simulated-line.ts";

const requestTimeoutMs = 1_500;

/** Has something asked of the database. */
type Ask = <Answer>(execute: () => Promise<Answer>) => Promise<Answer>;

/**
 * The store as a process uses it.
 *
 * @param line - to the database
 * @param single - one on which nothing arrives twice, cut together with the other
 */
export function clusterStoreOver(
  database: SimulatedClusterDatabase,
  line: SimulatedLine,
  single: SimulatedLine,
): ObjectStore & OwnershipStore {
  const over =
    (which: SimulatedLine): Ask =>
    async (execute) => {
      const { server } = database;
      try {
        return await which.request(() => database.serve(server, execute), requestTimeoutMs);
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error;
        throw new StoreFailure("retry", "STORE_UNAVAILABLE", error.message, { cause: error });
      }
    };
  return {
    name: "simulated",
    open: () => Promise.reject(new Error("a store of a cluster is joined")),
    async join(joining) {
      // Whoever joins again does so under another name: what asks to join is sent once.
      await over(single)(() => database.join(joining));
      return joined(database, joining, over(line));
    },
  };
}

function joined(database: SimulatedClusterDatabase, { node }: Joining, ask: Ask): JoinedStore {
  let isClosed = false;
  let batchNumber = 0;
  let changeNumber = 0;
  const askOpen: Ask = async (execute) => {
    if (isClosed) throw new StoreFailure("lost", "STORE_TAKEN_OVER", `The store was closed by ${node}.`);
    return await ask(execute);
  };
  const read = <Answer>(what: (opened: OpenObjectStore) => Promise<Answer>): Promise<Answer> =>
    askOpen(async () => what(database.member(node).objects));
  const own = <Answer>(what: (ownership: OpenOwnershipStore) => Promise<Answer>): Promise<Answer> =>
    ask(async () => what(database.member(node).ownership));
  return {
    objects: {
      get lastNumber() {
        return batchNumber;
      },
      leaseUntilMs: Infinity,
      async commit(batch) {
        const result = await askOpen(() => database.commit(node, batch));
        batchNumber = batch.number;
        return result;
      },
      load: (addresses) => read((opened) => opened.load(addresses)),
      findReply: (address, key, now) => read((opened) => opened.findReply(address, key, now)),
      listAlarms: (address) => read((opened) => opened.listAlarms(address)),
      listObjects: (query) => read((opened) => opened.listObjects(query)),
      dueAlarms: (query) => read((opened) => opened.dueAlarms(query)),
      nextDueAfter: (types, after) => read((opened) => opened.nextDueAfter(types, after)),
      dueTenants: (type, dueBy) => read((opened) => opened.dueTenants(type, dueBy)),
      alarmTypes: () => read((opened) => opened.alarmTypes()),
      deadAlarms: (query) => read((opened) => opened.deadAlarms(query)),
      sweep: (sweep) => askOpen(() => database.sweep(node, sweep)),
      async close() {
        isClosed = true;
      },
      async abandon() {
        isClosed = true;
      },
    },
    ownership: {
      get lastNumber() {
        return changeNumber;
      },
      beat: () => ask(() => database.beat(node)),
      nodes: () => own((ownership) => ownership.nodes()),
      slots: () => own((ownership) => ownership.slots()),
      async change(number, change) {
        await ask(() => database.change(node, number, change));
        changeNumber = number;
      },
      leave: () => ask(() => database.leave(node)),
    },
  };
}
