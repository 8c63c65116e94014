/** Connecting to NATS: again and again for as long as it may take, except where that cannot help. */

import type { NatsConnection } from "@nats-io/transport-node";
import type { Environment } from "../core/environment.ts";
import { messageOf } from "../core/errors.ts";
import { TransportFailure, type TransportOpening } from "../ports/transport.ts";
import { describe, type ResolvedNatsOptions } from "./nats-options.ts";
import { subjectPart } from "./nats-subject.ts";

/** How long one try may take, in ms. */
const longestTryMs = 5_000;

/** How soon a lost connection is tried again, in ms: some time between the two, so that not all nodes come at once. */
const soonestRetryMs = 100;
const latestRetryMs = 1_000;

/** How often a silent server is asked whether it is there, in ms, and how many answers it may owe. */
const pingIntervalMs = 5_000;
const maxPingOut = 2;

/** The errors of the driver that say more than that nobody is there. */
const final = /^(?:AuthorizationError|UserAuthenticationExpiredError|InvalidArgumentError)$/;
const certificate = /CERT|SIGN|VERIFY|TLS|SSL|ALTNAME|does not support 'tls'/;

/**
 * Connects a node. Once it is there, the connection comes back by itself, for ever.
 *
 * @param givesUp - whether this error of the driver, after so many ms, is the end of it
 * @throws {@link TransportFailure} `unreachable`
 */
export async function connectNode(
  options: ResolvedNatsOptions,
  { environment, node }: Pick<TransportOpening, "environment" | "node">,
  givesUp: (error: unknown, elapsedMs: number) => boolean,
): Promise<NatsConnection> {
  const { connect } = await import("@nats-io/transport-node");
  const started = environment.monotonic();
  for (;;) {
    try {
      return await connect({
        name: `durable-object ${subjectPart(node)}`,
        timeout: longestTryMs,
        pingInterval: pingIntervalMs,
        maxPingOut,
        // A password that is changed is wrong for a while.
        ignoreAuthErrorAbort: true,
        // Where a request was made says nothing here, and costs every one.
        noAsyncTraces: true,
        reconnectDelayHandler: () => retryDelayMs(environment),
        ...options.driver,
        servers: [...options.servers],
        reconnect: true,
        maxReconnectAttempts: -1,
      });
    } catch (error) {
      const pauseMs = retryDelayMs(environment);
      if (givesUp(error, environment.monotonic() + pauseMs - started)) throw notConnected(options, error);
      await new Promise<void>((resolve) => void environment.after(pauseMs, resolve, true));
    }
  }
}

function retryDelayMs(environment: Environment): number {
  return soonestRetryMs + environment.random() * (latestRetryMs - soonestRetryMs);
}

/** Whether trying again would be answered the same. */
export function isFinal(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    if (final.test(cause.name) || certificate.test(`${String((cause as NodeJS.ErrnoException).code)} ${cause.message}`))
      return true;
  }
  return false;
}

/** Opening failed: there is no connection. */
export function notConnected(options: ResolvedNatsOptions, error: unknown): TransportFailure {
  return new TransportFailure("unreachable", `${describe(options)} cannot be used: ${messageOf(error)}.`, error);
}
