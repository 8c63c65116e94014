/**
 * Claim: a call that only reads costs no statement and no wait, because the object is in memory.
 *
 *   node bench/reads.ts [--quick] [--seconds N]
 */

import { Counter, counterIds, openCounters } from "./support/counter.ts";
import { handWrittenCounters } from "./support/hand-written.ts";
import { callUntil, chooser, medianRate, medianRatio, takeTurns } from "./support/measure.ts";
import { atLeast, counted, perSecond, report, shown, times } from "./support/report.ts";
import { scratchFile } from "./support/scratch.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();
const rows = [];
for (const objects of [1, 1_000]) {
  const ids = counterIds(objects);
  const { runtime } = await openCounters(scratchFile("library.db"), ids);
  const byHand = handWrittenCounters(ids);
  const hot = objects === 1 ? runtime.get(Counter, ids[0] ?? "") : null;
  for (const callers of [1, 64]) {
    const next = chooser(objects);
    const id = (): string => ids[next()] ?? "";
    const [library, hand] = await takeTurns(
      [
        {
          name: "library",
          run: (seconds) =>
            callUntil({ callers, seconds, stride: 256 }, () => (hot ?? runtime.get(Counter, id())).value()),
        },
        { name: "by hand", run: (seconds) => callUntil({ callers, seconds, stride: 256 }, () => byHand.value(id())) },
      ] as const,
      run,
    );
    const [rate, byHandRate] = [medianRate(library), medianRate(hand)];
    rows.push({ objects, callers, library: rate, byHand: byHandRate, ratio: medianRatio(library, hand) });
  }
  await runtime.stop();
  byHand.close();
}

report(
  {
    name: "reads",
    measures: "calls of a read() handler on objects in memory, against a prepared SELECT for each call",
    doesNotMeasure:
      "a network or HTTP in front, objects that are not in memory (see cold-activation), writes beside it",
  },
  run,
  {
    settings: {
      store: "sqlite",
      freezeState: false,
      stateBytes: 10,
      stub: "held by the callers for 1 object, asked for in every call for 1,000",
    },
    columns: [
      { key: "objects", title: "objects" },
      { key: "callers", title: "callers" },
      { key: "library", title: "calls/s" },
      { key: "byHand", title: "by hand/s" },
      { key: "ratio", title: "ratio", digits: 1, unit: " ×" },
    ],
    rows,
    aims: rows
      .filter(({ callers }) => callers === 64)
      .map(({ objects, library }) => atLeast(`reads of ${counted(objects, "object")}:`, 500_000, "/s", library)),
    headlines: rows
      .filter(({ callers }) => callers === 64)
      .map(({ objects, library, byHand, ratio }) => ({
        what: objects === 1 ? "reads of one object" : `reads over ${shown(objects)} objects`,
        here: `${perSecond(library)} (${times(ratio)})`,
        byHand: `${perSecond(byHand)} (a SELECT)`,
      })),
  },
);
