/** NATS servers for tests that stop, cut and misconfigure them. */

import { randomUUID } from "node:crypto";
import { inject, onTestFinished } from "vitest";
import { nats, type NatsOptions } from "../../src/nats/index.ts";
import { NatsServer } from "./nats-server.ts";
import { TcpProxy } from "./tcp-proxy.ts";
import { TransportNode } from "./transport-node.ts";

/** Whether servers can be started. */
export const hasNats: boolean = inject("natsProgram") !== null;

/** A server for one test. */
export async function ownServer(configuration = ""): Promise<NatsServer> {
  const server = await NatsServer.create(inject("natsProgram") ?? "", configuration);
  onTestFinished(() => server.dispose());
  return server;
}

/** A line to a server that a test can cut. */
export async function lineTo(server: NatsServer): Promise<TcpProxy> {
  const proxy = await TcpProxy.create(server.port);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** Opens a node. It comes back soon when a test has cut it off. */
export function openNode(options: NatsOptions, name?: string): Promise<TransportNode> {
  if (options.connection !== undefined) return TransportNode.open(nats(options), name);
  const driver = { reconnectDelayHandler: () => 50, ...options.driver };
  return TransportNode.open(nats({ ...options, driver }), name);
}

/** Two nodes on one server. */
export async function twoNodes(options: NatsOptions): Promise<[TransportNode, TransportNode]> {
  const namespace = randomUUID();
  return [await openNode({ namespace, ...options }), await openNode({ namespace, ...options })];
}

/** Where a line begins. */
export function urlOf(proxy: TcpProxy): string {
  return `127.0.0.1:${proxy.port}`;
}
