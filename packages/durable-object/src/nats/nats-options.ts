/** The options of the NATS transport, checked and resolved once. */

import type { NatsConnection, NodeConnectionOptions } from "@nats-io/transport-node";
import { parseDuration, type Duration } from "../core/duration.ts";
import { DurableObjectError } from "../core/errors.ts";

/** What the transport decides by itself: where the servers are, and that it never gives up. */
type Decided = "servers" | "port" | "reconnect" | "maxReconnectAttempts" | "waitOnFirstConnect";

/** What the driver's `connect` takes besides: authentication, TLS, names, intervals. */
export type NatsDriverOptions = Omit<NodeConnectionOptions, Decided>;

/** How nodes reach each other over NATS. */
export interface NatsOptions {
  /** Where the servers are, as `host:port` or `nats://host:port`. Default `"127.0.0.1:4222"`. */
  readonly servers?: string | readonly string[] | undefined;
  /**
   * What else the driver is to know for the connection of a node: `user` and `pass`, `token`, `authenticator`, `tls`,
   * and all its other options. They win over the defaults of the transport.
   */
  readonly driver?: NatsDriverOptions | undefined;
  /**
   * A connection of your own, instead of `servers` and `driver`. It stays open when the transport is closed. For it
   * to come back after a long outage it has to be made with `maxReconnectAttempts: -1`.
   */
  readonly connection?: NatsConnection | undefined;
  /**
   * Separates clusters that share a server: every subject begins with `do.v1.<namespace>.`. Letters, digits, `_`
   * and `-`, 64 at most. Default `"default"`.
   */
  readonly namespace?: string | undefined;
  /** How long opening goes on trying to reach a server. Default `"10s"`; 0 tries once. */
  readonly connectTimeout?: Duration | undefined;
}

/** The options as the transport works with them. */
export interface ResolvedNatsOptions {
  readonly servers: readonly string[];
  readonly driver: NatsDriverOptions;
  readonly connection: NatsConnection | null;
  readonly namespace: string;
  readonly connectTimeoutMs: number;
}

const optionNames = new Set(["servers", "driver", "connection", "namespace", "connectTimeout"]);
const decidedNames: readonly string[] = [
  "servers",
  "port",
  "reconnect",
  "maxReconnectAttempts",
  "waitOnFirstConnect",
] satisfies Decided[];

/**
 * The options that `nats()` was given, with the defaults.
 *
 * @throws {@link DurableObjectError} `INVALID_OPTION`; its message holds no credentials
 */
export function resolveOptions(options: NatsOptions): ResolvedNatsOptions {
  if (!isObject(options)) invalid(`the options of nats() are an object, not ${shown(options)}`);
  for (const name of Object.keys(options)) {
    if (!optionNames.has(name)) invalid(`nats() has no option "${name}"; it has ${[...optionNames].join(", ")}`);
  }
  const { servers, driver, connection = null, namespace = "default" } = options;
  if (connection !== null) {
    if (!isObject(connection) || typeof connection.subscribe !== "function") {
      invalid(
        `nats(): connection is what connect() of "@nats-io/transport-node" resolves to, not ${shown(connection)}`,
      );
    }
    if (servers !== undefined || driver !== undefined) {
      invalid("nats() takes a connection, or servers and driver to make one, and not both");
    }
  }
  if (typeof namespace !== "string" || !/^[\w-]{1,64}$/.test(namespace)) {
    invalid(`nats(): a namespace has 1 to 64 letters, digits, "_" and "-", not ${shown(namespace)}`);
  }
  const connectTimeoutMs = parseDuration(options.connectTimeout ?? "10s");
  if (connectTimeoutMs === null) {
    invalid(`nats(): connectTimeout is a duration like 500, "500ms" or "10s", not ${shown(options.connectTimeout)}`);
  }
  return Object.freeze({
    servers: checkedServers(servers ?? "127.0.0.1:4222"),
    driver: checkedDriver(driver ?? {}),
    connection,
    namespace,
    connectTimeoutMs,
  });
}

/** The servers as messages call them. */
export function describe({ connection, servers }: ResolvedNatsOptions): string {
  // Who puts credentials into an address does not find them in a log.
  const named = connection === null ? servers.map((server) => server.replace(/^.*@/s, "")) : [connection.getServer()];
  return `NATS at ${named.join(", ")}`;
}

function checkedServers(servers: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(servers) ? servers : [servers];
  const isList = list.length > 0 && list.every((server) => typeof server === "string" && server.trim() !== "");
  if (!isList) {
    invalid(`nats(): servers is "host:port", or a list of such texts. Is the environment variable set it comes from?`);
  }
  return Object.freeze(list.map(String));
}

function checkedDriver(driver: unknown): NatsDriverOptions {
  if (!isObject(driver)) invalid(`nats(): driver is an object with options of the driver, not ${shown(driver)}`);
  const decided = Object.keys(driver).find((name) => decidedNames.includes(name));
  if (decided === "servers" || decided === "port") invalid("nats(): servers stands beside driver, not in it");
  if (decided !== undefined) invalid(`nats(): driver may not say ${decided}; the transport never gives up`);
  return Object.freeze({ ...driver });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function shown(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? JSON.stringify(value) : typeof value;
}

function invalid(message: string): never {
  throw new DurableObjectError("INVALID_OPTION", message);
}
