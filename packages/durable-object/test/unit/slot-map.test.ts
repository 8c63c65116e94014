import { describe, expect, test } from "vitest";
import { SlotMap } from "../../src/cluster/slot-map.ts";

function newMap(): { map: SlotMap; changed: number[] } {
  const changed: number[] = [];
  return { map: new SlotMap("me", (slot) => changed.push(slot)), changed };
}

const row = (slot: number, owner: string, epoch: number) => ({ slot, owner, epoch });

describe("slot map", () => {
  test("learns who owns what, and never less than it knows", () => {
    const { map, changed } = newMap();
    expect(map.ownerOf(1)).toBeNull();
    expect(map.learn(1, "other", 5)).toBe(true);
    expect(map.learn(1, "old", 4)).toBe(false);
    expect(map.learn(1, "other", 5)).toBe(false);
    expect(map.ownerOf(1)).toEqual({ node: "other", epoch: 5 });
    expect(changed).toEqual([1]);
  });

  test("takes calls only on what it holds; while a slot leaves, only those of turns that run", () => {
    const { map } = newMap();
    expect([map.takes(1, false), map.takes(1, true)]).toEqual([false, false]);
    map.learn(1, "me", 1);
    expect([map.takes(1, false), map.takes(1, true), map.held]).toEqual([true, true, 1]);
    map.leave(1);
    expect([map.takes(1, false), map.takes(1, true), map.held]).toEqual([false, true, 1]);
    map.close(1);
    expect([map.takes(1, false), map.takes(1, true), map.held]).toEqual([false, false, 1]);
    map.handedOver(1, 1, "other");
    expect([map.takes(1, false), map.held, map.ownerOf(1)]).toEqual([false, 0, { node: "other", epoch: 2 }]);
  });

  test("what it gave away does not come back by a message that is late, or by a look that began before", () => {
    const { map } = newMap();
    const { step } = map;
    map.learn(1, "me", 3);
    map.leave(1);
    map.close(1);
    map.handedOver(1, 3, "other");
    expect(map.learn(1, "me", 3)).toBe(false);
    expect(map.update([row(1, "me", 3)], step)).toEqual([]);
    expect(map.takes(1, false)).toBe(false);
    // Freed, and not given to anybody: the epoch was still its own.
    map.learn(2, "me", 7);
    map.leave(2);
    map.close(2);
    map.handedOver(2, 7, null);
    expect(map.learn(2, "me", 7)).toBe(false);
    expect(map.learn(2, "me", 8)).toBe(true);
  });

  test("a slot that was given back before its giver heard that it was given stays", () => {
    const { map } = newMap();
    map.learn(1, "me", 3);
    map.leave(1);
    map.close(1);
    expect(map.learn(1, "me", 5)).toBe(true);
    map.handedOver(1, 3, "other");
    expect([map.takes(1, false), map.held, map.ownerOf(1)]).toEqual([true, 1, { node: "me", epoch: 5 }]);
  });

  test("a look tells what is new to this node, and frees what has no owner any more", () => {
    const { map } = newMap();
    map.learn(1, "gone", 1);
    expect(map.update([row(2, "me", 4), row(3, "other", 9)], map.step)).toEqual([2]);
    expect([map.ownerOf(1), map.ownerOf(2)?.epoch, map.ownerOf(3)?.node]).toEqual([null, 4, "other"]);
  });

  test("a store that denies what is certain has forgotten something", () => {
    const { map } = newMap();
    map.learn(1, "me", 4);
    expect(map.update([row(1, "me", 4)], map.step)).toEqual([]);
    expect(map.update([], map.step)).toBeNull();
    expect(map.update([row(1, "other", 3)], map.step)).toBeNull();
    expect(map.update([row(1, "me", 3)], map.step)).toBeNull();
  });

  test("a look that began before this node was given a slot denies nothing", () => {
    const { map } = newMap();
    const { step } = map;
    map.learn(1, "me", 4);
    expect(map.update([], step)).toEqual([]);
    expect(map.takes(1, false)).toBe(true);
  });

  test("while a slot is being given away, a look may show either owner", () => {
    const { map } = newMap();
    map.learn(1, "me", 4);
    map.leave(1);
    map.close(1);
    expect(map.update([row(1, "other", 5)], map.step)).toEqual([]);
    expect(map.stage(1)).toBe("closed");
  });
});
