/** Nodes that reach each other directly, and lines between them that a test can cut. */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { peers, type PeersOptions } from "../../src/peers/index.ts";
import type { Peer } from "../../src/ports/transport.ts";
import { TcpProxy } from "./tcp-proxy.ts";
import { TransportNode } from "./transport-node.ts";

/** A secret of nobody else. */
export const secret: string = randomUUID();

/** A file of the certificates that tests use. */
export function certificate(file: string): string {
  return readFileSync(join(import.meta.dirname, "../fixtures/tls", file), "utf8");
}

/** Opens a node. */
export function openPeer(options: PeersOptions = {}, name?: string): Promise<TransportNode> {
  return TransportNode.open(peers(options), name);
}

/** Two nodes. */
export async function twoPeers(options: PeersOptions = {}): Promise<[TransportNode, TransportNode]> {
  return [await openPeer(options), await openPeer(options)];
}

/** A line to a node, and the node as it is at the end of that line. */
export async function lineTo({ peer }: { readonly peer: Peer }): Promise<{ line: TcpProxy; far: Peer }> {
  const endpoint = new URL(peer.endpoint ?? "");
  const line = await TcpProxy.create(Number(endpoint.port));
  onTestFinished(() => line.close());
  endpoint.port = `${line.port}`;
  return { line, far: { node: peer.node, endpoint: endpoint.href } };
}
