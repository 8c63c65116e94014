/** Each ownership store on the suite that is shipped to third parties. */

import { test } from "vitest";
import { MemoryObjectStore } from "../../src/memory/memory-object-store.ts";
import { ownershipStoreSuite } from "../../src/testing/index.ts";

ownershipStoreSuite({
  name: "memory",
  test,
  async create() {
    let aheadMs = 0;
    return {
      store: new MemoryObjectStore(() => Date.now() + aheadMs),
      passTime: async (ms) => void (aheadMs += ms),
      dispose: async () => {},
    };
  },
});
