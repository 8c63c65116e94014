import { describe, expect, test } from "vitest";
import { Sightings } from "../../src/cluster/sightings.ts";
import type { NodeRow } from "../../src/ports/ownership-store.ts";

const leaseMs = 10_000;
const row = (beat: number, expired: boolean): NodeRow => ({
  node: "a",
  types: [],
  endpoint: null,
  process: { host: "h", boot: null, pid: 1 },
  beat,
  expired,
  draining: false,
});

/** Looks every second for so long, at the same beat; returns the last verdict. */
function watch(
  sightings: Sightings,
  fromMs: number,
  forMs: number,
  expired: boolean,
  stepMs = 1_000,
): string | undefined {
  let verdict;
  for (let ms = 0; ms <= forMs; ms += stepMs) verdict = sightings.look([row(7, expired)], fromMs + ms).get("a");
  return verdict;
}

describe("sightings", () => {
  test("dead is who was silent for a whole lease by both clocks", () => {
    const sightings = new Sightings(leaseMs);
    expect(watch(sightings, 0, 9_000, true)).toBe("silent");
    expect(watch(sightings, 10_000, 0, true)).toBe("dead");
  });

  test("not by the store's clock alone, which may have jumped", () => {
    const sightings = new Sightings(leaseMs);
    expect(watch(sightings, 0, 5_000, true)).toBe("silent");
    // It renews its lease: its silence begins again.
    expect(sightings.look([row(8, false)], 6_000).get("a")).toBe("alive");
    expect(sightings.look([row(8, true)], 11_000).get("a")).toBe("silent");
  });

  test("not by the observer's clock alone, unless the silence is three leases long", () => {
    const sightings = new Sightings(leaseMs);
    expect(watch(sightings, 0, 29_000, false)).toBe("alive");
    expect(watch(sightings, 30_000, 0, false)).toBe("dead for long");
  });

  test("not by an observer that was not watching all the time", () => {
    const sightings = new Sightings(leaseMs);
    sightings.look([row(7, true)], 0);
    // It was paused for a minute.
    expect(sightings.look([row(7, true)], 60_000).get("a")).toBe("silent");
    expect(watch(sightings, 61_000, 9_000, true)).toBe("dead");
  });

  test("who is gone is forgotten, and comes back as somebody new", () => {
    const sightings = new Sightings(leaseMs);
    watch(sightings, 0, 9_000, true);
    expect(sightings.look([], 10_000).size).toBe(0);
    expect(sightings.look([row(7, true)], 11_000).get("a")).toBe("silent");
  });
});
