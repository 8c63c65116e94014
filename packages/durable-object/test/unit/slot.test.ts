/** The slot of an object is frozen: these are its vectors. */

import { expect, test } from "vitest";
import { murmur3, slotCount, slotOf } from "../../src/core/slot.ts";

test("the hash is MurmurHash3", () => {
  const hashOf = (text: string): string => murmur3(text).toString(16);
  // Published vectors of the hash itself.
  expect(hashOf("")).toBe("0");
  expect(hashOf("test")).toBe("ba6bd213");
  expect(hashOf("Hello, world!")).toBe("c0363e43");
  expect(hashOf("The quick brown fox jumps over the lazy dog")).toBe("2e4ff723");
});

test("the slot of an address does not change", () => {
  const vectors = [
    [{ tenant: "", type: "counter", id: "user-123" }, 168],
    [{ tenant: "", type: "counter", id: "a" }, 55],
    [{ tenant: "acme", type: "counter", id: "a" }, 683],
    [{ tenant: "", type: "acme", id: "counter" }, 589],
    [{ tenant: "grüße", type: "cart", id: "東京 \u{1F600}" }, 742],
  ] as const;
  expect(vectors.map(([address]) => slotOf(address))).toEqual(vectors.map(([, slot]) => slot));
});

test("objects spread evenly over all slots", () => {
  const counts = Array.from({ length: slotCount }, () => 0);
  for (let index = 0; index < 102_400; index++) {
    const slot = slotOf({ tenant: "", type: "counter", id: `user-${index}` });
    counts[slot] = (counts[slot] ?? 0) + 1;
  }
  // A hundred each on average; by chance alone none of them leaves these bounds.
  expect(Math.min(...counts)).toBeGreaterThan(50);
  expect(Math.max(...counts)).toBeLessThan(170);
});
