/**
 * The application: objects, and a runtime that is one node of a cluster. Nothing else in this folder is needed to
 * use a cluster; the rest starts processes, kills them and shows what happens.
 */

import { cluster, createRuntime, defineObject, read, reply, type Runtime } from "durable-object";
import { nats } from "durable-object/nats";
import { peers } from "durable-object/peers";
import { postgres } from "durable-object/postgres";

/** A number that only grows: a lost write and one that was applied twice both show. */
export const Counter = defineObject({
  type: "counter",
  state: { count: 0 },
  handlers: {
    increment: ({ state }) => reply(state.count + 1, { count: state.count + 1 }),
    count: read(({ state }) => reply(state.count)),
  },
});

/** The tables are in a schema of their own, beside whatever else the database is for. */
export const schema = "durable_object_cluster_example";

/** What one node is told. */
export interface NodeOptions {
  readonly name: string;
  /** The URL of the database that all nodes share. */
  readonly database: string;
  /** The NATS servers; null if the nodes talk to each other directly. */
  readonly servers: string | null;
  /** How long a node may be silent before others take what it owns, in ms. */
  readonly leaseMs: number;
}

/** Starts one node. Every process of a cluster does the same. */
export async function startNode({ name, database, servers, leaseMs }: NodeOptions): Promise<Runtime> {
  return await createRuntime({
    objects: [Counter],
    store: postgres(database, { schema }),
    cluster: cluster({
      name,
      lease: leaseMs,
      transport: servers === null ? peers() : nats({ servers, namespace: "cluster-example" }),
    }),
  });
}
