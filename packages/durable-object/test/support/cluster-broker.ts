/** A NATS server as the broker of a cluster under test. */

import type { ClusterBroker } from "./cluster-processes.ts";
import { findNats, NatsServer } from "./nats-server.ts";

/** Starts a broker, which is gone when its process is. */
export async function startBroker(): Promise<ClusterBroker> {
  const program = findNats();
  if (program === null) throw new Error("there is no NATS server on this machine");
  const server = await NatsServer.create(program);
  return {
    port: server.port,
    restart: async () => {
      await server.kill();
      await server.start();
    },
    dispose: () => server.dispose(),
  };
}
