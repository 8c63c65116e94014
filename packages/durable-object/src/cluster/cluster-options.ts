/** The options of a cluster: checked once, and resolved into one value. */

import { hostname } from "node:os";
import { parseDuration, type Duration } from "../core/duration.ts";
import { DurableObjectError } from "../core/errors.ts";
import type { Transport } from "../ports/transport.ts";

const defaultLeaseMs = 10_000;
const shortestLeaseMs = 1_000;

/** How a process takes part in a cluster. */
export interface ClusterOptions {
  /** Carries calls between nodes: `nats({ servers })` or `peers({ … })`. */
  readonly transport: Transport;
  /** What this node is called, for people; its full name is unique for every start. Default: the name of the host. */
  readonly name?: string;
  /**
   * How long a node may be silent before others take what it owns. The same on every node. A shorter one means less
   * time without service after a crash, and more nodes taken for dead in bad moments. Default `"10s"`, at least `"1s"`.
   */
  readonly lease?: Duration;
}

const optionNames: ReadonlySet<string> = new Set<keyof ClusterOptions>(["transport", "name", "lease"]);

/** A cluster, as `createRuntime` takes it. */
export interface Cluster {
  readonly transport: Transport;
  readonly name: string;
  readonly leaseMs: number;
  /**
   * Whether this process only has the others do something, and owns nothing: it joins as a node that is about to leave,
   * which gets no slots. For tools; nobody answers a guest where there is no other node.
   */
  readonly isGuest?: boolean;
}

/**
 * Has a runtime share its store with others: each process owns a part of the objects, and takes calls for all.
 *
 * @throws {@link DurableObjectError} `INVALID_OPTION`
 * @example
 * ```ts
 * const runtime = await createRuntime({
 *   objects: [Counter],
 *   store: postgres(process.env.DATABASE_URL),
 *   cluster: cluster({ transport: nats({ servers: "nats://localhost" }) }),
 * });
 * ```
 */
export function cluster(options: ClusterOptions): Cluster {
  for (const name of Object.keys(options)) {
    if (!optionNames.has(name))
      throw invalid(`there is no option "${name}". There are ${[...optionNames].join(", ")}.`);
  }
  const { transport, name = hostname(), lease = defaultLeaseMs } = options;
  if (typeof transport?.open !== "function") {
    throw invalid("transport is missing. Use nats() of durable-object/nats or peers() of durable-object/peers.");
  }
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) {
    throw invalid(`name must be a text of 1 to 64 letters, digits, and _ . -, not ${JSON.stringify(name)}.`);
  }
  const leaseMs = parseDuration(lease);
  if (leaseMs === null || leaseMs < shortestLeaseMs || !Number.isFinite(leaseMs)) {
    throw invalid(`lease must be a duration of at least "1s", not ${JSON.stringify(lease)}.`);
  }
  return { transport, name, leaseMs };
}

function invalid(problem: string): DurableObjectError {
  return new DurableObjectError("INVALID_OPTION", `cluster: ${problem}`);
}
