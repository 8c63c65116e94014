/**
 * Claim: calls of many objects share one commit too, a row for each object.
 *
 *   node bench/spread.ts [--quick] [--seconds N]
 */

import { incrementColumns, measureIncrements } from "./support/increments.ts";
import { atLeast, perSecond, report, shown, times } from "./support/report.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();
const callers = [1, 64, 1_024];
const rows = await measureIncrements(1_000, callers, run);
// A smoke run does without the second size: filling its files takes longer than measuring.
if (!run.quick) rows.push(...(await measureIncrements(10_000, callers, run)));
const busiest = rows.find((row) => row.objects === 1_000 && row.callers === 1_024);
const alone = rows.find((row) => row.objects === 1_000 && row.callers === 1);

report(
  {
    name: "spread",
    measures:
      "durable increments of counters chosen at random, each answered after its commit is on the disk, against one prepared UPDATE … RETURNING for each call, and against the same commits without the library",
    doesNotMeasure:
      "objects that are not in memory yet (see cold-activation), a network or HTTP in front, several processes, other disks",
  },
  run,
  {
    settings: {
      store: "sqlite",
      synchronous: "full",
      worker: false,
      freezeState: false,
      stateBytes: 10,
      stub: "asked for in every call",
    },
    columns: incrementColumns,
    rows,
    aims: [
      atLeast("1,000 objects, 1,024 callers:", 30, " × by hand", busiest?.ratio ?? 0),
      atLeast("1,000 objects, 1 caller:", 0.9, " × by hand", alone?.ratio ?? 0),
    ],
    headlines: rows
      .filter((row) => row.callers > 1)
      .map((row) => ({
        what: `durable increments over ${shown(row.objects)} objects, ${shown(row.callers)} in flight`,
        here: `${perSecond(row.library)} (${times(row.ratio)})`,
        byHand: perSecond(row.byHand),
      })),
  },
);
