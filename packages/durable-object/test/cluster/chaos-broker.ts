/** The message broker of a cluster under test. */

import type { ClusterBroker } from "../support/cluster-processes.ts";

/** Starts a broker. */
export async function startBroker(): Promise<ClusterBroker> {
  throw new Error("there is no message broker yet: use --transport none");
}
