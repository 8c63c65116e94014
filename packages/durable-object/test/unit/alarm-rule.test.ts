/** When alarms are due again: intervals, cron patterns and the clocks of time zones. */

import { describe, expect, test } from "vitest";
import { nextOccurrence, resolveRetry, ruleOf, WrongRule, type AlarmRule } from "../../src/alarms/alarm-rule.ts";
import type { ScheduleOptions } from "../../src/index.ts";

const at = (text: string): number => new Date(text).getTime();

function next(rule: AlarmRule, after: string): string | null {
  const found = nextOccurrence(rule, at(after), at(after));
  return found === null ? null : new Date(found).toISOString().replace(".000Z", "Z");
}

/** The next occurrences, one after the other. */
function series(rule: AlarmRule, after: string, count: number): string[] {
  const found: string[] = [];
  for (let from = after; found.length < count;) {
    const text = next(rule, from);
    if (text === null) break;
    found.push((from = text));
  }
  return found;
}

/** What the clocks on the wall of a time zone show, worked out by another program. */
function wall(timeZone: string, instant: string): string {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "short" });
  return format.format(new Date(instant));
}

describe("every", () => {
  test.each([
    // Due at 100, every 10 ms: the next one after a time.
    [100, 100, 110],
    [100, 105, 110],
    [100, 110, 120],
    [100, 119.5, 120],
    [100, 50, 110],
    [100, 100_005, 100_010],
    [-100, -100, -90],
  ])("due at %d, after %d: %d", (dueAt, after, expected) => {
    expect(nextOccurrence({ every: 10 }, dueAt, after)).toBe(expected);
  });

  test("is in whole ms and moves on, however short it is", () => {
    expect(nextOccurrence({ every: "1.5ms" }, 0, 0)).toBe(2);
    for (let time = 0; time < 50;) {
      const following = nextOccurrence({ every: "1.2ms" }, time, time) ?? 0;
      expect(following).toBeGreaterThan(time);
      expect(Number.isInteger(following)).toBe(true);
      time = following;
    }
  });
});

describe("cron", () => {
  test.each([
    ["0 9 * * 1-5", "2030-06-07T09:00:00Z", "2030-06-10T09:00:00Z"],
    ["*/15 * * * *", "2030-06-07T09:00:01Z", "2030-06-07T09:15:00Z"],
    ["0 0 1 * *", "2030-12-31T23:59:59.999Z", "2031-01-01T00:00:00Z"],
    ["0 0 29 2 *", "2030-01-01T00:00:00Z", "2032-02-29T00:00:00Z"],
    ["30 0 12 * * *", "2030-06-07T12:00:30Z", "2030-06-08T12:00:30Z"],
  ])("%s after %s", (cron, after, expected) => {
    expect(next({ cron }, after)).toBe(expected);
  });

  test("is later than the time it is asked for, to the millisecond", () => {
    const rule: AlarmRule = { cron: "* * * * * *" };
    expect(nextOccurrence(rule, 0, at("2030-01-01T00:00:00.000Z"))).toBe(at("2030-01-01T00:00:01Z"));
    expect(nextOccurrence(rule, 0, at("2030-01-01T00:00:00.999Z"))).toBe(at("2030-01-01T00:00:01Z"));
  });

  test.each([
    ["Europe/Berlin", "2030-03-20T12:00:00Z"],
    ["Europe/Berlin", "2030-10-16T12:00:00Z"],
    ["America/New_York", "2030-03-01T12:00:00Z"],
    ["America/New_York", "2030-10-25T12:00:00Z"],
    ["Australia/Lord_Howe", "2030-03-30T12:00:00Z"],
    ["Asia/Kolkata", "2030-03-20T12:00:00Z"],
  ])("09:00 in %s is nine on the wall, on twenty days in a row from %s", (timeZone, start) => {
    const walls = series({ cron: "0 9 * * *", timeZone }, start, 20).map((instant) => wall(timeZone, instant));
    expect(walls.every((text) => text.endsWith("09:00"))).toBe(true);
    const days = walls.map((text) => at(`${text.slice(0, 10)}T00:00:00Z`) / 86_400_000);
    expect(days.every((day, index) => index === 0 || day === (days[index - 1] ?? 0) + 1)).toBe(true);
  });

  test.each([
    // The hour from two to three does not exist on this day: it fires all the same, once.
    ["Europe/Berlin", "2030-03-30T12:00:00Z", "2030-03-31", "2030-04-01"],
    ["America/New_York", "2030-03-09T12:00:00Z", "2030-03-10", "2030-03-11"],
  ])("a time that is left out in spring is not lost in %s", (timeZone, start, first, second) => {
    const found = series({ cron: "30 2 * * *", timeZone }, start, 2);
    expect(found.map((instant) => wall(timeZone, instant).slice(0, 10))).toEqual([first, second]);
    expect(wall(timeZone, found[1] ?? "")).toBe(`${second} 02:30`);
  });

  test.each([
    ["Europe/Berlin", "2030-10-26T12:00:00Z", "2030-10-27", "2030-10-28"],
    ["America/New_York", "2030-11-02T12:00:00Z", "2030-11-03", "2030-11-04"],
  ])("a time that comes twice in autumn fires once in %s", (timeZone, start, first, second) => {
    const hour = timeZone === "Europe/Berlin" ? 2 : 1;
    const found = series({ cron: `30 ${hour} * * *`, timeZone }, start, 2).map((instant) => wall(timeZone, instant));
    expect(found).toEqual([`${first} 0${hour}:30`, `${second} 0${hour}:30`]);
  });

  test("never comes: null", () => {
    expect(next({ cron: "0 0 30 2 *" }, "2030-01-01T00:00:00Z")).toBe(null);
  });
});

