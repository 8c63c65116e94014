/** The steps a run is made of, as plain values, so that a failing run can be printed, replayed and shrunk. */

import * as fc from "fast-check";
import type { CommitFate } from "./controlled-store.ts";
import type { CallEffect } from "./model.ts";

/** The methods of a log that a caller may call. */
const logMethods = [
  "append",
  "appendSlowly",
  "appendWithTally",
  "appendAndTell",
  "size",
  "look",
  "lookSlowly",
  "refuse",
  "refuseSlowly",
  "crash",
  "spoil",
  "bloat",
  "vanish",
] as const;
export type LogMethod = (typeof logMethods)[number];

const tallyMethods = ["add", "total"] as const;
export type TallyMethod = (typeof tallyMethods)[number];

const runtimeMethods = ["activate", "deactivate", "delete", "peek", "list"] as const;
export type RuntimeMethod = (typeof runtimeMethods)[number];

/** What the model has to know of each method. */
export const effects: Readonly<Record<LogMethod | TallyMethod | RuntimeMethod, CallEffect>> = {
  append: "append",
  appendSlowly: "append",
  appendWithTally: "append",
  appendAndTell: "append",
  size: "see",
  look: "see",
  lookSlowly: "see",
  refuse: "never",
  refuseSlowly: "never",
  crash: "never",
  spoil: "never",
  bloat: "never",
  vanish: "delete",
  add: "add",
  total: "total",
  activate: "idle",
  deactivate: "idle",
  delete: "delete",
  peek: "see",
  list: "idle",
};

/** A call from outside. */
export interface CallStep {
  readonly object: number;
  readonly method: LogMethod | TallyMethod;
  readonly keyed: boolean;
  /** In virtual ms; 0 for the default. */
  readonly timeoutMs: number;
}

/** One thing that happens. Picks are taken modulo what there is to pick from. */
export type Step =
  | ({ readonly step: "call" } & CallStep)
  /** Everything comes to rest, and then these calls arrive together. */
  | { readonly step: "burst"; readonly object: number; readonly methods: readonly (LogMethod | TallyMethod)[] }
  /** A keyed call is made again. */
  | { readonly step: "repeat"; readonly pick: number }
  | { readonly step: "abort"; readonly pick: number }
  | { readonly step: "manage"; readonly object: number; readonly method: RuntimeMethod }
  | { readonly step: "run"; readonly pick: number }
  | { readonly step: "settle" }
  | { readonly step: "advance"; readonly ms: number }
  | { readonly step: "meet"; readonly fate: CommitFate }
  | { readonly step: "poison"; readonly object: number }
  | { readonly step: "failReads"; readonly count: number }
  | { readonly step: "heal" }
  | { readonly step: "stop" }
  | { readonly step: "crash" };

/** How a run is set up. */
export interface Setup {
  readonly objects: number;
  readonly mailboxLimit: number;
  readonly maxActive: number;
  readonly steps: readonly Step[];
}

const pick = fc.nat({ max: 30 });
const object = fc.nat({ max: 2 });

const often = (weight: number, method: LogMethod): fc.WeightedArbitrary<LogMethod> => ({
  weight,
  arbitrary: fc.constant(method),
});

const logMethod = fc.oneof(
  often(30, "append"),
  often(10, "appendSlowly"),
  often(10, "appendWithTally"),
  often(8, "appendAndTell"),
  often(4, "bloat"),
  often(1, "vanish"),
  { weight: 20, arbitrary: fc.constantFrom(...logMethods.filter((name) => name !== "bloat" && name !== "vanish")) },
);

const method = fc.oneof(
  { weight: 5, arbitrary: logMethod },
  { weight: 1, arbitrary: fc.constantFrom(...tallyMethods) },
);

/** What may get into each other's way. */
const together = fc.constantFrom<(LogMethod | TallyMethod)[]>(
  "append",
  "append",
  "appendSlowly",
  "appendWithTally",
  "appendWithTally",
  "appendWithTally",
  "add",
  "add",
  "add",
  "bloat",
  "bloat",
  "bloat",
  "refuse",
  "vanish",
);

const timeoutMs = fc.oneof(
  { weight: 5, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(20, 200) },
);

const ms = fc.constantFrom(5, 20, 60, 300, 300, 1_500, 1_500, 5_500, 5_500, 30_000);

const fates: readonly (readonly [number, CommitFate])[] = [
  [4, "refused"],
  [2, "full"],
  [3, "request lost"],
  [5, "answer lost"],
  [3, "foreign"],
  [1, "taken over"],
  [1, "taken over after"],
];

const fate = fc.oneof(...fates.map(([weight, each]) => ({ weight, arbitrary: fc.constant(each) })));

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({ step: fc.constant("call" as const), object, method, keyed: fc.boolean(), timeoutMs }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      step: fc.constant("burst" as const),
      object,
      methods: fc.array(together, { minLength: 2, maxLength: 6, size: "max" }),
    }),
  },
  { weight: 40, arbitrary: fc.record({ step: fc.constant("run" as const), pick }) },
  { weight: 5, arbitrary: fc.record({ step: fc.constant("repeat" as const), pick }) },
  { weight: 3, arbitrary: fc.record({ step: fc.constant("abort" as const), pick }) },
  {
    weight: 5,
    arbitrary: fc.record({ step: fc.constant("manage" as const), object, method: fc.constantFrom(...runtimeMethods) }),
  },
  { weight: 6, arbitrary: fc.constant<Step>({ step: "settle" }) },
  {
    weight: 5,
    arbitrary: fc.record({ step: fc.constant("advance" as const), ms }),
  },
  { weight: 7, arbitrary: fc.record({ step: fc.constant("meet" as const), fate }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("poison" as const), object }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("failReads" as const), count: fc.constantFrom(1, 2) }) },
  { weight: 2, arbitrary: fc.constant<Step>({ step: "heal" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ step: "stop" }) },
  { weight: 2, arbitrary: fc.constant<Step>({ step: "crash" }) },
);

/** Any run. */
export const setup: fc.Arbitrary<Setup> = fc.record({
  objects: fc.constantFrom(1, 2, 3),
  mailboxLimit: fc.constantFrom(3, 100, 100, 100),
  maxActive: fc.constantFrom(1, 3, 100),
  steps: fc.array(step, { minLength: 1, maxLength: 120, size: "max" }),
});
