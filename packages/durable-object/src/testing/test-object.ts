/**
 * One object, as a test looks at it: what is stored of it, which alarms it has, and having them fire. A
 * failed assertion says what was expected, what is there, and of which object it speaks.
 */

import { AssertionError } from "node:assert";
import { isDeepStrictEqual } from "node:util";
import { formatAddress, type Address } from "../core/address.ts";
import { formatDuration, parseDuration, type Duration } from "../core/duration.ts";
import { preview } from "../core/preview.ts";
import type { AnyDefinition } from "../object/define-object.ts";
import type { AlarmListing } from "../object/stub.ts";
import type { AddressedAlarm, OpenObjectStore, StoredAlarm } from "../ports/object-store.ts";
import { alarmListing } from "../runtime/alarm-listing.ts";
import { reviveState } from "../runtime/object-state.ts";
import type { DefinedState } from "../runtime/runtime.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** When an alarm is expected to be due. */
export interface AlarmExpectation {
  /** At the latest after this long, from now. */
  readonly within?: Duration;
  /** Exactly then. */
  readonly at?: Date;
}

/** What a test object needs of its runtime. */
export interface TestObjectHost {
  readonly clock: VirtualClock;
  /** The store, as it is now. */
  store(): OpenObjectStore;
  /** Has an alarm fire now; resolves to what its handler failed with, or null. */
  fire(alarm: AddressedAlarm): Promise<Error | null>;
}

type AlarmName<Definition extends AnyDefinition> = keyof Definition["alarms"] & string;

/** One object, as a test looks at it. */
export class TestObject<Definition extends AnyDefinition> {
  readonly #host: TestObjectHost;
  readonly #definition: Definition;
  readonly #address: Address;

  /** Use `object` of a test runtime. */
  constructor(host: TestObjectHost, definition: Definition, address: Address) {
    this.#host = host;
    this.#definition = definition;
    this.#address = address;
  }

