/** Each transport on the suite that is shipped to third parties. */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { inject, test } from "vitest";
import { memoryTransport } from "../../src/memory/index.ts";
import { nats } from "../../src/nats/index.ts";
import { peers } from "../../src/peers/index.ts";
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

const [cert, key, ca] = ["node.pem", "node-key.pem", "ca.pem"].map((file) =>
  readFileSync(join(import.meta.dirname, "../fixtures/tls", file), "utf8"),
);
const secret = randomUUID();

transportSuite({
  name: "peers",
  test,
  create: async () => ({ transport: peers({ maxMessageBytes: 1_048_576 }), dispose: async () => {} }),
});

transportSuite({
  name: "peers, with a secret",
  test,
  create: async () => ({ transport: peers({ secret, maxMessageBytes: 100_000 }), dispose: async () => {} }),
});

transportSuite({
  name: "peers, over TLS",
  test,
  create: async () => ({
    transport: peers({ tls: { cert, key, ca, requestCert: true }, maxMessageBytes: 100_000 }),
    dispose: async () => {},
  }),
});
