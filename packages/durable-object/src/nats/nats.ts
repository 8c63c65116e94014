/**
 * The door of the NATS transport.
 *
 * Nodes make outgoing connections only, to servers that all of them reach. Core NATS is all it needs: no streams, no
 * storage.
 */

import type { Transport } from "../ports/transport.ts";
import { diagnoseNats } from "./nats-diagnosis.ts";
import { resolveOptions, type NatsOptions } from "./nats-options.ts";
import { openNatsTransport } from "./nats-transport.ts";

/**
 * A transport over NATS. Needs servers from version 2.2 on; and the package `@nats-io/transport-node`, unless it is
 * given a connection.
 *
 * @param options - see {@link NatsOptions}
 * @throws `DurableObjectError` with the code `INVALID_OPTION`
 *
 * @example
 * ```ts
 * const transport = nats({ servers: ["nats-1:4222", "nats-2:4222"], driver: { token: process.env.NATS_TOKEN } });
 * ```
 */
export function nats(options: NatsOptions = {}): Transport {
  const resolved = resolveOptions(options);
  return Object.freeze({
    name: "nats",
    open: (opening) => openNatsTransport(resolved, opening),
    diagnose: () => diagnoseNats(resolved),
  } satisfies Transport);
}
