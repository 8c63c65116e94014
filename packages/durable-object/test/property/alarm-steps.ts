/**
 * What can happen in a life of alarms, and two ways of drawing it: calm lives, in which every object has time
 * for its alarms, and saturated ones, in which more comes due than an object has time for.
 */

import * as fc from "fast-check";
import type { AlarmName } from "../fixtures/alarm-diary.ts";
import type { Plan, Repeat } from "./alarm-row.ts";

/** What the next commit meets: no room, a line that is cut after or before it, or a disk that takes its time. */
type Fault = "full" | "answer" | "request" | "slow before" | "slow after";
const faults: readonly Fault[] = ["full", "full", "answer", "request", "slow before", "slow after"];

/** One thing that happens. */
export type Step =
  | {
      readonly do: "set";
      readonly id: string;
      readonly name: AlarmName;
      readonly delay: number;
      readonly plan: Plan;
      readonly repeat: Repeat | null;
      /** How long the handler takes that sets it, in ms; 0 for one that does not wait. */
      readonly afterMs: number;
      /** How long the caller waits, in ms; null for as long as it takes. */
      readonly patienceMs: number | null;
    }
  | { readonly do: "cancel" | "redrive"; readonly id: string; readonly name: AlarmName }
  | { readonly do: "cancelAll" | "delete" | "deactivate"; readonly id: string }
  | { readonly do: "wait" | "oversleep" | "jump"; readonly ms: number }
  | { readonly do: "fault"; readonly kind: Fault }
  | { readonly do: "crash" | "restart"; readonly downMs: number };

/** A life: what happens, and how long a stop is given, in ms. */
export interface Life {
  readonly stopTimeoutMs: number;
  readonly steps: readonly Step[];
}

/** The objects of a life. */
export const ids: readonly string[] = ["a", "b"];

/** What makes a life calm or not; of a list, each is as likely as the next. */
interface Pace {
  /** How long handlers take, in ms. */
  readonly takesMs: readonly number[];
  readonly fails: readonly number[];
  readonly own: readonly Plan["own"][];
  /** How often alarms repeat, in ms; null for once. */
  readonly every: readonly (number | null)[];
  readonly misfire: readonly Repeat["misfire"][];
  readonly stopTimeoutMs: readonly number[];
  readonly patienceMs: readonly (number | null)[];
  readonly longestWaitMs: number;
  /** How much more often alarms are set than called off. */
  readonly setting: number;
  readonly mostSteps: number;
}

function lives(pace: Pace): fc.Arbitrary<Life> {
  const { mostSteps } = pace;
  return fc.record({
    stopTimeoutMs: fc.constantFrom(...pace.stopTimeoutMs),
    steps: fc.array(step(pace), { minLength: mostSteps / 4, maxLength: mostSteps, size: "max" }),
  });
}

function step(pace: Pace): fc.Arbitrary<Step> {
  const id = fc.constantFrom(...ids);
  const name = fc.constantFrom<AlarmName>("ring", "chime", "tick");
  const plan = fc.record<Plan>({
    fails: fc.constantFrom(...pace.fails),
    own: fc.constantFrom(...pace.own),
    takesMs: fc.constantFrom(...pace.takesMs),
  });
  const repeat = fc
    .tuple(fc.constantFrom(...pace.every), fc.constantFrom(...pace.misfire))
    .map(([every, misfire]) => (every === null ? null : { every, misfire }));
  const patienceMs = fc.constantFrom(...pace.patienceMs);
  const afterMs = fc.constantFrom(0, 0, 0, 4_000);
  const is = <const Do extends Step["do"]>(what: Do) => fc.constant(what);
  const set = fc.record({ do: is("set"), id, name, delay: fc.nat(8_000), plan, repeat, afterMs, patienceMs });

  const away = fc.nat(20_000);
  const arbitraries: readonly { readonly weight: number; readonly arbitrary: fc.Arbitrary<Step> }[] = [
    { weight: pace.setting, arbitrary: set },
    { weight: 1, arbitrary: fc.record({ do: is("cancel"), id, name }) },
    { weight: 1, arbitrary: fc.record({ do: is("cancelAll"), id }) },
    { weight: 1, arbitrary: fc.record({ do: is("redrive"), id, name }) },
    { weight: 1, arbitrary: fc.record({ do: is("delete"), id }) },
    { weight: 1, arbitrary: fc.record({ do: is("deactivate"), id }) },
    { weight: 8, arbitrary: fc.record({ do: is("wait"), ms: fc.nat(pace.longestWaitMs) }) },
    { weight: 1, arbitrary: fc.record({ do: is("oversleep"), ms: fc.nat(40_000) }) },
    { weight: 1, arbitrary: fc.record({ do: is("jump"), ms: fc.integer({ min: -20_000, max: 20_000 }) }) },
    { weight: 3, arbitrary: fc.record({ do: is("fault"), kind: fc.constantFrom(...faults) }) },
    { weight: 1, arbitrary: fc.record({ do: is("crash"), downMs: away }) },
    { weight: 1, arbitrary: fc.record({ do: is("restart"), downMs: away }) },
  ];
  return fc.oneof(...arbitraries);
}

/** Every object has time for its alarms, now and then. */
export const calm: fc.Arbitrary<Life> = lives({
  takesMs: [0, 0, 300],
  fails: [0, 0, 0, 1, 2, 5],
  own: ["nothing", "nothing", "again", "cancel"],
  every: [null, 20_000, 45_000],
  misfire: ["once", "skip", "all"],
  stopTimeoutMs: [60_000],
  patienceMs: [null],
  longestWaitMs: 9_000,
  setting: 6,
  mostSteps: 24,
});

/**
 * More comes due than an object has time for: handlers that take longer than it is to the next occurrence,
 * and rules that make up for every occurrence that was missed. Callers give up, and stops
 * come to their deadline, where it takes too long.
 */
export const saturated: fc.Arbitrary<Life> = lives({
  takesMs: [0, 700, 3_000, 12_000],
  fails: [0, 0, 0, 0, 0, 1, 2, 5],
  own: ["nothing", "nothing", "nothing", "nothing", "nothing", "again", "cancel"],
  every: [null, 500, 1_000, 1_000, 5_000],
  misfire: ["once", "skip", "all", "all", "all"],
  stopTimeoutMs: [60_000, 5_000],
  patienceMs: [null, 2_000],
  longestWaitMs: 15_000,
  setting: 12,
  mostSteps: 32,
});