test("an alarm without a pattern is not due again", () => {
  expect(nextOccurrence({}, 5, 5)).toBe(null);
  expect(nextOccurrence({ retry: { attempts: 3 } }, 5, 5)).toBe(null);
});

test("a rule keeps what was given, and nothing if nothing was", () => {
  expect(ruleOf({})).toBe(null);
  expect(ruleOf({ payload: 1 })).toBe(null);
  const given: ScheduleOptions = { cron: "0 9 * * *", timeZone: "Europe/Berlin", misfire: "all", payload: 1 };
  expect(ruleOf(given)).toEqual({ cron: "0 9 * * *", timeZone: "Europe/Berlin", misfire: "all" });
  expect(ruleOf({ retry: { attempts: 2 } })).toEqual({ retry: { attempts: 2 } });
});

test.each([
  [{ every: "1h", cron: "* * * * *" }, "either"],
  [{ every: 0 }, "at least 1 ms"],
  [{ every: "0.5ms" }, "at least 1 ms"],
  [{ timeZone: "UTC" }, "timeZone"],
  [{ misfire: "all" }, "misfire"],
  [{ every: "1h", misfire: "never" }, "misfire"],
  [{ cron: "* * *" }, "cron"],
  [{ cron: "* * * * *", timeZone: "Mars/Olympus" }, "Mars/Olympus"],
  [{ retry: { attempts: 1.5 } }, "attempts"],
  [{ retry: { backoff: "-1s" } }, "backoff"],
  [{ retry: { maxBackoff: "x" } }, "maxBackoff"],
])("%j is no rule", (options, problem) => {
  const wrong = (() => {
    try {
      return ruleOf(options as ScheduleOptions);
    } catch (error) {
      return error;
    }
  })();
  expect(wrong).toBeInstanceOf(WrongRule);
  expect((wrong as WrongRule).problem).toContain(problem);
});

test("a retry policy has defaults", () => {
  const fallback = { attempts: 12, backoffMs: 2_000, maxBackoffMs: 3_600_000 };
  expect(resolveRetry({}, fallback)).toEqual(fallback);
  expect(resolveRetry({ attempts: 1, backoff: "5s", maxBackoff: 9 }, fallback)).toEqual({
    attempts: 1,
    backoffMs: 5_000,
    maxBackoffMs: 9,
  });
});
