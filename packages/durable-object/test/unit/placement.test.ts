import { array, assert, constantFrom, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { plan, type PlacementNode } from "../../src/cluster/placement.ts";
import { slotCount } from "../../src/core/slot.ts";

function node(name: string, parts: Partial<PlacementNode> = {}): PlacementNode {
  return { node: name, types: ["counter"], draining: false, ...parts };
}

/** Applies what every node plans, until nobody plans anything; returns owners and how many slots moved. */
function settle(
  nodes: readonly PlacementNode[],
  start: readonly (string | null)[],
): { owners: (string | null)[]; moved: number } {
  let owners = [...start];
  let moved = 0;
  for (let round = 0; round < 10; round++) {
    const next = [...owners];
    for (const { node: me } of nodes) {
      const { acquire, give } = plan(me, nodes, owners);
      for (const slot of acquire) {
        expect(next[slot], "two nodes take one slot").toBeNull();
        next[slot] = me;
      }
      for (const [to, slots] of give) {
        for (const slot of slots) {
          expect(owners[slot]).toBe(me);
          next[slot] = to;
          moved += 1;
        }
      }
    }
    if (next.every((owner, slot) => owner === owners[slot])) break;
    owners = next;
  }
  return { owners, moved };
}

const nobody: readonly null[] = Array.from({ length: slotCount }, () => null);

function loads(owners: readonly (string | null)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const owner of owners) counts[owner ?? "nobody"] = (counts[owner ?? "nobody"] ?? 0) + 1;
  return counts;
}

describe("placement", () => {
  test("one node takes everything", () => {
    expect(plan("a", [node("a")], nobody).acquire).toHaveLength(slotCount);
  });

  test("nodes that start together share what is free, and none is left", () => {
    const { owners, moved } = settle([node("a"), node("b"), node("c")], nobody);
    expect(Object.values(loads(owners)).toSorted((a, b) => a - b)).toEqual([341, 341, 342]);
    expect(moved).toBe(0);
  });

  test("a node that joins gets its share, and nothing else moves", () => {
    const { owners } = settle([node("a"), node("b"), node("c")], nobody);
    const joined = settle([node("a"), node("b"), node("c"), node("d")], owners);
    expect(loads(joined.owners)).toEqual({ a: 256, b: 256, c: 256, d: 256 });
    expect(joined.moved).toBe(256);
    owners.forEach((owner, slot) => expect([owner, "d"]).toContain(joined.owners[slot]));
  });

  test("a node that is gone leaves free slots, which the others share", () => {
    const { owners } = settle(
      ["a", "b", "c", "d"].map((name) => node(name)),
      nobody,
    );
    const left = settle(
      ["a", "b", "c"].map((name) => node(name)),
      owners.map((owner) => (owner === "d" ? null : owner)),
    );
    expect(Object.values(loads(left.owners)).toSorted((a, b) => a - b)).toEqual([341, 341, 342]);
    expect(left.moved).toBe(0);
  });

  test("one that leaves gives everything away, and nobody else does", () => {
    const { owners } = settle(
      ["a", "b", "c"].map((name) => node(name)),
      nobody,
    );
    const draining = settle([node("a", { draining: true }), node("b"), node("c")], owners);
    expect(loads(draining.owners)).toEqual({ b: 512, c: 512 });
    expect(draining.moved).toBe(loads(owners)["a"]);
  });

  test("what a node owns that is not among them stays where it is", () => {
    const owners = nobody.map((_, slot) => (slot < 100 ? "silent" : null));
    const settled = settle([node("a"), node("b")], owners);
    expect(loads(settled.owners)["silent"]).toBe(100);
    expect(loads(settled.owners)["nobody"]).toBeUndefined();
  });

  test("slots do not go back to nodes that know less, unless their owner leaves", () => {
    const old = node("old");
    const newer = node("newer", { types: ["counter", "cart"] });
    const all = nobody.map(() => "newer");
    expect(plan("newer", [old, newer], all).give.size).toBe(0);
    expect(plan("newer", [old, { ...newer, draining: true }], all).give.get("old")).toHaveLength(slotCount);
  });

  test("from anywhere, nodes come to equal shares with the fewest moves there can be", () => {
    const names = ["a", "b", "c", "d", "e", "f", "g"] as const;
    const start = record({
      count: integer({ min: 1, max: names.length }),
      owners: array(constantFrom(...names, null), { minLength: slotCount, maxLength: slotCount }),
    });
    assert(
      property(start, ({ count, owners }) => {
        const nodes = names.slice(0, count).map((name) => node(name));
        // Nobody is there any more who is not among the nodes.
        const known = owners.map((owner) => (owner !== null && names.indexOf(owner) < count ? owner : null));
        const { owners: settled, moved } = settle(nodes, known);
        const counts = nodes.map(({ node: name }) => loads(settled)[name] ?? 0);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        // Whoever had more than the largest share has given the rest away, and nobody more than that.
        const before = nodes.map(({ node: name }) => loads(known)[name] ?? 0);
        const larger = slotCount % count;
        const shares = [...before]
          .sort((x, y) => y - x)
          .map((load, index) => [load, Math.floor(slotCount / count) + (index < larger ? 1 : 0)] as const);
        expect(moved).toBe(shares.reduce((sum, [load, share]) => sum + Math.max(0, load - share), 0));
      }),
      { numRuns: 60 },
    );
  });
});
