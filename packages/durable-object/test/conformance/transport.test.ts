/** Each transport on the suite that is shipped to third parties. */

import { test } from "vitest";
import { memoryTransport } from "../../src/memory/index.ts";
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
