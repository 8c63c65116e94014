/**
 * Connecting to another node: the caller's side of the handshake. It ends with a connection to that very node, which
 * knows the secret if this one does; or with the reason why there is none.
 */

import type { IncomingMessage } from "node:http";
import { WebSocket, type ClientOptions } from "ws";
import type { Environment } from "../core/environment.ts";
import { messageOf } from "../core/errors.ts";
import type { Peer } from "../ports/transport.ts";
import {
  freshNonce,
  headerOf,
  headers,
  isNonce,
  limitOf,
  proofOf,
  protocol,
  secretOf,
  type Introduction,
} from "./peer-handshake.ts";
import { frameOverheadBytes } from "./peer-socket.ts";
import type { PeersTls, ResolvedPeersOptions } from "./peers-options.ts";

/** A connection that was made. */
export interface Dialed {
  readonly socket: WebSocket;
  /** What the other side wants to see first; null if it does not ask. */
  readonly proof: string | null;
  /** The longest text that the other side takes, in bytes. */
  readonly limit: number;
}

/** Why there is no connection. */
export class DialFailure extends Error {
  /** Whether somebody should look at it: the node is there, and the two do not fit together. */
  readonly isMisfit: boolean;

  constructor(message: string, isMisfit: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "DialFailure";
    this.isMisfit = isMisfit;
  }
}

/** What a refusal means. Whoever is not our kind says something else. */
const refusals: Readonly<Record<number, string>> = {
  404: "somebody else is there",
  421: "another node is there",
  503: "it takes no more connections",
};

/** What goes wrong while two sides agree on TLS. */
const tlsProblem = /CERT|SIGN|VERIFY|TLS|SSL|ALTNAME|EPROTO/;

/** What is used of `tls` to connect. */
const clientTls = [
  "ca",
  "cert",
  "key",
  "pfx",
  "passphrase",
  "ciphers",
  "crl",
  "ecdhCurve",
  "sigalgs",
  "minVersion",
  "maxVersion",
  "rejectUnauthorized",
  "servername",
  "checkServerIdentity",
] as const satisfies readonly (keyof PeersTls)[];

/**
 * Connects to a node. Nothing was sent to it before that has succeeded.
 *
 * @throws {@link DialFailure}
 */
export function dial(
  options: ResolvedPeersOptions,
  environment: Environment,
  from: string,
  { node, endpoint }: Peer,
  signal: AbortSignal,
): Promise<Dialed> {
  const problem = endpointProblem(endpoint, options);
  if (endpoint === null || problem !== null) return Promise.reject(new DialFailure(problem ?? "", true));
  const callerNonce = freshNonce();
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(endpoint, protocol, {
      ...tlsOf(options),
      headers: {
        [headers.from]: headerOf(from),
        [headers.to]: headerOf(node),
        [headers.nonce]: callerNonce,
        [headers.limit]: `${options.maxMessageBytes}`,
      },
      perMessageDeflate: false,
      maxPayload: options.maxMessageBytes + frameOverheadBytes,
      // Masks are against web pages that mean ill; a frame that is not masked needs no copy.
      generateMask: (mask) => void mask.fill(0),
    });
    let answer: IncomingMessage | null = null;
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", aborted);
      socket.removeAllListeners();
      // What it still has to say, somebody has to hear.
      socket.on("error", () => {});
    };
    const fail = (failure: DialFailure): void => {
      end();
      socket.terminate();
      reject(failure);
    };
    const aborted = (): void => fail(new DialFailure("this node is closing", false));
    const timer = environment.after(
      options.connectTimeoutMs,
      () => fail(new DialFailure(`it did not answer within ${options.connectTimeoutMs} ms`, false)),
      true,
    );
    signal.addEventListener("abort", aborted);
    socket.on("upgrade", (response) => (answer = response));
    socket.on("unexpected-response", (_, response) => {
      const refusal = refusals[response.statusCode ?? 0];
      const said = refusal ?? `what is there refuses with ${response.statusCode} (${response.statusMessage})`;
      fail(new DialFailure(said, refusal === undefined));
    });
    socket.on("error", (error) => {
      const { code, message } = error as NodeJS.ErrnoException;
      fail(new DialFailure(messageOf(error), tlsProblem.test(`${code} ${message}`), error));
    });
    socket.on("close", () => fail(new DialFailure("the connection was closed", false)));
    socket.on("open", () => {
      try {
        const agreed = agree(options, { from: headerOf(from), to: headerOf(node), callerNonce }, answer);
        end();
        resolve({ socket, ...agreed });
      } catch (error) {
        fail(error as DialFailure);
      }
    });
  });
}

/** What the other side has said of itself, if that is right. */
function agree(
  { secrets }: ResolvedPeersOptions,
  asked: Omit<Introduction, "listenerNonce">,
  answer: IncomingMessage | null,
): { readonly proof: string | null; readonly limit: number } {
  const given = answer?.headers ?? {};
  const limit = limitOf(given[headers.limit]);
  if (given[headers.to] !== asked.to || limit === null) throw new DialFailure("somebody else is there", true);
  const listenerNonce = given[headers.nonce];
  const proof = given[headers.proof];
  if (proof === undefined) {
    if (secrets.length === 0) return { proof: null, limit };
    throw new DialFailure("it has no secret, and this node has one", true);
  }
  if (secrets.length === 0) throw new DialFailure("it has a secret, and this node has none", true);
  if (typeof proof !== "string" || !isNonce(listenerNonce)) throw new DialFailure("somebody else is there", true);
  const known = { ...asked, listenerNonce };
  const secret = secretOf(secrets, "listener", known, proof);
  if (secret === null) throw new DialFailure("it has another secret than this node", true);
  return { proof: proofOf(secret, "caller", known), limit };
}

function endpointProblem(endpoint: string | null, { tls }: ResolvedPeersOptions): string | null {
  if (endpoint === null) return "nobody has said where it is";
  const protocolOf = URL.parse(endpoint)?.protocol;
  if (protocolOf !== "ws:" && protocolOf !== "wss:")
    return "what it says of where it is, is no address of this transport";
  if (tls !== null && protocolOf !== "wss:") return "it does without TLS, and this node does not";
  return null;
}

function tlsOf({ tls }: ResolvedPeersOptions): ClientOptions {
  if (tls === null) return {};
  return Object.fromEntries(clientTls.filter((name) => tls[name] !== undefined).map((name) => [name, tls[name]]));
}
