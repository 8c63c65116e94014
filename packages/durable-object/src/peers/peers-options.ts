/** The options of the transport between peers, checked and resolved once. */

import type { ServerOptions } from "node:https";
import type { ConnectionOptions } from "node:tls";
import { parseDuration, type Duration } from "../core/duration.ts";
import { DurableObjectError } from "../core/errors.ts";

/**
 * TLS for both ends of a connection: what `createServer` of `node:https` takes. `ca`, `cert`, `key` and the like are
 * used for connections to other nodes as well.
 */
export type PeersTls = ServerOptions & Pick<ConnectionOptions, "servername" | "checkServerIdentity">;

/** How nodes reach each other directly. */
export interface PeersOptions {
  /** The address to listen on. Default `"127.0.0.1"`: nodes on this machine only. `"0.0.0.0"` is every network. */
  readonly host?: string | undefined;
  /** The port to listen on. Default 0: any that is free. */
  readonly port?: number | undefined;
  /**
   * Where other nodes reach this one, as `ws://host:port`, or `wss://` with TLS. Port 0 stands for the port that it
   * listens on. Default: `host` and that port; it has to be said if `host` is every network.
   */
  readonly url?: string | undefined;
  /**
   * What all nodes know and nobody else does: 16 characters at least. It never goes over the network. Of a list the
   * first one is used, and all are accepted: so it can be changed node by node.
   */
  readonly secret?: string | readonly string[] | undefined;
  /** Whether anybody who can connect may call every object. Default `false`. */
  readonly insecure?: boolean | undefined;
  /** Encrypts connections, and has nodes show who they are. */
  readonly tls?: PeersTls | undefined;
  /** The longest message and the longest answer, in bytes. Default 8388608 (8 MiB). */
  readonly maxMessageBytes?: number | undefined;
  /** How long connecting to another node may take. Default `"5s"`. */
  readonly connectTimeout?: Duration | undefined;
  /** How often a silent node is asked whether it is there; after three times without an answer it is given up. Default `"4s"`. */
  readonly pingInterval?: Duration | undefined;
  /** After how long without messages a connection is closed. Default `"5m"`. */
  readonly idleTimeout?: Duration | undefined;
}

/** The options as the transport works with them. */
export interface ResolvedPeersOptions {
  readonly host: string;
  readonly port: number;
  /** Null is what `host` and the port make. */
  readonly url: string | null;
  readonly secrets: readonly string[];
  readonly tls: PeersTls | null;
  readonly maxMessageBytes: number;
  readonly connectTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly idleTimeoutMs: number;
}

const optionNames = new Set([
  "host",
  "port",
  "url",
  "secret",
  "insecure",
  "tls",
  "maxMessageBytes",
  "connectTimeout",
  "pingInterval",
  "idleTimeout",
]);

const shortestSecret = 16;

/** A frame says its length in 32 bits; and a text may not be longer than V8 can hold. */
const longestMessageBytes = 256 * 1_048_576;

/**
 * The options that `peers()` was given, with the defaults.
 *
 * @throws {@link DurableObjectError} `INVALID_OPTION`; its message holds no secret
 */
export function resolveOptions(options: PeersOptions): ResolvedPeersOptions {
  if (typeof options !== "object" || options === null) invalid("the options of peers() are an object");
  for (const name of Object.keys(options)) {
    if (!optionNames.has(name)) invalid(`peers() has no option "${name}"; it has ${[...optionNames].join(", ")}`);
  }
  const { host = "127.0.0.1", port = 0, tls = null, insecure = false, maxMessageBytes = 8_388_608 } = options;
  if (typeof host !== "string" || host === "" || /[\s/@]/.test(host)) {
    invalid(`peers(): host is an address to listen on, such as "127.0.0.1" or "0.0.0.0", not ${shown(host)}`);
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) invalid(`peers(): port is 0 to 65535, not ${shown(port)}`);
  if (typeof insecure !== "boolean") invalid(`peers(): insecure is true or false, not ${shown(insecure)}`);
  if (tls !== null && typeof tls !== "object") invalid("peers(): tls is an object, with the options of node:https");
  if (!Number.isInteger(maxMessageBytes) || maxMessageBytes < 1_024 || maxMessageBytes > longestMessageBytes) {
    invalid(`peers(): maxMessageBytes is 1024 to ${longestMessageBytes}, not ${shown(maxMessageBytes)}`);
  }
  const secrets = checkedSecrets(options.secret);
  const url = checkedUrl(options.url, host, tls !== null);
  if (!insecure && secrets.length === 0 && !asksForCertificates(tls) && !(isLoopback(host) && isLocalUrl(url))) {
    invalid(
      `peers(): whoever can connect to ${host} could call every object. Give all nodes the same secret, or have tls ask for ` +
        "certificates of your own authority (requestCert and ca), or write insecure: true if nobody else is on that network",
    );
  }
  return Object.freeze({
    host,
    port,
    url,
    secrets,
    tls,
    maxMessageBytes,
    connectTimeoutMs: durationOf("connectTimeout", options.connectTimeout ?? "5s"),
    pingIntervalMs: durationOf("pingInterval", options.pingInterval ?? "4s"),
    idleTimeoutMs: durationOf("idleTimeout", options.idleTimeout ?? "5m"),
  });
}

function checkedSecrets(secret: unknown): readonly string[] {
  if (secret === undefined) return [];
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
  const isGood = (one: unknown): one is string => typeof one === "string" && one.length >= shortestSecret;
  if (secrets.length === 0 || !secrets.every(isGood)) {
    invalid(`peers(): a secret is a text of ${shortestSecret} characters or more, or a list of such texts`);
  }
  return Object.freeze(secrets.filter(isGood));
}

function checkedUrl(url: unknown, host: string, hasTls: boolean): string | null {
  if (url === undefined) {
    if (isEveryNetwork(host)) {
      invalid(
        `peers(): with host ${shown(host)} say in url how other nodes reach this one, such as "ws://10.0.0.5:7000"`,
      );
    }
    return null;
  }
  const parsed = typeof url === "string" ? URL.parse(url) : null;
  if (parsed === null || !/^wss?:$/.test(parsed.protocol) || parsed.hash !== "" || parsed.username !== "") {
    return invalid(`peers(): url is how other nodes reach this one, such as "ws://10.0.0.5:7000", not ${shown(url)}`);
  }
  if (hasTls && parsed.protocol !== "wss:") invalid(`peers(): with tls the url begins with "wss://"`);
  return parsed.href;
}

/** Whether only who has a certificate of an authority that was named can connect. */
function asksForCertificates(tls: PeersTls | null): boolean {
  return tls !== null && tls.requestCert === true && tls.rejectUnauthorized !== false && tls.ca !== undefined;
}

function isEveryNetwork(host: string): boolean {
  return host === "0.0.0.0" || /^[0:]+$/.test(host);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function isLocalUrl(url: string | null): boolean {
  return url === null || isLoopback(new URL(url).hostname);
}

function durationOf(name: string, value: Duration): number {
  const ms = parseDuration(value);
  if (ms === null || ms < 1) return invalid(`peers(): ${name} is a duration like "500ms" or "5s", not ${shown(value)}`);
  return ms;
}

function shown(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? JSON.stringify(value) : typeof value;
}

function invalid(message: string): never {
  throw new DurableObjectError("INVALID_OPTION", message);
}
