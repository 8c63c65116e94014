/**
 * The door of the transport without a broker.
 *
 * Each node listens, and its row among the members says where. A node that has something to say to another one
 * connects to it, and stays connected while there is something to say.
 */

import type { Transport } from "../ports/transport.ts";
import { resolveOptions, type PeersOptions } from "./peers-options.ts";
import { openPeersTransport } from "./peers-transport.ts";

/**
 * A transport of direct connections between nodes. Needs the package `ws`.
 *
 * @param options - see {@link PeersOptions}
 * @throws `DurableObjectError` with the code `INVALID_OPTION`, also if others could connect and nothing asks who they are
 *
 * @example
 * ```ts
 * const transport = peers({
 *   host: "0.0.0.0",
 *   port: 7000,
 *   url: `ws://${process.env.POD_IP}:7000`,
 *   secret: process.env.CLUSTER_SECRET,
 * });
 * ```
 */
export function peers(options: PeersOptions = {}): Transport {
  const resolved = resolveOptions(options);
  return Object.freeze({ name: "peers", open: (opening) => openPeersTransport(resolved, opening) } satisfies Transport);
}
