/**
 * What alarms may do, said a second time: a table of alarms that hears of every handler that starts and
 * ends, and of every write that the disk has taken, and knows what each of them must be.
 */

import type { AlarmChange, ObjectWrite } from "../../src/ports/object-store.ts";
import type { Start } from "../fixtures/alarm-diary.ts";
import {
  expectedEnd,
  expectedFailure,
  isCountedDeath,
  isMissed,
  isNextAfterMiss,
  sorted,
  type Plan,
  type Repeat,
  type Row,
} from "./alarm-row.ts";

interface Running {
  readonly start: Start;
  readonly row: Row;
  /** When its handler returned; null while it runs. */
  endMs: number | null;
}

/** How long an alarm may rest that could not be stored. */
const restMs = 1_500;
/** How long an alarm may wait that is due and whose object is free. */
const longestIdleMs = 2 * restMs;
/** How many others of its object may start before an alarm that is due: those before it in line. */
const mostOvertakers = 4;

/** The table of alarms as it has to be. */
export class AlarmModel {
  readonly violations: string[] = [];
  readonly #rows = new Map<string, Row>();
  readonly #running = new Map<string, Running>();
  /** How many firings were handled, by object. */
  readonly handled = new Map<string, number>();
  /** Alarms that were due when an owner died, and have not been touched since. */
  readonly #suspects = new Set<string>();
  /** Alarms that were due, until the clock was set back: they may have been taken up already. */
  readonly #wereDue = new Set<string>();
  readonly #firingIds = new Map<string, string>();
  readonly #knownFirings = new Set<string>();
  /** When an object was last seen to be busy. */
  readonly #busyAt = new Map<string, number>();
  /** Until when an alarm of an object may rest whose write did not reach the disk. */
  readonly #restsUntil = new Map<string, number>();
  /** How many others have started while an alarm was due. */
  readonly #overtaken = new Map<string, number>();
  /** Until then nobody could fire anything: the machine slept, or nothing lived. */
  #unattendedUntilMs = -Infinity;
  /** The write that the test asks for at the moment: what it changes about alarms. */
  asked: { readonly id: string; readonly check: (write: ObjectWrite) => boolean } | null = null;

  violate(message: string): void {
    this.violations.push(message);
  }

