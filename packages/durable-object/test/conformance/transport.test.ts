/** Each transport on the suite that is shipped to third parties. */

import { randomUUID } from "node:crypto";
import { connect } from "@nats-io/transport-node";
import { inject, test } from "vitest";
import { memoryTransport } from "../../src/memory/index.ts";
import { nats } from "../../src/nats/index.ts";
import { transportSuite } from "../../src/testing/index.ts";

transportSuite({
  name: "memory",
  test,
  create: async () => ({ transport: memoryTransport(), dispose: async () => {} }),
});

transportSuite({
  name: "memory, short messages",
  test,
  create: async () => ({ transport: memoryTransport({ maxMessageBytes: 1_000 }), dispose: async () => {} }),
});

const servers = inject("natsUrl") ?? "";
const testNats = test.skipIf(servers === "");

transportSuite({
  name: "nats",
  test: testNats,
  create: async () => ({ transport: nats({ servers, namespace: randomUUID() }), dispose: async () => {} }),
});

transportSuite({
  name: "nats, one connection of the application for all nodes",
  test: testNats,
  create: async () => {
    const connection = await connect({ servers });
    return { transport: nats({ connection, namespace: randomUUID() }), dispose: () => connection.close() };
  },
});