  /** What is stored, as a handler would see it; null if nothing is. */
  async persisted(): Promise<DefinedState<Definition> | null> {
    const [stored] = await this.#read((store) => store.load([this.#address]));
    if (stored === null || stored === undefined || stored.state === null) return null;
    const { state } = reviveState(this.#address, this.#definition.codec, stored.state, stored.stateVersion, false);
    return state as DefinedState<Definition>;
  }

  /**
   * Checks what is stored: each field that is given has this value.
   *
   * @throws AssertionError
   */
  async assertPersisted(expected: Partial<DefinedState<Definition>>): Promise<void> {
    const stored: unknown = await this.persisted();
    if (stored === null) {
      const message = `Expected ${this.#name} to be stored. Nothing is stored for it.`;
      throw new AssertionError({ message, actual: null, expected });
    }
    for (const [field, value] of Object.entries(expected as Record<string, unknown>)) {
      const actual = (stored as Record<string, unknown>)[field];
      if (isDeepStrictEqual(actual, value)) continue;
      const message = `Expected the stored state of ${this.#name} to have ${field} = ${preview(value)}. It has ${field} = ${preview(actual)}.`;
      throw new AssertionError({ message, actual: stored, expected });
    }
  }

  /** Its alarms, the next one first; dead ones too. */
  async alarms(): Promise<readonly AlarmListing<AlarmName<Definition>>[]> {
    return (await this.#storedAlarms()).map(alarmListing);
  }

  /**
   * Checks that an alarm is set, and when it is due.
   *
   * @throws AssertionError
   */
  async assertAlarmScheduled(name: AlarmName<Definition>, { within, at }: AlarmExpectation = {}): Promise<void> {
    const alarms = await this.alarms();
    const alarm = alarms.find((each) => each.name === name && each.status === "set");
    const expectation =
      within === undefined ? (at === undefined ? "" : ` at ${at.toISOString()}`) : ` within ${formatDuration(within)}`;
    const expected = `Expected the alarm "${name}" of ${this.#name} to be scheduled${expectation}.`;
    if (alarm === undefined) {
      throw new AssertionError({ message: `${expected} ${scheduled(alarms)}`, actual: alarms, expected: name });
    }
    const withinMs = within === undefined ? Infinity : parseDuration(within);
    if (withinMs === null) throw new TypeError(`within must be a duration such as "1h", not ${preview(within)}.`);
    const leftMs = alarm.at.getTime() - this.#host.clock.nowMs;
    if (leftMs <= withinMs && (at === undefined || alarm.at.getTime() === at.getTime())) return;
    const message = `${expected} It is due in ${words(leftMs)}, at ${alarm.at.toISOString()}. ${scheduled(alarms)}`;
    throw new AssertionError({ message, actual: alarm.at, expected: at ?? within });
  }

  /**
   * Checks that an alarm is not set.
   *
   * @throws AssertionError
   */
  async refuteAlarmScheduled(name: AlarmName<Definition>): Promise<void> {
    const alarm = (await this.alarms()).find((each) => each.name === name && each.status === "set");
    if (alarm === undefined) return;
    const message = `Expected no alarm "${name}" of ${this.#name} to be scheduled. It is due at ${alarm.at.toISOString()}.`;
    throw new AssertionError({ message, actual: alarm.at, expected: null });
  }

  /**
   * Has an alarm fire now, whenever it is due. It takes the way of every alarm: its handler runs in the object, and
   * what it returned is committed with the acknowledgement.
   *
   * @throws AssertionError if it is not set; {@link DurableObjectError} what its handler failed with (it is tried again
   *   later, as it would be), or `REPLY_LOST` if the process died
   */
  async fireAlarm(name: AlarmName<Definition>): Promise<void> {
    const alarms = await this.#storedAlarms();
    const alarm = alarms.find((each) => each.name === name && each.status === "set");
    if (alarm === undefined) {
      const message = `Expected the alarm "${name}" of ${this.#name} to be scheduled. ${scheduled(alarms.map(alarmListing))}`;
      throw new AssertionError({ message, actual: alarms.map((each) => each.name), expected: name });
    }
    await this.#fire(alarm);
  }

  /**
   * Has its alarms fire, the next one first, until none is left; those too that are set on the way.
   *
   * @param options - `max`: how many may fire. Default 100
   * @returns how many have fired
   * @throws AssertionError if there are more; {@link DurableObjectError} what the first one that fails fails with
   */
  async drainAlarms({ max = 100 }: { readonly max?: number } = {}): Promise<number> {
    const fired: string[] = [];
    for (;;) {
      const next = (await this.#storedAlarms()).find(({ status }) => status === "set");
      if (next === undefined) return fired.length;
      if (fired.length >= max) {
        const message =
          `After ${fired.length} alarms ${this.#name} still has alarms, the next one is "${next.name}". ` +
          `Is it a loop? Fired: ${loopOf(fired)}.`;
        throw new AssertionError({ message, actual: fired.length + 1, expected: max });
      }
      await this.#fire(next);
      fired.push(next.name);
    }
  }

  async #fire(alarm: StoredAlarm): Promise<void> {
    const failure = await this.#host.fire({ ...alarm, address: this.#address, suspect: false });
    if (failure !== null) throw failure;
  }

  async #storedAlarms(): Promise<readonly StoredAlarm[]> {
    return await this.#read((store) => store.listAlarms(this.#address));
  }

  /** Asks the store, when all that takes no time has happened; time waits for the answer. */
  async #read<Answer>(ask: (store: OpenObjectStore) => Promise<Answer>): Promise<Answer> {
    const { clock } = this.#host;
    await clock.settle();
    return await clock.work(() => ask(this.#host.store()));
  }

  get #name(): string {
    return formatAddress(this.#address);
  }
}

function scheduled(alarms: readonly AlarmListing[]): string {
  const set = alarms.filter(({ status }) => status === "set");
  const dead = alarms.filter(({ status }) => status === "dead").map(({ name }) => name);
  const others = set.map(({ name, at }) => `${name} (${at.toISOString()})`).join(", ");
  return `Scheduled: ${others || "nothing"}.${dead.length > 0 ? ` Dead: ${dead.join(", ")}.` : ""}`;
}

/** The names in the order in which they fired; of many, the last ones. */
function loopOf(fired: readonly string[]): string {
  const last = fired.slice(-12).join(" → ");
  return fired.length > 12 ? `… → ${last}` : last;
}

function words(ms: number): string {
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1_000],
  ] as const;
  for (const [unit, unitMs] of units) if (Math.abs(ms) >= unitMs) return `${Number((ms / unitMs).toFixed(2))}${unit}`;
  return `${ms}ms`;
}