  started(start: Start): void {
    const key = `${start.id}/${start.alarm}`;
    const row = this.#rows.get(key);
    const what = `${key} started at ${start.atMs}`;
    if (row === undefined) {
      this.violate(`${what}, and is not set`);
      return;
    }
    if (row.status === "dead") this.violate(`${what}, and is dead`);
    if (start.atMs < row.dueAt && !this.#wereDue.has(key)) this.violate(`${what}, before it was due at ${row.dueAt}`);
    if (start.attempt !== row.attempts + 1) this.violate(`${what} as attempt ${start.attempt} after ${row.attempts}`);
    if (start.dueMs !== row.scheduledAt) this.violate(`${what} for ${start.dueMs} instead of ${row.scheduledAt}`);
    if (JSON.stringify(start.payload ?? null) !== (row.payload ?? "null"))
      this.violate(`${what} with a payload of old`);
    if (this.#suspects.has(key)) this.violate(`${what}, before its attempt was counted`);
    if (this.#running.has(start.id)) this.violate(`${what} while another one runs`);
    const firing = `${key}/${row.generation}`;
    const known = this.#firingIds.get(firing);
    if (known !== undefined && known !== start.firingId) this.violate(`${what} under another firing id`);
    if (known === undefined && this.#knownFirings.has(start.firingId)) {
      this.violate(`${what} under the firing id of another one`);
    }
    this.#firingIds.set(firing, start.firingId);
    this.#knownFirings.add(start.firingId);
    if (isMissed(row, start.atMs)) this.violate(`${what}, and was missed`);
    this.#checkOrder(start, row, what);
    this.#running.set(start.id, { start, row, endMs: null });
    this.#busyAt.set(start.id, start.atMs);
  }

  /** An object that has time fires what is due, and one that has none fires one after the other. */
  #checkOrder({ id, alarm, atMs }: Start, row: Row, what: string): void {
    const idleMs = atMs - this.#freeSince(id, row);
    if (idleMs > longestIdleMs) this.violate(`${what}, ${idleMs} ms after it was due and its object had time`);
    for (const [key, other] of this.#rows) {
      // What rests is passed by what does not.
      if (atMs < (this.#restsUntil.get(id) ?? -Infinity)) break;
      if (!key.startsWith(`${id}/`) || key === `${id}/${alarm}` || other.status === "dead" || other.dueAt > atMs)
        continue;
      const overtakers = (this.#overtaken.get(key) ?? 0) + 1;
      this.#overtaken.set(key, overtakers);
      if (overtakers > mostOvertakers) this.violate(`${what}, and ${key} has been due for longer`);
    }
    this.#overtaken.delete(`${id}/${alarm}`);
  }

  /** Since when an alarm could have been fired: it was due, its object was free, and somebody lived. */
  #freeSince(id: string, { dueAt }: Row): number {
    return Math.max(dueAt, this.#busyAt.get(id) ?? -Infinity, this.#unattendedUntilMs);
  }

  ended(id: string, atMs: number): void {
    const running = this.#running.get(id);
    if (running !== undefined) running.endMs = atMs;
    this.#busyAt.set(id, atMs);
  }

  /** Nobody can fire anything from now until then. */
  unattended(nowMs: number, untilMs: number): void {
    this.#unattendedUntilMs = untilMs;
    this.#overtaken.clear();
    // Whose rest ends meanwhile is awake no earlier than the others.
    for (const [id, restsUntil] of this.#restsUntil) if (restsUntil > nowMs) this.#restsUntil.set(id, untilMs + 1);
  }

  /** Whether a handler runs, or what it came to is not known to be on the disk. */
  get isBusy(): boolean {
    return this.#running.size > 0;
  }

  /** Whether a handler of an object runs. */
  runs(id: string): boolean {
    return this.#running.get(id)?.endMs === null;
  }

  /** A write that did not reach the disk: what was running may start again. */
  abandoned(id: string, atMs: number): void {
    this.#running.delete(id);
    this.#busyAt.set(id, atMs);
    this.#restsUntil.set(id, atMs + restMs);
  }

  /** The clock is about to be set to another time. */
  jumps(nowMs: number): void {
    for (const key of this.overdue(nowMs)) this.#wereDue.add(key);
  }

  /** The owner was stopped: what ran for too long was abandoned, and starts again. */
  stopped(): void {
    this.#running.clear();
  }

  /** The owner dies. What is due when the next one opens may have been running. */
  died(atMs: number): void {
    this.#running.clear();
    for (const [key, row] of this.#rows) if (row.status === "set" && row.dueAt <= atMs) this.#suspects.add(key);
  }

  applied(write: ObjectWrite, nowMs: number): void {
    const { id } = write.address;
    this.#busyAt.set(id, nowMs);
    const running = this.#running.get(id);
    if (running !== undefined && running.endMs !== null) {
      this.#running.delete(id);
      this.#checkFiring(write, running, running.endMs);
    } else if (this.asked?.id !== id || !this.asked.check(write)) {
      this.#checkUnasked(write, nowMs);
    }
    if (write.deleted || write.cancelAllAlarms) {
      for (const key of this.#rows.keys()) if (key.startsWith(`${id}/`)) this.#forget(key);
    }
    if (write.deleted) this.handled.delete(id);
    for (const change of write.alarms) this.#change(id, change, write.baseRevision + 1);
  }

  /** State, effects and what becomes of the alarm, in one write, and nothing else. */
  #checkFiring(write: ObjectWrite, { start, row }: Running, endMs: number): void {
    const { alarm: name, id } = start;
    const plan = (row.payload === null ? null : JSON.parse(row.payload)) as Plan | null;
    const failed = plan !== null && start.attempt <= plan.fails;
    const expected = failed ? expectedFailure(name, row, endMs) : expectedEnd(name, row, plan, endMs);
    const change = write.alarms.find((each) => each.name === name);
    const actual = change?.change === "attempted" ? { ...change, lastError: null } : change;
    // A call that came right after it is in the same write; what it changes may be this very alarm.
    const asked = this.asked?.id === id ? this.asked : null;
    const others = write.alarms.filter((each) => each !== change);
    const isOverruled = asked?.check(write) === true;
    const isAlone = others.length === 0 || asked?.check({ ...write, alarms: others }) === true;
    if (!isOverruled && (!isAlone || JSON.stringify(sorted(actual)) !== JSON.stringify(sorted(expected)))) {
      this.violate(`${id}/${name}: ${JSON.stringify(write.alarms)} instead of ${JSON.stringify(expected)}`);
    }
    if (!write.deleted && failed !== (write.state === null)) this.violate(`${id}/${name}: the state does not fit`);
    if (!failed) this.handled.set(id, (this.handled.get(id) ?? 0) + 1);
  }

  /** Without a handler: an attempt is counted for a death, or an occurrence that was missed is let go. */
  #checkUnasked(write: ObjectWrite, nowMs: number): void {
    const { id } = write.address;
    const change = write.alarms.find((each) => this.#isDueToNobody(id, each, nowMs));
    const others = write.alarms.filter((each) => each !== change);
    // A call that came right after it is in the same write.
    const isAlone = others.length === 0 || (this.asked?.id === id && this.asked.check({ ...write, alarms: others }));
    if (change === undefined || !isAlone || write.state !== null) {
      this.violate(`${id}: nobody asked for ${JSON.stringify(write)}`);
    }
  }

  #isDueToNobody(id: string, change: AlarmChange, nowMs: number): boolean {
    const key = `${id}/${change.name}`;
    const row = this.#rows.get(key);
    if (row === undefined) return false;
    if (this.#suspects.has(key)) return isCountedDeath(row, change);
    return isMissed(row, nowMs) && isNextAfterMiss(row, change, nowMs);
  }

  #change(id: string, change: AlarmChange, generation: number): void {
    const key = `${id}/${change.name}`;
    const row = this.#rows.get(key);
    this.#wereDue.delete(key);
    this.#overtaken.delete(key);
    switch (change.change) {
      case "set": {
        const { dueAt, payload, rule } = change;
        const repeat = rule === null ? null : (JSON.parse(rule) as Repeat);
        const fresh = { attempts: 0, status: "set" } as const;
        this.#suspects.delete(key);
        this.#rows.set(key, { generation, dueAt, scheduledAt: dueAt, payload, repeat, ...fresh });
        break;
      }
      case "cancel":
        this.#forget(key);
        break;
      case "acknowledge":
        if (row?.generation !== change.generation) this.violate(`${key}: acknowledges what is not there`);
        this.#forget(key);
        break;
      case "attempted":
        this.#suspects.delete(key);
        if (row?.generation !== change.generation) this.violate(`${key}: counts for what is not there`);
        else this.#rows.set(key, { ...row, dueAt: change.dueAt, attempts: change.attempts, status: change.status });
        break;
      case "redrive":
        if (row !== undefined) this.#rows.set(key, { ...row, dueAt: change.dueAt, attempts: 0, status: "set" });
        break;
    }
  }

  #forget(key: string): void {
    this.#rows.delete(key);
    this.#overtaken.delete(key);
    this.#suspects.delete(key);
  }

  /** The alarms of an object as they must be listed. */
  alarms(id: string): string[] {
    return [...this.#rows]
      .filter(([key]) => key.startsWith(`${id}/`))
      .map(([key, { dueAt, attempts, status, generation }]) => [key, dueAt, attempts, status, generation].join(" "))
      .sort();
  }

  /** The alarms that are due and have not been fired, although their object has time. */
  neglected(nowMs: number): string[] {
    return this.overdue(nowMs).filter((key) => {
      const [id = ""] = key.split("/");
      const row = this.#rows.get(key);
      return row !== undefined && !this.#running.has(id) && nowMs - this.#freeSince(id, row) > longestIdleMs;
    });
  }

  /** The alarms that are due by then. */
  overdue(atMs: number): string[] {
    return [...this.#rows].filter(([, row]) => row.status === "set" && row.dueAt <= atMs).map(([key]) => key);
  }
}
