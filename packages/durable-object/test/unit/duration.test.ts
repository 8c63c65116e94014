/** Durations as people write them. */

import { expect, test } from "vitest";
import { parseDuration } from "../../src/core/duration.ts";

test.each([
  [0, 0],
  [1_500, 1_500],
  [0.5, 0.5],
  ["250ms", 250],
  ["0s", 0],
  ["30s", 30_000],
  ["1.5h", 5_400_000],
  ["5m", 300_000],
  ["7d", 604_800_000],
  ["100000000d", 8.64e15],
])("%s is %s ms", (duration, ms) => {
  expect(parseDuration(duration)).toBe(ms);
});

test.each([
  -1,
  Number.NaN,
  Infinity,
  8.64e15 + 2,
  "100000001d",
  "",
  "5",
  "5 m",
  " 5m",
  "5m ",
  "-5m",
  "+5m",
  "1e3ms",
  ".5s",
  "5.s",
  "5M",
  "5min",
  "1h30m",
  "Infinityms",
  "never",
  "٥s",
  null,
  undefined,
  true,
  {},
  [5],
  5n,
  new Date(5),
])("%s is none", (duration) => {
  expect(parseDuration(duration)).toBeNull();
});
